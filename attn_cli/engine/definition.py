"""The engine that computes every step by its definition: `maths.block`, block of rows by block."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from attn_cli.arrays import Array
from attn_cli.dataclass import dataclass
from attn_cli.engine.blocks import ARRAYS_PER_BLOCK, blocks, run_blocks
from attn_cli.engine.plan import Plan
from attn_cli.engine.threads import Workers
from attn_cli.engine.watch import Watch
from attn_cli.maths.block import Entry, steps
from attn_cli.maths.problem import Problem
from attn_cli.maths.ranges import hull
from attn_cli.maths.stage import BLOCK, schedule_of

if TYPE_CHECKING:
    from attn_cli.engine.estimate import Estimate

SLOWER = 3.0  # than tiles, per score, on one thread


@dataclass(frozen=True)
class Definition:
    """Every step of every problem; `trace` is called with ("keys", slice) for each block."""

    trace: Callable[[str, object], None] | None = None
    name: str = "definition"
    tolerance: float = 0.0

    def refuses(self, problem: Problem, plan: Plan) -> str | None:
        """Return None: it computes every step of every problem."""
        del problem, plan
        return None

    def run(self, problem: Problem, plan: Plan, out: Watch, workers: Workers) -> None:
        """Compute the steps of a plan."""
        defined = DefinedBlocks(problem, plan, out, self.trace)

        def block(entry: Entry, rows: slice) -> Array:
            values = defined.block(entry, rows)
            workers.finished()
            return values

        run_blocks(problem, plan, out, workers, defined.height, lambda entry: partial(block, entry))

    def estimate(self, problem: Problem, plan: Plan) -> Estimate:
        """Return the estimate for a plan, on one thread."""
        from attn_cli.engine.estimate import estimated

        return estimated(problem, plan, at_once=1 / SLOWER)


class DefinedBlocks:
    """Blocks of entries by the definition: the steps that a plan needs."""

    def __init__(
        self,
        problem: Problem,
        plan: Plan,
        out: Watch,
        trace: Callable[[str, object], None] | None = None,
    ) -> None:
        self._problem, self._plan, self._out, self._trace = problem, plan, out, trace
        needed = plan.needed | ({"visible"} if plan.marks else frozenset())
        # Whether every key is read: if a step shows all, or hidden ones count.
        self._every_key = plan.whole_rows or problem.rules.looks_everywhere
        self._schedule = schedule_of(
            [s for s in plan.pipeline.values() if s.scope == BLOCK], needed
        )

    @property
    def height(self) -> int:
        """The number of query rows that the memory for one block holds: at least one."""
        problem, memory = self._problem, min(self._plan.block_bytes, self._plan.memory // 2)
        row = problem.n_k * problem.precision.accumulate.carrier.itemsize * ARRAYS_PER_BLOCK
        return max(1, memory // row)

    def in_blocks(self, entry: Entry, rows: slice) -> Array:
        """Return what `block` returns, for more rows than the memory for one block holds."""
        values = [self.block(entry, part) for part in blocks(rows, self.height)]
        return values[0] if len(values) == 1 else np.concatenate(values)

    def block(self, entry: Entry, rows: slice) -> Array:
        """Compute the needed steps of one block; return its context, or None if not needed."""
        keys, i = self._keys(entry, rows), entry.queries(rows)
        if self._trace is not None:
            self._trace("keys", keys)
        context: Array = np.zeros((0, 0))
        for made in steps(entry, rows, keys, self._schedule):
            self._out.put(entry.lead, made, i, keys)
            if made.name == "context":
                context = made.values
        return context

    def _keys(self, entry: Entry, rows: slice) -> slice:
        """Return the range of keys to compute: all if a step shows all, otherwise the reach."""
        problem = self._problem
        if self._every_key:
            return slice(0, problem.n_k)
        start, stop = hull(entry.reach(rows, problem.n_k))
        # A row that must become NaN needs a key: a sum over no keys is 0.
        least = 1 if problem.rules.gives("nan") else 0
        return slice(start, stop) if start < stop else slice(0, least)


ENGINE = Definition()
