"""Rotary positions: pairs of features turn by an angle that grows with the position.

(a, b) -> (a cos t - b sin t, a sin t + b cos t), t = position * frequency of the pair.
"""

from __future__ import annotations

import math
from typing import Any

from tests.conformance.oracle.plain import Axes, element
from tests.conformance.oracle.positions import Positions, of_side, three_rows


def ntk(base: float, dims: int, scaling: dict[str, Any]) -> float:
    """The base that an NTK-aware scaling takes instead."""
    return float(base * scaling["factor"] ** (dims / (dims - 2)))


def yarn(m: int, base: float, dims: int, scaling: dict[str, Any]) -> float:
    """YaRN (Peng et al. 2023, arXiv 2309.00071), as its authors' code has it.

    A pair that makes more than beta_fast turns over the original length keeps its frequency, one
    that makes fewer than beta_slow has it divided by the factor. Between the two the share goes
    linearly with the number of the pair, within 0 .. dims - 1.
    """
    plain = base ** (-2 * m / dims)

    def pair_that_turns(times: float) -> float:
        length = scaling["original_length"]
        return float(dims * math.log(length / (times * 2 * math.pi)) / (2 * math.log(base)))

    low = pair_that_turns(scaling.get("beta_fast", 32))
    high = pair_that_turns(scaling.get("beta_slow", 1))
    if scaling.get("truncate", True):  # from and to whole numbers
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, dims - 1)
    width = high - low if high != low else 0.001
    divided = min(max((m - low) / width, 0.0), 1.0)
    return float(plain * (1 - divided) + plain / scaling["factor"] * divided)


def llama3(m: int, base: float, dims: int, scaling: dict[str, Any]) -> float:
    """Llama 3.1: long waves are divided by the factor, short ones kept, those between blended."""
    plain = base ** (-2 * m / dims)
    turns = scaling["original_length"] * plain / (2 * math.pi)
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    kept = min(max((turns - low) / (high - low), 0.0), 1.0)
    return float(plain * kept + plain / scaling["factor"] * (1 - kept))


def frequency(m: int, base: float, dims: int, scaling: dict[str, Any]) -> float:
    """By how much pair m turns from one position to the next."""
    kind = scaling.get("kind")
    if kind == "yarn":
        return yarn(m, base, dims, scaling)
    if kind == "llama3":
        return llama3(m, base, dims, scaling)
    if kind == "ntk":
        base = ntk(base, dims, scaling)
    plain = float(base ** (-2 * m / dims))
    return plain / float(scaling["factor"]) if kind == "linear" else plain


def size(scaling: dict[str, Any]) -> float:
    """What sine and cosine are multiplied with: only YaRN has such a factor."""
    if scaling.get("kind") != "yarn":
        return 1.0
    return float(scaling.get("attention_factor", 0.1 * math.log(scaling["factor"]) + 1))


def section(rope: dict[str, Any], m: int) -> int:
    """The one of three rows that gives pair m its position: 0 temporal, 1 height, 2 width.

    `blocks` is Qwen2-VL (arXiv 2409.12191), `in-turn` Qwen3-VL (arXiv 2511.21631).
    """
    t, h, w = rope["sections"]
    if rope["sections_layout"] == "blocks":
        return [*[0] * t, *[1] * h, *[2] * w][m]
    assert rope["sections_layout"] == "in-turn"
    turn = m % 3
    return turn if m < 3 * (0, h, w)[turn] else 0


def rotated(rope: Any, x: list[float], position: int | list[int]) -> list[float]:
    """x turned as at a position, or at three; features from number `dims` on stay as they are."""
    given: dict[str, Any] = {} if rope is True else rope
    dims = given.get("dims", len(x))
    scaling = given.get("scaling", {})
    y = list(x)
    for m in range(dims // 2):
        first, second = (2 * m, 2 * m + 1) if given.get("interleaved") else (m, m + dims // 2)
        p = position if isinstance(position, int) else position[section(given, m)]
        angle = p * frequency(m, given.get("base", 10000), dims, scaling)
        cos, sin = size(scaling) * math.cos(angle), size(scaling) * math.sin(angle)
        y[first] = x[first] * cos - x[second] * sin
        y[second] = x[first] * sin + x[second] * cos
    return y


class Angles:
    """Where queries and keys are turned to: a position of each, or three with sections."""

    def __init__(self, problem: dict[str, Any], axes: Axes) -> None:
        self.rope = problem["rope"] if isinstance(problem["rope"], dict) else {}
        self.positions = Positions(problem, axes)
        self.first_key = axes.past if problem.get("past", {}).get("rotated") else 0
        """Keys of a past that is turned already are not turned again."""

    def given(self, side: str, b: int, n: int) -> int | list[int] | None:
        """The position that the user gives, if any."""
        if "positions" not in self.rope:
            return None
        values = of_side(self.rope["positions"], side)
        return three_rows(values, b, n) if "sections" in self.rope else element(values, [b, n])

    def query(self, b: int, i: int) -> int | list[int]:
        """The position of query i."""
        given = self.given("query", b, i)
        return self.positions.query(b, i) if given is None else given

    def key(self, b: int, n: int) -> int | list[int]:
        """The position of row n of the keys that are turned."""
        given = self.given("key", b, n)
        return self.positions.key(b, self.first_key + n) if given is None else given
