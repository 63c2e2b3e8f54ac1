"""The steps after the contexts, the same for every engine.

contexts of heads -> output gate -> concat -> rows of the output -> pooled rows -> next word
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attn_cli.arrays import AnyArray, Array, Integers
from attn_cli.engine.plan import Plan
from attn_cli.engine.watch import Watch
from attn_cli.engine.whole import WholeSteps
from attn_cli.maths.block import Entry
from attn_cli.maths.next_word import Pooling, choice
from attn_cli.maths.problem import Problem
from attn_cli.maths.rows import last_of_rows
from attn_cli.maths.stage import JOINED, POOLED, ROWS, Rows, StepSpec
from attn_cli.maths.visible.base import Lead


class Following:
    """Computes the steps after the contexts of entries that make one output, block by block."""

    def __init__(self, problem: Problem, plan: Plan, out: Watch, whole: WholeSteps) -> None:
        self._problem, self._plan, self._out, self._whole = problem, plan, out, whole
        self._of_heads, self._joined, self._pooled = (
            [spec for spec in plan.pipeline.values() if spec.scope == scope and _due(spec, plan)]
            for scope in (ROWS, JOINED, POOLED)
        )
        self._pooling: Pooling | None = None

    def begin(self) -> None:
        """Begin with the first block of rows."""
        if self._pooled and self._problem.next_word is not None:
            self._pooling = Pooling(self._problem.next_word.rows(self._problem.n_q))

    def of_head(self, entry: Entry, context: Array, rows: slice) -> dict[str, AnyArray]:
        """Return the steps of one head, from the context of one block of its rows."""
        values: dict[str, AnyArray] = {"context": context}
        at = Rows(self._problem, entry.batch, entry.head, entry.queries(rows))
        for spec in self._of_heads:
            values[spec.name] = spec.apply(at, *(self._read(n, values, at) for n in spec.reads))
            self._out.note(spec.name, entry.lead, values[spec.name], at.i)
        return values

    def add(self, group: Lead, rows: Integers, heads: Sequence[Mapping[str, AnyArray]]) -> None:
        """Compute the steps of one block that follow those of the heads that are joined."""
        alone = self._problem.heads is not None and not self._problem.joined
        head = group[-1] if alone else 0
        at = Rows(self._problem, group[0] if self._problem.batch else 0, head, rows)
        values: dict[str, AnyArray] = {}
        for spec in self._joined:
            read: list[AnyArray] = []
            for name in spec.reads:
                if name in heads[0]:
                    read += [steps[name] for steps in heads]
                else:
                    read.append(self._read(name, values, at))
            values[spec.name] = spec.apply(at, *read)
            self._out.note(spec.name, group, values[spec.name], rows)
        if self._pooling is not None:
            self._pooling.add(rows, values[last_of_rows(self._problem)])

    def _read(self, name: str, values: dict[str, AnyArray], at: Rows) -> AnyArray:
        """Return the rows of a step that another reads."""
        return values[name] if name in values else self._whole[name][at.i]

    def end(self, group: Lead) -> None:
        """Compute the steps that need all rows: the next word."""
        next_word = self._problem.next_word
        if self._pooling is None or next_word is None:
            return
        values: dict[str, AnyArray] = {last_of_rows(self._problem): self._pooling.pooled()}
        pooled = next_word.rows(self._problem.n_q)
        at = Rows(self._problem, group[0] if self._problem.batch else 0, 0, pooled)
        for spec in self._pooled:
            values[spec.name] = spec.apply(at, *(values[name] for name in spec.reads))
            self._out.note(spec.name, group, values[spec.name])
        if "probabilities" in self._plan.steps:
            tokens, top = self._problem.query_tokens, self._plan.top
            self._out.words[at.batch] = choice(next_word, tokens, values["probabilities"], top)


def _due(spec: StepSpec, plan: Plan) -> bool:
    return spec.name in plan.needed
