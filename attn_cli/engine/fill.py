"""Computes each batch entry and head, block of query rows by block, up to what is wanted.

blocks -> contexts, by the definition or by tiles -> output gate -> what follows -> next word
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from attn_cli.arrays import AnyArray, Array
from attn_cli.engine.following import Following
from attn_cli.engine.plan import Plan
from attn_cli.engine.threads import Workers
from attn_cli.engine.watch import Watch
from attn_cli.maths.axes import WEIGHED, WHOLE_ROWS
from attn_cli.maths.block import Entry, Made, steps
from attn_cli.maths.problem import Problem, Tile
from attn_cli.maths.ranges import hull
from attn_cli.maths.rules import KINDS
from attn_cli.maths.visible.base import Lead

if TYPE_CHECKING:  # what most problems do without is loaded where it is needed
    from attn_cli.engine.tiles import Tiles

BLOCK_BYTES = 64 << 20  # the most that one block works on
ARRAYS_A_BLOCK = 6  # that are alive at once


class Filling:
    """Computes what a plan asks for, entry by entry and block by block."""

    def __init__(
        self, problem: Problem, plan: Plan, out: Watch, workers: Workers, tile: Tile
    ) -> None:
        self._problem, self._plan, self._out = problem, plan, out
        self._following = Following(problem, plan, out)
        self._workers, self._tile = workers, tile
        self._wanted = set(plan.steps)
        self._by_tiles = False
        if plan.only_contexts:
            from attn_cli.engine import tiles

            self._by_tiles = tiles.serve(problem, plan)
            if self._by_tiles:
                tiles.refuse_large(problem, plan, tile, workers.threads)

    def expect(self, entries: int) -> None:
        """Say how much there is to do for as many entries: a block is a tile till it says more."""
        if self._plan.any_of_rows:
            height = self._tall if self._by_tiles else self._height
            self._workers.expect(entries * -(-len(self._plan.computed) // height))

    def fill(self, group: Lead, entries: list[Entry]) -> None:
        """Compute the entries that make one output, and keep what the plan asks for."""
        rows = self._plan.computed
        if not self._plan.any_of_rows:
            return
        made = self._tiles_of(entries) if self._by_tiles else []
        self._following.begin()
        for block in _blocks(slice(0, len(rows)), self._tall if self._by_tiles else self._height):
            contexts = [
                self._contexts(entry, made[at] if made else None, block)
                for at, entry in enumerate(entries)
            ]
            self._following.add(group, rows[block], contexts)
        self._following.end(group)

    def _tiles_of(self, entries: list[Entry]) -> list[Tiles]:
        from attn_cli.engine.tiles import Tiles

        return [Tiles(entry, self._tile, self._workers) for entry in entries]

    @property
    def _height(self) -> int:
        """How many query rows the memory for one block holds: at least one."""
        problem, memory = self._problem, min(BLOCK_BYTES, self._plan.memory // 2)
        row = problem.n_k * problem.precision.accumulate.carrier.itemsize * ARRAYS_A_BLOCK
        return max(1, memory // row)

    @property
    def _tall(self) -> int:
        """How many it holds where only their contexts are there, and tiles: a tile at least."""
        problem, memory = self._problem, min(BLOCK_BYTES, self._plan.memory // 2)
        row = problem.d_context * problem.dtype.itemsize * ARRAYS_A_BLOCK
        tile = self._tile[0]  # whole ones, as what a query sees often begins at round numbers
        return max(tile * self._workers.threads, memory // row // tile * tile)

    def _contexts(self, entry: Entry, made: Tiles | None, block: slice) -> Array:
        """Return the last step of one block and entry: its contexts, where those are wanted.

        They are made by tiles, or by the definition where those cannot promise the same.
        """
        found = None if made is None else made.contexts(block)
        if found is None:
            parts = list(_blocks(block, self._height))
            values = [self._defined(entry, rows) for rows in parts]
            if made is None:
                self._workers.finished(len(parts))
            return values[0] if len(values) == 1 else np.concatenate(values)
        i, none = entry.i[block], slice(0, 0)
        context = found.context
        kinds = self._problem.rules.kinds(found.empty, entry.place(block, none))
        context[kinds == KINDS.index("nan")] = np.nan
        for step in (Made("empty", kinds), Made("lse", found.lse), Made("context", context)):
            self._out.put(entry.lead, step, i)
        return self._following.gated(entry, context, block)

    def _defined(self, entry: Entry, rows: slice) -> Array:
        """Run through the steps of one block up to the last that is wanted, and return that."""
        wanted, plan = self._wanted, self._plan
        keys = self._keys(entry, rows)
        asides = frozenset(wanted | {"visible"} if plan.marks else wanted)
        last = "context" if wanted & WEIGHED else list(plan.steps)[-1]
        values: AnyArray = np.zeros((0, 0))
        for made in steps(entry, rows, keys, asides):
            self._out.put(entry.lead, made, entry.i[rows], keys)
            values = made.values
            if made.name == last:
                break
        return self._following.gated(entry, values, rows)

    def _keys(self, entry: Entry, rows: slice) -> slice:
        """Return the range of keys to look at: all where a step shows all, else the reach."""
        problem = self._problem
        if self._wanted & WHOLE_ROWS or problem.rules.looks_everywhere:
            return slice(0, problem.n_k)
        start, stop = hull(entry.reach(rows, problem.n_k))
        # NaN in a row without a key needs a key to stand at: a sum over no keys is 0.
        least = 1 if problem.rules.gives("nan") else 0
        return slice(start, stop) if start < stop else slice(0, least)


def _blocks(rows: slice, height: int) -> Iterator[slice]:
    """Yield the rows in blocks of that height."""
    return (slice(a, min(a + height, rows.stop)) for a in range(rows.start, rows.stop, height))
