"""One number of an earlier step that would explain a wrong answer, if it were another one.

The steps are those that the answer is computed from directly. A number can explain an answer only
if all that is wrong lies where it reaches: a score changes one row of the weights, a key one column
of the scores. The number is found by Newton's method; of sums of products that is one step.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, product
from typing import NamedTuple

import numpy as np

from attn_cli.arrays import AnyArray, Integers
from attn_cli.lab.altered import own, with_steps
from attn_cli.lab.answers.rounding import distance, off
from attn_cli.lab.answers.sheet import Answer
from attn_cli.lab.variants.shared import Sample
from attn_cli.lab.variants.variant import Base
from attn_cli.maths.stage import CODE

MOST = 24  # numbers that are tried
_TIMES = 8  # of Newton's method
_BETTER = 0.5  # each time must leave at most this part of the distance
_DECIMALS = 8  # that are tried for a rounder number
_LOCAL = ("batch", "head", "query", "key")  # along these a step reaches the next at one place


class Slip(NamedTuple):
    """A number of an earlier step: where it is, what it is, and what it would have to be."""

    step: str
    place: tuple[str, ...]  # the labels of its axes
    before: float
    after: float


def slip_in(base: Base, answer: Answer) -> Slip | None:
    """Return the first number of an earlier step that alone would give the answer, or None."""
    if answer.step in base.problem.altered:
        return None
    wrong = np.argwhere(off(answer, base.shown(answer.step)))
    for step, place in islice(_candidates(base, answer, wrong), MOST):
        value = _Number(base, answer, step, place).solved()
        if value is not None:
            before = float(base.steps[step][place])
            return Slip(step, _labels(base, step, place), before, value)
    return None


def _candidates(
    base: Base, answer: Answer, wrong: Integers
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield steps and places from which everything that is wrong can be reached."""
    axes = base.record.steps[answer.step].axes
    at = {axis: {*wrong[:, n].tolist()} for n, axis in enumerate(axes) if axis in _LOCAL}
    if len(axes) > 1 and "token" not in axes:
        at["token"] = at.get(axes[-2], set())
    if answer.step == "weights":  # each score reaches its whole row
        del at["key"]
    for step in base.specs[answer.step].reads:
        if base.specs[step].stage.role == CODE:
            continue
        here = {**at, "dimension": {*wrong[:, -1].tolist()}} if step == "v" else at
        shape, named = base.steps[step].shape, _axes(base, step)
        if any(len(here.get(axis, (0,))) != 1 for axis in named):
            continue
        if base.problem.heads_differ and step in {"k", "v"}:
            continue  # one head of keys reaches several others
        choices = [
            tuple(here[axis]) if axis in here else range(size)
            for axis, size in zip(named, shape, strict=True)
        ]
        for place in product(*choices):
            yield step, place


def _axes(base: Base, step: str) -> tuple[str, ...]:
    """Return the axes of a step in the order in which it is computed."""
    spec = base.specs[step]
    lead = base.steps[step].ndim - len(spec.axes)
    return (*base.problem.lead_axes[:lead], *spec.axes)


def _labels(base: Base, step: str, place: tuple[int, ...]) -> tuple[str, ...]:
    shown = base.record.steps[step]
    at = dict(zip(_axes(base, step), place, strict=True))
    return tuple(
        labels[at[axis]] if shown.letter_of(n) is None else f"{shown.letter_of(n)}{at[axis]}"
        for n, (axis, labels) in enumerate(zip(shown.axes, shown.labels, strict=True))
    )


class _Number:
    """A number of an earlier step, and the answer as a function of it."""

    def __init__(self, base: Base, answer: Answer, step: str, place: tuple[int, ...]) -> None:
        self._base, self._answer, self._step, self._place = base, answer, step, place
        self._sample = Sample(base, (answer.step,))
        self._before = float(base.steps[step][place])

    def solved(self) -> float | None:
        """Return the number that gives the answer; None if Newton's method finds none."""
        x, values = self._before, self._base.shown(self._answer.step).astype(np.float64)
        if not np.isfinite(x):
            return None
        far = distance(self._answer, values)
        for _ in range(_TIMES):
            x = x + self._change(x, values)
            values = self._values(x)
            if not off(self._answer, values).any():
                return self._rounder(x)
            before, far = far, distance(self._answer, values)
            if not far < _BETTER * before:
                return None
        return None

    def _change(self, x: float, values: AnyArray) -> float:
        """Return the change that brings the values nearest to the answer, if they are linear.

        NaN if it reaches fewer than two numbers: one number alone says nothing.
        """
        small = 1e-4 * max(1.0, abs(x))
        with np.errstate(all="ignore"):
            slope = (self._values(x + small) - values) / small
            left = self._answer.values - values
            counted = self._answer.given & np.isfinite(slope) & np.isfinite(left)
            slope, left = slope[counted], left[counted]
            if np.count_nonzero(np.abs(slope) > 1e-9) < 2:
                return np.nan
            return float((slope * left).sum() / (slope * slope).sum())

    def _values(self, x: float) -> AnyArray:
        """Return the step of the answer with this number."""
        changed = self._base.steps[self._step].copy()
        changed[self._place] = x
        found = self._sample.of(with_steps(self._base.problem, {self._step: changed}))
        assert found is not None  # it has the same steps
        name = self._answer.step
        return own(self._base.problem, self._base.specs[name], found[name])

    def _rounder(self, x: float) -> float:
        """Return the number with the fewest decimals that gives the answer too."""
        for decimals in range(_DECIMALS):
            near = round(x, decimals)
            if not off(self._answer, self._values(near)).any():
                return near
        return x
