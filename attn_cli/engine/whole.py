"""Steps of the whole problem, such as its embeddings."""

from __future__ import annotations

from collections.abc import Mapping

from attn_cli.arrays import AnyArray
from attn_cli.maths.problem import Problem
from attn_cli.maths.stage import StepSpec


class WholeSteps:
    """The steps of the whole problem, each computed once, on first use."""

    def __init__(self, problem: Problem, pipeline: Mapping[str, StepSpec]) -> None:
        self._problem, self._pipeline = problem, pipeline
        self._values: dict[str, AnyArray] = {}

    def __getitem__(self, name: str) -> AnyArray:
        """Return the values of a step."""
        if name not in self._values:
            spec = self._pipeline[name]
            read = (self[other] for other in spec.reads)
            self._values[name] = spec.apply(self._problem, *read)
        return self._values[name]
