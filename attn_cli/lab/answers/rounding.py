"""Whether an answer agrees, exactly or if earlier steps are rounded as it is, as on paper.

The span of a step is from the least to the largest of its values with all earlier steps rounded,
with each of them alone, and with none. Of the weights the exponentials and their sum are steps too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np

from attn_cli.arrays import AnyArray, Bools
from attn_cli.lab.altered import Steps, own, rounded, with_rounded, with_steps
from attn_cli.lab.answers.sheet import Answer
from attn_cli.lab.variants.shared import Sample
from attn_cli.lab.variants.variant import Base
from attn_cli.maths.problem import Problem
from attn_cli.maths.stage import CODE, PROBLEM, closure

DECIMALS = 4  # of intermediate results, if the answer has no decimal point
_PARTS = ("exp_scores", "exp_sum")  # of the weights, by hand


def off(answer: Answer, expected: AnyArray) -> Bools:
    """Return which of the given values are not within the tolerance of the expected ones."""
    return _outside(answer, expected, expected)


def distance(answer: Answer, expected: AnyArray) -> float:
    """Return the largest difference of the given values, in tolerances."""
    with np.errstate(invalid="ignore"):
        found = np.abs(answer.values - expected) / answer.allowed(expected)
    same = (answer.values == expected) | (np.isnan(answer.values) & np.isnan(expected))
    found = np.where(same, 0, np.where(np.isnan(found), np.inf, found))
    return float(found.max(where=answer.given, initial=0))


def _outside(answer: Answer, low: AnyArray, high: AnyArray) -> Bools:
    """Return which of the given values are outside a span by more than the tolerance."""
    given = answer.values
    room = answer.allowed(low)
    with np.errstate(invalid="ignore"):
        below = given < low - room
        above = given > high + (room if high is low else answer.allowed(high))
    finite = np.isfinite(low) & np.isfinite(high) & np.isfinite(given)
    if finite.all():
        found: Bools = (below | above) & answer.given
        return found
    same = (given == low) | (np.isnan(given) & np.isnan(low))
    return np.where(finite, below | above, ~same) & answer.given


class Rounding:
    """A step of a problem with earlier steps rounded to some decimals, for all answers."""

    def __init__(self, base: Base, step: str, decimals: int) -> None:
        self._base, self._step, self._decimals = base, step, decimals
        self._spec = base.specs[step]
        self._known: list[tuple[AnyArray, AnyArray]] = []
        self._more = self._computed()

    @classmethod
    def of(cls, base: Base, answer: Answer) -> Rounding:
        """Return the step of an answer, with earlier steps rounded to its decimals."""
        return cls(base, answer.step, decimals_of(answer))

    def agrees(self, answer: Answer) -> bool:
        """Return whether an answer lies in the span, or within the tolerance of it."""
        return any(not _outside(answer, low, high).any() for low, high in self._spans())

    def width(self, answer: Answer) -> float:
        """Return the largest width of the whole span, in tolerances."""
        low, high = list(self._spans())[-1]
        with np.errstate(invalid="ignore"):
            found = (high - low) / answer.allowed(low)
        return float(found.max(where=np.isfinite(found), initial=0))

    def _spans(self) -> Iterator[tuple[AnyArray, AnyArray]]:
        """Yield the span as it grows; each is computed when an answer asks for it first."""
        yield from self._known
        for span in self._more:
            self._known.append(span)
            yield span

    def _computed(self) -> Iterator[tuple[AnyArray, AnyArray]]:
        """Compute the span as it grows, in the problem's own order of axes."""
        problem = self._base.problem
        low = high = self._own[self._step]
        yield own(problem, self._spec, low), own(problem, self._spec, high)
        for values in self._with_rounding():
            low, high = np.fmin(low, values), np.fmax(high, values)
            yield own(problem, self._spec, low), own(problem, self._spec, high)

    def _with_rounding(self) -> Iterator[AnyArray]:
        """Yield the step with all earlier steps rounded, then with each of them alone."""
        if self._step in self._base.problem.altered:
            return  # it is not computed from earlier steps
        specs, before = self._base.specs, self._before
        more = [name for name in before if _has_more(self._own[name], self._decimals)]
        if not any(specs[name].scope == PROBLEM for name in more):
            before = tuple(name for name in before if specs[name].scope != PROBLEM)
        if more:
            yield self._rounded(before)
        if len(before) > 1:
            yield from (self._rounded((name,)) for name in more)

    @cached_property
    def _before(self) -> tuple[str, ...]:
        """The steps that the step is computed from, by hand: weights from exponentials too."""
        specs = self._base.specs
        needed = closure(specs.values(), [self._step])
        if "weights" in needed:
            needed |= {*_PARTS} & specs.keys()
        numbers = (name for name, spec in specs.items() if spec.stage.role != CODE)
        return tuple(name for name in numbers if name in needed and name != self._step)

    @cached_property
    def _sample(self) -> Sample:
        """The step and those before it, as the problem has them."""
        return Sample(self._base, (*self._before, self._step))

    @property
    def _own(self) -> Steps:
        return self._sample.own

    def _rounded(self, names: Sequence[str]) -> AnyArray:
        """Return the step with these earlier steps rounded; weights = exp_scores / exp_sum then."""
        base = self._base.problem
        problem = with_rounded(base, dict.fromkeys(names, self._decimals))
        found = self._of(problem)
        if {*_PARTS} & {*names} and "weights" not in base.altered and self._step not in _PARTS:
            raised, total = found["exp_scores"], found["exp_sum"][..., None]
            with np.errstate(all="ignore"):
                weights = np.where(total > 0, raised / total, 0)
            if "weights" in names:
                weights = rounded(weights, self._decimals)
            found = self._of(with_steps(problem, {"weights": weights}))
        return found[self._step]

    def _of(self, problem: Problem) -> Steps:
        found = self._sample.of(problem)
        assert found is not None  # it has the same steps
        return found


def _has_more(values: AnyArray, decimals: int) -> bool:
    """Return whether rounding changes some of the values."""
    finite = np.where(np.isfinite(values), values, 0).astype(np.float64)
    return bool(np.abs(rounded(finite, decimals) - finite).max(initial=0) > 1e-12)


def decimals_of(answer: Answer) -> int:
    """Return the decimals of intermediate results."""
    return DECIMALS if answer.decimals is None else answer.decimals
