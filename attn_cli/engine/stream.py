"""The sink that writes one step while it is computed, so that it is never held as a whole.

There is one plan and one pass: keys and values are prepared once. A target that takes values in any
order, such as an NPY file, gets each block as soon as it is computed. Other targets get values in
row-major order: if heads follow the queries in it, a part of the queries is held for all heads.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from attn_cli.arrays import AnyArray, Integers
from attn_cli.dataclass import dataclass, replace
from attn_cli.engine.engines import choose
from attn_cli.engine.order import whole_of
from attn_cli.engine.plan import UNLIMITED, Plan, plan_unheld
from attn_cli.engine.step_plan import StepPlan
from attn_cli.engine.threads import OnProgress, Workers
from attn_cli.engine.watch import Watch
from attn_cli.errors import AttnError, argument
from attn_cli.maths.block import StepValues
from attn_cli.maths.problem import Problem, Request
from attn_cli.maths.visible.base import Lead
from attn_cli.memory import in_units
from attn_cli.record import Whole

if TYPE_CHECKING:
    from attn_cli.engine.protocol import Engine, Target


def streamed(problem: Problem, request: Request) -> Streamed | None:
    """Return the step of a request, ready to be written while it is computed; None if it is not.

    It is ready if it is the only step, has a row per query, is not shortened, and is in layout
    rows. Raises AttnError as `run` does, but the memory needs to hold only one row.
    """
    plan = plan_unheld(problem, request)
    if problem.layout != "rows" or len(plan.steps) != 1:
        return None
    (step,) = plan.steps.values()
    if "query" not in step.axes or step.held != step.shape:
        return None
    found = Streamed(problem, request, plan, step)
    found.refuse_long_rows()
    return found


@dataclass(frozen=True)
class Streamed:
    """One step of a problem that is written while it is computed."""

    problem: Problem
    request: Request
    plan: Plan
    step: StepPlan

    @property
    def whole(self) -> Whole:
        """The step without its values, its axes in the order of the problem's own matrices."""
        return whole_of(self.problem, self.step)

    @property
    def row(self) -> int:
        """The number of adjacent values of the result that belong to a query.

        Those of all heads if heads follow the queries, otherwise those of one head.
        """
        return prod(self.whole.shape[self.whole.axes.index("query") + 1 :])

    @property
    def heads_last(self) -> bool:
        """Whether heads follow the queries in the result."""
        return self.whole.axes != self.step.axes

    def into(
        self, target: Target, on_progress: OnProgress | None = None, engine: Engine | None = None
    ) -> tuple[str, ...]:
        """Compute the step and write it; return the warnings.

        `on_progress` is called with the finished and the total tiles; `engine` is as for `run`.
        """
        problem, plan = self.problem, self._planned(target)
        chosen = choose(problem, plan, engine or self.request.engine)
        stream = Stream(self.step, self.whole, target, plan.part if plan.together else None)
        watch = Watch(problem, plan, stream)
        chosen.engine.run(problem, plan, watch, Workers(plan.threads, on_progress))
        return (*problem.warnings, *watch.warnings())

    def _planned(self, target: Target) -> Plan:
        """Return the plan with the order in which entries are computed, and in which parts.

        Keys and values are read once. Only a target that wants values in order may need those of
        several key heads alternately: for heads that alternate between them, or for parts of the
        queries of all heads. They are held, up to a quarter of the memory, or else read again.
        """
        problem, plan = self.problem, self.plan
        groups, together, part = plan.groups, False, self._rows_of(self._query_bytes)
        if self.heads_last:
            rows = self._rows_of(self._query_bytes + self.row * self.step.dtype.itemsize)
            keys = self._key_bytes * (problem.kv_heads or 1)
            fits = rows >= len(plan.computed) or keys <= self._budget
            together = fits or not target.anywhere
            part = rows if together else part
        if (target.anywhere or together) and not problem.joined:  # in any order: by key heads
            groups = dict(sorted(groups.items(), key=lambda item: problem.key_lead(item[0])))
        key_bytes = UNLIMITED if problem.joined else plan.memory // 4  # those of joined are in use
        return replace(plan, groups=groups, part=part, together=together, key_bytes=key_bytes)

    @property
    def _budget(self) -> int:
        """The bytes that rows of Q and of the result may take."""
        return min(self.request.part_bytes, self.plan.memory // 4)

    def _rows_of(self, size: int) -> int:
        """Return the number of rows of `size` bytes held at a time, in whole tiles if several."""
        rows, tile = max(1, self._budget // max(size, 1)), self.plan.tile[0]
        return min(max(len(self.plan.computed), 1), rows // tile * tile or rows)

    @property
    def _query_bytes(self) -> int:
        """The bytes of a row of Q, of all heads whose contexts are joined."""
        problem = self.problem
        heads = problem.heads or 1 if problem.joined else 1
        depth = problem.query.depth if problem.query is not None else 0
        return depth * heads * problem.dtype.itemsize

    @property
    def _key_bytes(self) -> int:
        """The bytes of the keys and values of a key head."""
        problem = self.problem
        depth = problem.value.depth + (problem.key.depth if problem.key is not None else 0)
        return problem.n_k * depth * problem.dtype.itemsize

    def refuse_long_rows(self) -> None:
        """Raise AttnError if the memory that is allowed does not hold a row."""
        size, memory = self.row * self.step.dtype.itemsize, self.plan.memory
        if size > memory:
            raise AttnError(
                f"a row of {self.step.name} would take {in_units(size)}, more than the "
                f"{in_units(memory)} allowed",
                help=f"allow more: {argument('memory')}",
            )


class Stream:
    """Writes the values of one step to a target, block by block."""

    def __init__(self, step: StepPlan, whole: Whole, target: Target, part: int | None) -> None:
        """`part`: number of queries written for all heads together; None: each head by itself."""
        self._step, self._target, self._part = step, target, part
        strides = {axis: prod(whole.shape[at + 1 :]) for at, axis in enumerate(whole.axes)}
        self._strides = tuple(strides[axis] for axis in step.axes)  # in values, as computed
        self._count = step.shape[step.axes.index("query")]
        self._held: AnyArray | None = None  # a part of the queries: (queries, heads, dimension)
        self._filled = 0

    def wants(self, step: str) -> bool:
        """Return whether it is the step."""
        return step == self._step.name

    def put(self, lead: Lead, made: StepValues, rows: Integers | None = None) -> None:
        """Write values, or hold them until their part of the queries is complete."""
        step, place = self._step, self._step.place(lead)
        if place is None:
            return
        targets, _ = step.matching(rows)
        assert isinstance(targets, slice)  # a block's queries are consecutive among those computed
        values = np.ascontiguousarray(made.values, dtype=step.dtype)
        if self._part is not None:
            self._hold(place, targets, values)
            return
        start = sum(at * stride for at, stride in zip(place, self._strides, strict=False))
        stride, width = self._strides[len(place)], prod(values.shape[1:])
        if stride == width:
            self._target.write(start + targets.start * stride, values)
            return
        for row, part in zip(range(targets.start, targets.stop), values, strict=True):
            self._target.write(start + row * stride, part)

    def _hold(self, place: tuple[int, ...], targets: slice, values: AnyArray) -> None:
        """Hold values of one head; write the part once it has those of all heads."""
        assert self._part is not None
        first = targets.start // self._part * self._part
        width = self._strides[len(place) - 1]
        stride = self._strides[len(place)]
        if self._held is None:
            count = min(self._part, self._count - first)
            self._held = np.empty((count, stride // width, width), dtype=values.dtype)
            self._filled = 0
        self._held[targets.start - first : targets.stop - first, place[-1]] = values
        self._filled += values.size
        if self._filled == self._held.size:
            batch = sum(at * stride for at, stride in zip(place[:-1], self._strides, strict=False))
            self._target.write(batch + first * stride, self._held)
            self._held = None
