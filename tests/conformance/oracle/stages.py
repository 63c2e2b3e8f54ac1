"""From scores to what the normaliser is given: softcap, bias and mask in any order, then top_k."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import Any

from tests.conformance.oracle.biases import alibi, positions, relative
from tests.conformance.oracle.hidden import TOP_K, Hidden, not_selected, reaches
from tests.conformance.oracle.plain import Axes, Heads, element

STEPS = {"softcap": "capped", "bias": "biased", "mask": "masked"}
BIASES = {"score_bias", "alibi", "relative_bias"}


def fill(problem: dict[str, Any]) -> float:
    """The number that a hidden key is given."""
    value = problem.get("mask_fill", {}).get("value", -math.inf)
    if not isinstance(value, str):
        return float(value)
    share, lowest = value.split() if " " in value else ("1", value)
    assert lowest == "lowest"
    return -sys.float_info.max * float(share)


@dataclass
class Staged:
    """What the normaliser is given, and what became of every key."""

    steps: dict[str, Heads]
    """The scores, and each stage that the problem has."""
    final: Heads
    codes: list[list[list[list[int]]]]
    """Why a key is, or was to be, hidden: the step `visible`."""
    gone: list[list[list[list[bool]]]]
    """Which keys take no part whatever number they have."""


class Stages:
    """softcap, bias and mask as functions of a score and its place."""

    def __init__(self, problem: dict[str, Any], axes: Axes, hidden: Hidden) -> None:
        self.problem, self.axes, self.hidden = problem, axes, hidden
        self.fill, self.how = fill(problem), problem.get("mask_fill", {}).get("how", "select")
        self.read = {key: positions(problem, key, axes) for key in ("alibi", "relative_bias")}
        has = {
            "softcap": "softcap" in problem,
            "bias": bool(BIASES & set(problem)),
            "mask": hidden.by_mask,
        }
        order = problem.get("order", ["softcap", "bias", "mask"])
        self.order = [stage for stage in order if has[stage]]

    @property
    def fill_hides(self) -> bool:
        """Whether the fill is -infinity, and no softcap after the mask makes -c of that."""
        after = self.order[self.order.index("mask") :] if "mask" in self.order else []
        return self.fill == -math.inf and "softcap" not in after

    def softcap(self, s: float, b: int, h: int, i: int, j: int) -> float:
        """c tanh(s / c)."""
        c = self.problem["softcap"]
        return float(c * math.tanh(s / c))

    def bias(self, s: float, b: int, h: int, i: int, j: int) -> float:
        """s + (score_bias + alibi + relative_bias)."""
        matrix = element(self.problem.get("score_bias", [[0.0]]), self.axes.index(b, h, i, j))
        by_slope = alibi(self.problem, self.axes, self.read["alibi"], b, h, i, j)
        by_bucket = relative(self.problem, self.read["relative_bias"], b, h, i, j)
        return float(s + (matrix + (by_slope + by_bucket)))

    def mask(self, s: float, b: int, h: int, i: int, j: int) -> float:
        """s + the number of the mask; what is hidden is given the fill, or has it added.

        The -infinity of a mask hides, and is never added. Neither is a fill of -infinity:
        NaN in a hidden key stays hidden.
        """
        number = self.hidden.user.number(b, h, i, j)
        if not self.hidden.otherwise(b, h, i, j):
            return s + number
        if self.how == "select" or self.fill == -math.inf:
            return self.fill
        return s + (0.0 if number == -math.inf else number) + self.fill


def staged(problem: dict[str, Any], axes: Axes, scores: Heads) -> Staged:
    """Leave out what `sparse` does not select, then go through the stages and top_k.

    What `sparse` leaves out is -infinity in its scores, and in all that follows.
    """
    hidden = Hidden(problem, axes)
    left_out = not_selected(problem, axes, hidden, scores)
    stages = Stages(problem, axes, hidden)
    s = axes.pairs(lambda b, h, i, j: -math.inf if left_out[b][h][i][j] else scores[b][h][i][j])
    steps = {"scores": s}
    for name in stages.order:
        s = through(getattr(stages, name), s, left_out, axes)
        steps[STEPS[name]] = s
    codes = axes.pairs(lambda b, h, i, j: hidden.code(left_out[b][h][i][j], b, h, i, j))
    gone = axes.pairs(
        lambda b, h, i, j: (
            left_out[b][h][i][j] or (stages.fill_hides and hidden.otherwise(b, h, i, j))
        )
    )
    if "top_k" in problem:
        codes, gone = largest(problem["top_k"], axes, s, codes, gone)
    return Staged(steps, s, codes, gone)


def through(stage: Any, s: Heads, left_out: Any, axes: Axes) -> Heads:
    """Every score after one stage."""
    return axes.pairs(
        lambda b, h, i, j: -math.inf if left_out[b][h][i][j] else stage(s[b][h][i][j], b, h, i, j)
    )


def largest(k: int, axes: Axes, s: Heads, codes: Any, gone: Any) -> tuple[Any, Any]:
    """The codes, and what takes no part, where the k largest of each row are kept.

    They are the largest of those that take part, and what ties with the last of them.
    """

    def kept(b: int, h: int, i: int) -> list[bool]:
        return reaches(s[b][h][i], [not g for g in gone[b][h][i]], k)

    keeps = axes.rows(kept)
    return (
        axes.pairs(lambda b, h, i, j: codes[b][h][i][j] or (0 if keeps[b][h][i][j] else TOP_K)),
        axes.pairs(lambda b, h, i, j: not keeps[b][h][i][j]),
    )
