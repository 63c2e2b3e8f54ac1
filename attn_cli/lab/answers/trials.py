"""The values of steps in the variants of a problem, of which stages are computed once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from attn_cli.arrays import AnyArray
from attn_cli.lab.altered import Steps, own
from attn_cli.lab.answers.rounding import Rounding, decimals_of
from attn_cli.lab.answers.sheet import Answer
from attn_cli.lab.variants import Base, Variant, variants_of
from attn_cli.lab.variants.shared import Sample
from attn_cli.maths.pipeline import pipeline
from attn_cli.maths.problem import Problem
from attn_cli.maths.stage import CODE, StepSpec


class Trial(NamedTuple):
    """A step of a variant, in the problem's own order of axes."""

    variant: Variant
    problem: Problem
    values: AnyArray


class AllSteps:
    """All steps with numbers that tables show, in a problem and in its variants."""

    def __init__(self, base: Base) -> None:
        self._base = base
        shown = (n for n, s in base.specs.items() if s.stage.role != CODE and not s.stage.aside)
        self._names = tuple(shown)
        self._samples: dict[tuple[str, ...], Sample] = {}

    def of(self, problem: Problem) -> dict[str, AnyArray]:
        """Return the steps of a variant, in the problem's own order of axes.

        Those that the variant does not have, or has with other sizes, are left out.
        """
        here = self._base.specs
        steps = self._sampled(self._names, problem)
        if steps is None:
            specs = pipeline(problem)
            names = (n for n in self._names if n in specs and _size(specs[n]) == _size(here[n]))
            steps = self._sampled(tuple(names), problem)
        if steps is None:  # more queries, keys or heads
            return {}
        return {name: own(self._base.problem, here[name], values) for name, values in steps.items()}

    def _sampled(self, names: tuple[str, ...], problem: Problem) -> Steps | None:
        if names not in self._samples:
            self._samples[names] = Sample(self._base, names)
        return self._samples[names].of(problem)


def _size(spec: StepSpec) -> tuple[object, ...]:
    return spec.scope, spec.axes, spec.depth


HELD = 1 << 16  # values of a step; the spans of larger ones are computed again for each answer


class Trials:
    """A problem with its variants; each step is computed once, for all sheets."""

    def __init__(self, base: Base) -> None:
        self.base = base
        self._problems: list[tuple[Variant, Problem]] | None = None
        self._of_steps: dict[str, list[Trial]] = {}
        self._roundings: dict[tuple[str, str, int], Rounding] = {}

    def of(self, step: str) -> list[Trial]:
        """Return the step in each variant that has it with the same axes and sizes."""
        if step not in self._of_steps:
            self._of_steps[step] = list(self._computed(step))
        return self._of_steps[step]

    def rounding(self, answer: Answer, trial: Trial | None = None) -> Rounding:
        """Return the step of an answer with earlier steps rounded, of the problem or a variant."""
        if answer.values.size > HELD:
            return Rounding.of(self._base_of(trial), answer)
        at = "" if trial is None else trial.variant.name, answer.step, decimals_of(answer)
        if at not in self._roundings:
            self._roundings[at] = Rounding.of(self._base_of(trial), answer)
        return self._roundings[at]

    def _base_of(self, trial: Trial | None) -> Base:
        return self.base if trial is None else Base(trial.problem)

    def _computed(self, step: str) -> Iterator[Trial]:
        sample, spec = Sample(self.base, (step,)), self.base.specs[step]
        if self._problems is None:
            self._problems = list(self._changed())
        for variant, problem in self._problems:
            steps = sample.of(problem)
            if steps is not None:
                yield Trial(variant, problem, own(self.base.problem, spec, steps[step]))

    def _changed(self) -> Iterator[tuple[Variant, Problem]]:
        for variant in variants_of(self.base):
            with np.errstate(all="ignore"):  # a mistake may overflow where the right way does not
                problem = variant.of(self.base)
            if problem is not None:
                yield variant, problem
