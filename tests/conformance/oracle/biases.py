"""What is added to scores for the positions of query and key: ALiBi, and T5's relative bias."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from tests.conformance.oracle.plain import Axes
from tests.conformance.oracle.positions import Given, Positions

Read = Positions | Given


def slopes(given: Any, heads: int) -> list[float]:
    """The slopes of ALiBi (Press et al. 2022, arXiv 2108.12409): a list, `paper` or `plain`."""
    if isinstance(given, list):
        return given
    power = 2 ** (heads.bit_length() - 1)
    if given == "plain" or power == heads:
        return [2 ** (-8 * (h + 1) / heads) for h in range(heads)]
    finer = [2 ** (-8 * (h + 1) / (2 * power)) for h in range(2 * power)]
    return (slopes("plain", power) + finer[::2])[:heads]


def positions(problem: dict[str, Any], key: str, axes: Axes) -> Read:
    """The positions that `alibi` or `relative_bias` reads: its own, or those of the problem."""
    given = problem.get(key)
    if isinstance(given, dict) and "positions" in given:
        return Given(given["positions"], axes)
    return Positions(problem, axes)


def alibi(problem: dict[str, Any], axes: Axes, read: Read, b: int, h: int, i: int, j: int) -> float:
    """What ALiBi adds for query i and key j, by the positions that it reads."""
    given = problem.get("alibi", False)
    if given is False:
        return 0.0
    if not isinstance(given, dict):
        given = {"slopes": "paper" if given is True else given}
    m = slopes(given.get("slopes", "paper"), axes.heads)[h]
    p, key = read.query(b, i), read.key(b, j)
    forms = {
        "distance": -m * abs(p - key),
        "signed": m * (key - p),
        "key": m * key,
        "last_key": m * (key - read.last(b)),
        "clamped": -m * max(p - key, 0),
    }
    return float(forms[given.get("form", "distance")])


def bucket(distance: int, buckets: int, bidirectional: bool, max_distance: int) -> int:
    """The bucket of a distance key - query in T5 (Raffel et al. 2020, arXiv 1910.10683).

    Half of the buckets are for the future, unless only the past counts. Of the others the first
    half has one for each distance, then they grow as the logarithm, up to max_distance.
    """
    first = 0
    if bidirectional:
        buckets //= 2
        first = buckets if distance > 0 else 0
    far = abs(distance) if bidirectional else max(-distance, 0)
    exact = buckets // 2
    if far < exact:
        return first + far
    # The largest number of steps with (far / exact) >= (max_distance / exact)^(steps / all).
    grown = buckets - exact
    reached = Fraction(far, exact) ** grown
    steps = sum(reached >= Fraction(max_distance, exact) ** n for n in range(1, grown))
    return first + exact + steps


def relative(problem: dict[str, Any], read: Read, b: int, h: int, i: int, j: int) -> float:
    """What the relative bias adds for query i and key j, by the positions that it reads."""
    given = problem.get("relative_bias")
    if given is None:
        return 0.0
    table = given["table"]
    sides = given.get("bidirectional", True)
    distance = read.key(b, j) - read.query(b, i)
    n = bucket(distance, len(table), sides, given.get("max_distance", 128))
    return float(table[n][h])
