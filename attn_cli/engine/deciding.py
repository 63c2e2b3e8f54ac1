"""The answer of a problem, from the weights and the next word as they are computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attn_cli.maths.answer import Found
from attn_cli.maths.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from attn_cli.arrays import Array, Integers
    from attn_cli.maths.answer import Answer, Tally
    from attn_cli.maths.visible.base import Lead
    from attn_cli.record import Choice, Labels


class Deciding:
    """Collects the weights that the rule of an answer reads, batch entry by batch entry."""

    def __init__(self, problem: Problem, rule: Answer, top: int) -> None:
        self._problem, self._rule, self._top = problem, rule, top
        self._rows = rule.rows(problem.n_q)
        self._tallies: dict[int, Tally] = {}

    def add(self, lead: Lead, weights: Array, rows: Integers, keys: slice) -> None:
        """Add a block of weights of one head."""
        batch, _ = self._problem.entry(lead)
        if batch not in self._tallies:
            problem = self._problem
            made = self._rule.tally(problem.n_q, problem.n_k, problem.heads or 1)
            self._tallies[batch] = made
        self._tallies[batch].add(rows, keys, weights)

    def choices(self, words: Mapping[int, Choice]) -> list[list[Choice]]:
        """Return the choices of each batch entry; `words` are those of the next-word head."""
        found = []
        for batch, tally in sorted(self._tallies.items()):
            queries, keys = self._labels(batch)
            read = Found(self._rows, tally.weights, queries, keys, self._top)
            found.append(list(self._rule.choices(read, words.get(batch))))
        return found

    def _labels(self, batch: int) -> tuple[Labels, Labels]:
        problem = self._problem
        if problem.tokens_of:
            return problem.tokens_of[batch]
        return problem.query_tokens, problem.key_tokens
