"""The batch entries, heads and queries of a report, and its numbers beside those of steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from attn_cli.arrays import AnyArray, Bools
from attn_cli.lab.report.recipe import Part, Source
from attn_cli.maths.pipeline import pipeline
from attn_cli.maths.place import Place
from attn_cli.maths.problem import Problem
from attn_cli.maths.visible.base import Lead

ROW_PARTS = 1 << 16  # numbers of all masks and biases that a page holds


def at_step(name: str) -> Source:
    """Return the source of the number of a step, or a part, at the place."""
    return ["at", name]


class Entries:
    """The batch entries, heads and queries that a record has, of those of the problem."""

    def __init__(
        self,
        problem: Problem,
        leads: Sequence[Lead],
        queries: Sequence[int],
        lonely: Bools,
        *,
        hides: bool,
        visible: AnyArray | None = None,
    ) -> None:
        """`lonely` says which queries see no key, (leads, queries); `hides`: some keys are hidden.

        `visible` are the codes of why keys are hidden, (leads, queries, keys).
        """
        self.problem, self.leads = problem, list(leads)
        self.queries = np.asarray(queries, np.intp)
        self.lonely, self.hides, self.visible = lonely, hides, visible
        self.specs = pipeline(problem)
        self.parts: dict[str, Part] = {}
        self.empty: str | None = None  # the part with the kinds of rows that see no key

    def places(self) -> Iterator[Place]:
        """Yield the queries of each batch entry and head against all keys."""
        problem = self.problem
        for lead in self.leads:
            batch, head = problem.entry(lead)
            yield Place(batch, head, self.queries, np.arange(problem.n_k), problem.token_positions)

    def per_head(self, of: Callable[[int], float]) -> Source:
        """Return a number of each head: the number itself if all have the same."""
        values = [float(of(self.problem.entry(lead)[1])) for lead in self.leads]
        return values[0] if len(set(values)) == 1 else self.part("", ("lead",), np.array(values))

    def part(self, name: str, axes: tuple[str, ...], values: AnyArray) -> Source:
        """Keep numbers beside the steps; those that all leads share are kept once."""
        if axes[0] == "lead" and len(values) and (values == values[:1]).all():
            axes, values = axes[1:], values[0]
            if not axes:
                return float(values)
        name = f"{name or 'part'} {len(self.parts)}"
        self.parts[name] = Part(axes, values)
        return ["at", name]

    def pairs(self, name: str, each: Callable[[Place], AnyArray]) -> Source | None:
        """Keep a number for each pair of query and key; None if they are too many."""
        size = len(self.leads) * len(self.queries) * self.problem.n_k
        if size > ROW_PARTS:
            return None
        shape = len(self.queries), self.problem.n_k
        values = [np.broadcast_to(each(place), shape) for place in self.places()]
        return self.part(name, ("lead", "query", "key"), np.array(values, np.float64))
