"""Numbers that no list has: a scale, a soft cap, one sink and one slope per head, by least squares.

    minimise |observed - values(theta)|^2      theta <- theta + (J^T J)^-1 J^T (observed - values)

Gauss-Newton, from the numbers of the problem, with J by a difference; a step that makes the rest
larger is halved. The numbers of heads are independent of one another: one difference serves all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import sqrt
from typing import Any, NamedTuple

import numpy as np

from attn_cli.arrays import Array, Integers
from attn_cli.lab.altered import Steps
from attn_cli.lab.identify.candidates import Candidate
from attn_cli.lab.identify.judging import Judge, size
from attn_cli.lab.identify.result import Hypothesis
from attn_cli.lab.noise import exactly
from attn_cli.lab.variants import Base
from attn_cli.maths.adjustments import Softcap
from attn_cli.maths.bias.alibi import Alibi
from attn_cli.maths.problem import Problem

_ROUNDS, _HALVINGS = 8, 3
_DELTA = 1e-3  # of a number, or of 1
_ENOUGH = 1e-4  # of the rest: a smaller gain ends the search

Changes = Mapping[str, Any]
Look = Callable[[Problem], "Steps | None"]


class Family(NamedTuple):
    """Numbers to be fitted: where they start, the keys that they are, and what they are called."""

    name: str
    start: Callable[[Problem], Array | None]  # None: the problem cannot have them
    keys: Callable[[Problem, Array], Changes]
    sentence: Callable[[Problem, Array], str]
    least: float = -np.inf


def _number(x: float) -> float:
    return float(f"{x:.6g}")


def _scale(problem: Problem) -> Array | None:
    if problem.key is None or isinstance(problem.scale, tuple):
        return None
    return np.array([problem.scale])


def _scale_said(problem: Problem, theta: Array) -> str:
    d_k = problem.key.depth if problem.key else 1
    parts = f"{theta[0] * sqrt(d_k):.4g}/sqrt({d_k})"
    return f"the scores were multiplied by {theta[0]:.4g} = {parts}"


def _cap(problem: Problem) -> Array | None:
    """Return 1/c^2 of the cap c: s - s^3 / (3 c^2) is what a large cap makes of a score s."""
    caps = [each.cap for each in problem.rules.adjustments if isinstance(each, Softcap)]
    return np.array([1 / caps[0] ** 2 if caps else 1e-3])


def _sinks(problem: Problem) -> Array | None:
    """Return the exponentials of the sinks: the further terms of the sums of heads."""
    rules = problem.rules
    if rules.normalizer.name not in ("softmax", "softmax1", "sink_logits"):
        return None
    count = problem.heads or 1
    logits = rules.parameters.get("logits") if rules.normalizer.name == "sink_logits" else None
    return np.ones(count) if logits is None else np.exp(np.broadcast_to(logits, (count,)))


def _slopes(problem: Problem) -> Array | None:
    count = problem.heads or 1
    for each in problem.rules.adjustments:
        for bias in getattr(each, "biases", ()):
            if isinstance(bias, Alibi):
                return np.broadcast_to(np.abs(bias.slopes), (count,)).astype(np.float64)
    return np.full(count, 1e-2)


def _listed(values: Array) -> list[float]:
    return [_number(each) for each in values]


def _shown(values: Array) -> str:
    return ", ".join(f"{each:.4g}" for each in values[:8]) + (", ..." if len(values) > 8 else "")


FAMILIES = (
    Family(
        "scale",
        _scale,
        lambda _, theta: {"scale": _number(theta[0])},
        _scale_said,
    ),
    Family(
        "softcap",
        _cap,
        lambda _, theta: {"softcap": _number(theta[0] ** -0.5)},
        lambda _, theta: f"the scores were capped at {theta[0] ** -0.5:.4g}",
        1e-12,
    ),
    Family(
        "sinks",
        _sinks,
        lambda _, theta: {
            "normalize": {"function": "sink_logits", "logits": _listed(np.log(theta))}
        },
        lambda _, theta: f"each head has a sink: {_shown(np.log(theta))}",
        1e-12,
    ),
    Family(
        "slopes",
        _slopes,
        lambda _, theta: {"alibi": {"slopes": _listed(theta)}},
        lambda _, theta: f"each head has a penalty for distance: {_shown(theta)}",
        0.0,
    ),
)  # fmt: skip


class Fit:
    """The fitted numbers of one family, from a start: changes of keys that are made anyway."""

    def __init__(self, base: Base, look: Look, judge: Judge, heads: Integers | None) -> None:
        """`heads` has the query head of each observed number; None: not all of them have one."""
        self._base, self._look, self._judge, self._heads = base, look, judge, heads

    def of(self, family: Family, start: Hypothesis) -> tuple[Candidate, float] | None:
        """Return the problem with the fitted numbers and its rest; None if there is none."""
        changes = start.changes or {}
        problem = self._with(changes) if changes else self._base.problem
        theta = None if problem is None else family.start(problem)
        if problem is None or theta is None or (len(theta) > 1 and self._heads is None):
            return None
        fitted = self._fitted(lambda x: {**changes, **family.keys(problem, x)}, theta, family.least)
        if fitted is None:
            return None
        theta, rest = fitted
        keys = {**changes, **family.keys(problem, theta)}
        final = self._with(keys)
        if final is None:
            return None
        named = ", ".join(f"{each:.4g}" for each in theta[:1]) if family.name == "scale" else ""
        name = f"fitted-{family.name}" + (f": {named}" if named else "")
        said = family.sentence(problem, theta)
        if changes:
            name, said = f"{start.name} and {name}", f"{start.sentence}, and {said}"
        return Candidate(final, (Hypothesis(name=name, sentence=said, changes=keys),)), rest

    def _with(self, changes: Changes) -> Problem | None:
        found = self._base.read_with(changes)
        return None if found is None else exactly(found)

    def _fitted(
        self, keys: Callable[[Array], Changes], theta: Array, least: float
    ) -> tuple[Array, float] | None:
        left = self._left(keys(theta))
        if left is None:
            return None
        for _ in range(_ROUNDS):
            delta = _DELTA * np.maximum(np.abs(theta), _DELTA)
            moved = self._left(keys(theta + delta))
            if moved is None:
                break
            step = self._step((left - moved), left, len(theta)) * delta
            better = self._better(keys, theta, step, least, size(left))
            if better is None:
                break
            gained = size(left) - size(better[1])
            theta, left = better
            if gained < _ENOUGH * size(left):
                break
        return theta, size(left)

    def _better(
        self, keys: Callable[[Array], Changes], theta: Array, step: Array, least: float, rest: float
    ) -> tuple[Array, Array] | None:
        """Return the numbers after a step, or a part of it, that makes the rest smaller."""
        for halvings in range(_HALVINGS + 1):
            tried = np.maximum(theta + step / 2**halvings, np.maximum(theta / 16, least))
            left = self._left(keys(tried))
            if left is not None and size(left) < rest:
                return tried, left
        return None

    def _step(self, moves: Array, left: Array, count: int) -> Array:
        """Return how many deltas each number is to be moved by."""
        if count == 1:
            return np.array([_ratio(moves @ left, moves @ moves)])
        heads = self._heads
        assert heads is not None
        up = np.bincount(heads, moves * left, count)
        down = np.bincount(heads, moves * moves, count)
        return np.array([_ratio(a, b) for a, b in zip(up, down, strict=True)])

    def _left(self, changes: Changes) -> Array | None:
        """Return the observed numbers less those of the problem with these changes, in floors."""
        problem = self._with(changes)
        values = None if problem is None else self._look(problem)
        if values is None:
            return None
        left: Array = self._judge.r - self._judge.off(values)
        return left if np.isfinite(left).all() else None


def _ratio(a: Any, b: Any) -> float:
    return float(a / b) if b else 0.0


def heads_of(shapes: Sequence[tuple[tuple[int, ...], tuple[str, ...]]]) -> Integers | None:
    """Return the head of each number of steps, one after the other; None if one has no heads."""
    found = []
    for shape, axes in shapes:
        if "head" not in axes:
            return None
        at = axes.index("head")
        along = [1] * len(shape)
        along[at] = shape[at]
        found.append(np.broadcast_to(np.arange(shape[at]).reshape(along), shape).ravel())
    return np.concatenate(found)
