"""What follows the contexts, the same for every engine.

contexts of heads -> output gate -> concat -> what follows row by row -> pooled rows -> next word
"""

from __future__ import annotations

import numpy as np

from attn_cli.arrays import Array, Integers
from attn_cli.engine.plan import Plan
from attn_cli.engine.watch import Watch
from attn_cli.maths.axes import AFTER, POOLED, WEIGHED
from attn_cli.maths.block import Entry
from attn_cli.maths.next_word import NextWord, Pooling, choice
from attn_cli.maths.problem import Problem
from attn_cli.maths.visible.base import Lead


class Following:
    """Computes what follows the contexts of entries that make one output, block by block."""

    def __init__(self, problem: Problem, plan: Plan, out: Watch) -> None:
        self._problem, self._plan, self._out = problem, plan, out
        self._wanted = set(plan.steps)
        self._next_word = problem.next_word if self._wanted & set(POOLED) else None
        self._pooling: Pooling | None = None

    def begin(self) -> None:
        """Begin with the first block of rows."""
        if self._next_word is not None:
            self._pooling = Pooling(self._next_word.rows(self._problem.n_q))

    def add(self, group: Lead, rows: Integers, contexts: list[Array]) -> None:
        """Compute what follows the contexts of one block, one array per head that is joined."""
        if not self._wanted & {*AFTER, *POOLED}:
            return
        last = self._follow(group, rows, contexts)
        if self._pooling is not None:
            self._pooling.add(rows, last)

    def end(self, group: Lead) -> None:
        """Compute what needs all rows: the next word."""
        if self._next_word is not None and self._pooling is not None:
            self._pool(self._next_word, group, self._pooling.pooled())

    def gated(self, entry: Entry, values: Array, rows: slice) -> Array:
        """Return the contexts of one block times the output gate, where there is one."""
        problem, precision = self._problem, self._problem.precision
        if problem.gate is None or not self._wanted & (WEIGHED - {"context"}):
            return values
        i = entry.i[rows]
        X = None if problem.embeddings is None else precision.wide(problem.positioned(i))
        gated = problem.gate(precision.wide(values), X, entry.batch, entry.head, i)
        values = precision.dtype.round(gated)
        self._out.note("gated", entry.lead, values, i)
        return values

    def _follow(self, group: Lead, rows: Integers, contexts: list[Array]) -> Array:
        """Compute what follows the contexts of one block, and return the last of it."""
        problem = self._problem
        last = contexts[0]
        if problem.joined:
            last = np.concatenate(contexts, axis=1)
            self._out.note("concat", group, last, rows)
        X = problem.positioned(rows) if problem.after.residual else None
        for name, last in problem.after.steps(last, X, problem.precision):  # noqa: B020
            self._out.note(name, group, last, rows)
        return last

    def _pool(self, next_word: NextWord, group: Lead, pooled: Array) -> None:
        """Compute the next word from the pooled rows."""
        for name, values in next_word.steps(pooled, self._problem.precision):
            self._out.note(name, group, values)
        if "probabilities" in self._plan.steps:
            words = choice(next_word, self._problem.query_tokens, values, self._plan.top)
            self._out.choices.append(words)
