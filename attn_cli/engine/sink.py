"""The sink that holds a record in memory."""

from __future__ import annotations

import numpy as np

from attn_cli.arrays import AnyArray, Array, Integers, every
from attn_cli.engine.order import order_of
from attn_cli.engine.plan import Plan
from attn_cli.engine.step_plan import Matching, StepPlan
from attn_cli.maths.block import StepValues
from attn_cli.maths.problem import Problem
from attn_cli.maths.visible.base import REASONS, Lead
from attn_cli.record import Step


class Store:
    """Holds the parts of steps that a plan keeps, in memory."""

    def __init__(self, problem: Problem, plan: Plan) -> None:
        self._problem = problem
        self._plan = plan
        self._values: dict[str, AnyArray] = {
            name: np.zeros(step.held, dtype=step.dtype) for name, step in plan.steps.items()
        }
        self._hidden: dict[str, AnyArray] = {
            name: np.zeros(step.held, dtype=np.uint8)
            for name, step in plan.steps.items()
            if plan.marks and step.spec.stage.marked
        }
        self._peaks: dict[str, Array] = {
            name: np.zeros(step.held[:-1], dtype=problem.dtype)
            for name, step in plan.steps.items()
            if name == "weights"
        }
        self._shifted: set[str] = set()  # steps of which some rows are of scores less their largest

    def wants(self, step: str) -> bool:
        """Return whether the plan has the step."""
        return step in self._values

    def put(self, lead: Lead, made: StepValues, rows: Integers | None = None) -> None:
        """Copy the held part of some values; of weights, also the largest per query."""
        name, step = made.name, self._plan.steps[made.name]
        place = step.place(lead)
        if place is None:
            return
        if made.shifted:
            self._shifted.add(name)
        at = step.matching(rows)
        _copy(self._values[name][place], step, made.values, at)
        if made.seen is None:
            return
        if name in self._hidden and made.why is not None:
            _copy(self._hidden[name][place], step, np.where(made.seen, 0, made.why), at)
        if name in self._peaks:
            targets, sources = at
            seen = True if every(made.seen) else made.seen  # True: much faster
            largest = made.values.max(axis=1, where=seen, initial=-np.inf)
            self._peaks[name][place][targets] = largest[sources]

    def steps(self) -> dict[str, Step]:
        """Return the finished steps, their axes in the order of the problem's own matrices."""
        return {name: self._step(name, step) for name, step in self._plan.steps.items()}

    def _step(self, name: str, step: StepPlan) -> Step:
        return Step(
            name=name,
            expression=step.spec.shifted_formula if name in self._shifted else step.spec.formula,
            axes=step.axes,
            labels=step.labels,
            values=self._values[name],
            shape=step.shape,
            kept=step.kept,
            peaks=self._peaks.get(name),
            hidden=self._hidden.get(name),
            legend=REASONS if name in self._hidden or step.spec.type is None else (),
            reads=step.spec.reads,
            role=step.spec.stage.role,
            aliases=step.spec.stage.aliases,
            letter=step.spec.stage.letter,
        ).reordered(order_of(self._problem, step.spec, step.axes))


def _copy(held: AnyArray, step: StepPlan, values: AnyArray, at: Matching) -> None:
    columns = None if step.axes[-1] == "query" else step.kept[-1]
    part = values if columns is None else values[..., list(columns)]
    targets, sources = at
    held[targets] = part[sources]
