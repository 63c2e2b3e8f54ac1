"""Fills a collector: each batch entry and head, block of query rows by block, up to what is wanted.

blocks -> contexts, by the definition or by tiles -> output gate -> what follows -> next word
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from attn_cli.arrays import AnyArray, Array, Integers
from attn_cli.engine.collect import Collector
from attn_cli.engine.plan import Plan
from attn_cli.engine.threads import Workers
from attn_cli.maths.axes import AFTER, POOLED, WEIGHED, WHOLE_ROWS
from attn_cli.maths.block import Entry, Made, steps
from attn_cli.maths.next_word import NextWord, Pooling, choice
from attn_cli.maths.problem import Problem, Tile
from attn_cli.maths.ranges import hull
from attn_cli.maths.rules import KINDS
from attn_cli.maths.visible.base import Lead

if TYPE_CHECKING:  # what most problems do without is loaded where it is needed
    from attn_cli.engine.tiles import Tiles

BLOCK_BYTES = 64 << 20  # the most that one block works on
ARRAYS_A_BLOCK = 6  # that are alive at once


class Filling:
    """Fills a collector with what a plan asks for, entry by entry and block by block."""

    def __init__(
        self, problem: Problem, plan: Plan, collector: Collector, workers: Workers, tile: Tile
    ) -> None:
        self._problem, self._plan, self._collector = problem, plan, collector
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
        problem, rows = self._problem, self._plan.computed
        if not self._plan.any_of_rows:
            return
        next_word = problem.next_word if self._wanted & set(POOLED) else None
        pooling = None if next_word is None else Pooling(next_word.rows(problem.n_q))
        made = self._tiles_of(entries) if self._by_tiles else []
        for block in _blocks(slice(0, len(rows)), self._tall if self._by_tiles else self._height):
            self._collector.forget_empty()
            contexts = [
                self._contexts(entry, made[at] if made else None, block)
                for at, entry in enumerate(entries)
            ]
            if self._wanted & {*AFTER, *POOLED}:
                last = self._follow(group, rows[block], contexts)
                if pooling is not None:
                    pooling.add(rows[block], last)
        if next_word is not None and pooling is not None:
            self._pool(next_word, group, pooling.pooled())

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
            self._collector.take(entry.lead, step, i, none)
        return self._gated(entry, context, block)

    def _defined(self, entry: Entry, rows: slice) -> Array:
        """Run through the steps of one block up to the last that is wanted, and return that."""
        wanted, plan = self._wanted, self._plan
        keys = self._keys(entry, rows)
        asides = frozenset(wanted | {"visible"} if plan.marks else wanted)
        last = "context" if wanted & WEIGHED else list(plan.steps)[-1]
        values: AnyArray = np.zeros((0, 0))
        for made in steps(entry, rows, keys, asides):
            self._collector.take(entry.lead, made, entry.i[rows], keys)
            values = made.values
            if made.name == last:
                break
        return self._gated(entry, values, rows)

    def _keys(self, entry: Entry, rows: slice) -> slice:
        """Return the range of keys to look at: all where a step shows all, else the reach."""
        problem = self._problem
        if self._wanted & WHOLE_ROWS or problem.rules.looks_everywhere:
            return slice(0, problem.n_k)
        start, stop = hull(entry.reach(rows, problem.n_k))
        # NaN in a row without a key needs a key to stand at: a sum over no keys is 0.
        least = 1 if problem.rules.gives("nan") else 0
        return slice(start, stop) if start < stop else slice(0, least)

    def _gated(self, entry: Entry, values: Array, rows: slice) -> Array:
        """Return the contexts of one block times the output gate, where there is one."""
        problem, precision = self._problem, self._problem.precision
        if problem.gate is None or not self._wanted & (WEIGHED - {"context"}):
            return values
        i = entry.i[rows]
        X = None if problem.embeddings is None else precision.wide(problem.positioned(i))
        gated = problem.gate(precision.wide(values), X, entry.batch, entry.head, i)
        values = precision.dtype.round(gated)
        self._collector.check("gated", entry.lead, values, i)
        return values

    def _follow(self, group: Lead, rows: Integers, contexts: list[Array]) -> Array:
        """Compute what follows the contexts of one block, and return the last of it."""
        problem = self._problem
        last = contexts[0]
        if problem.joined:
            last = np.concatenate(contexts, axis=1)
            self._collector.check("concat", group, last, rows)
        X = problem.positioned(rows) if problem.after.residual else None
        for name, last in problem.after.steps(last, X, problem.precision):  # noqa: B020
            self._collector.check(name, group, last, rows)
        return last

    def _pool(self, next_word: NextWord, group: Lead, pooled: Array) -> None:
        """Compute the next word from the pooled rows."""
        for name, values in next_word.steps(pooled, self._problem.precision):
            self._collector.check(name, group, values)
        if "probabilities" in self._plan.steps:
            words = choice(next_word, self._problem.query_tokens, values, self._plan.top)
            self._collector.choices.append(words)


def _blocks(rows: slice, height: int) -> Iterator[slice]:
    """Yield the rows in blocks of that height."""
    return (slice(a, min(a + height, rows.stop)) for a in range(rows.start, rows.stop, height))
