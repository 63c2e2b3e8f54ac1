"""Q, K and V of one batch entry and head, up to the block function of its scores.

    q, k, v                     as given, or projected
    q_normed, k_normed          QK norm, of the new keys alone
    present_key, present_value  the past, then the new
    q_rotated, k_rotated        rope, by the positions of queries and keys; where the keys of the
                                past are rotated already, k_rotated are the new ones alone, and
                                present_key comes after it
    sqrt(scale) q, ...          where the scale is placed before the product

K and V belong to a key head, which several query heads may share: they are made once.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from attn_cli.arrays import AnyArray, Array, Integers
from attn_cli.dataclass import dataclass, field
from attn_cli.maths.axes import KEY_SIDE, OF_ROWS, WEIGHED, WHOLE_ROWS
from attn_cli.maths.block import Entry
from attn_cli.maths.parameter import Parameters
from attn_cli.maths.problem import Problem, Projection
from attn_cli.maths.scores.base import Parts, ScoreFunction
from attn_cli.maths.visible.base import Lead

# Gets a step's name, its lead, its values and, where it has any, the positions of its queries.
Note = Callable[[str, Lead, AnyArray, Integers | None], None]
OF_VALUES = frozenset({"v", "present_value"})
OF_KEYS = KEY_SIDE - OF_VALUES
OF_QUERIES = frozenset({"q", "q_normed", "q_rotated"})


@dataclass
class Preparation:
    """Prepares entries of a problem for the query rows that are computed, and notes their steps."""

    problem: Problem
    rows: Integers
    wanted: frozenset[str]
    note: Note
    _keys: dict[Lead, Array] = field(default_factory=dict)
    _values: dict[Lead, Array] = field(default_factory=dict)
    _noted: set[tuple[str, Lead]] = field(default_factory=set)

    @property
    def in_blocks(self) -> bool:
        """Whether anything of queries against keys is wanted."""
        return bool(self.wanted & (WHOLE_ROWS | OF_ROWS | WEIGHED))

    def entry(self, lead: Lead) -> Entry:
        """Compute Q, K and V of one batch entry and query head, and prepare its blocks."""
        problem, rows, wide = self.problem, self.rows, self.problem.precision.wide
        batch, head = problem.entry(lead)
        key_lead = lead if problem.heads is None else (*lead[:-1], problem.key_heads[head])
        none = np.zeros((len(rows), 0), dtype=problem.dtype)
        Q = self._query(lead) if self.in_blocks or self.wanted & OF_QUERIES else none
        K = none
        if self.in_blocks or self.wanted & OF_KEYS:
            K = self._once(self._keys, key_lead, self._key)
        V = None
        if self.wanted & (WEIGHED | OF_VALUES):
            V = self._once(self._values, key_lead, self._value)
        # Parameters with an axis of queries are cut to the rows.
        score, parameters = problem.score, cut_to(rows, problem.score, problem.parameters)
        Q, K, scale = self._placed(Q, K, problem.factor(head))
        Q, K = wide(Q), wide(K)
        return Entry(
            lead=lead,
            batch=batch,
            head=head,
            i=rows,
            standing=problem.standing,
            Q=Q,
            K=K,
            function=score.innermost(parameters),
            score=score.prepare(Q, K, parameters) if self.in_blocks else _nothing,
            scale=scale,
            shows_products=problem.placement == "scores",
            selection=score.selection(parameters) if score.selection else None,
            rules=problem.rules,
            parameters=problem.rules.of_head(head),
            temperature=problem.rules.temperature_of(head),
            V=None if V is None or not self.wanted & WEIGHED else wide(V),
        )

    def unread(self, key_lead: Lead) -> None:
        """Compute the steps of a key head that no query head reads."""
        if self.wanted & OF_KEYS:
            self._key(key_lead)
        if self.wanted & OF_VALUES:
            self._value(key_lead)

    def _once(self, made: dict[Lead, Array], lead: Lead, make: Callable[[Lead], Array]) -> Array:
        """Make the keys or values of a key head, unless another query head has asked before."""
        if lead not in made:
            problem, depth = self.problem, len(self.problem.batch)
            shared = problem.joined or len(set(problem.key_heads)) < len(problem.key_heads)
            if not shared or any(other[:depth] != lead[:depth] for other in made):
                made.clear()  # what is over is let go
            made[lead] = make(lead)
        return made[lead]

    def _step(self, name: str, lead: Lead, x: Array, rows: Integers | None = None) -> Array:
        """Round a step to its type, and note it."""
        x = self.problem.precision.dtype.round(x)
        if (name, lead) not in self._noted:
            self._noted.add((name, lead))
            self.note(name, lead, x, rows)
        return x

    def _projected(self, source: Projection, lead: Lead, rows: Integers | slice) -> Array:
        """Return rows of Q, K or V, summed in the wide type."""
        return source.rows(lead, rows, self.problem.precision.wide)

    def _query(self, lead: Lead) -> Array:
        """Return the queries as they meet the keys."""
        problem, treatment = self.problem, self.problem.treatment
        wide = problem.precision.wide
        if problem.query is None:
            return np.zeros((len(self.rows), 0), dtype=problem.dtype)
        q = self._step("q", lead, self._projected(problem.query, lead, self.rows), self.rows)
        if treatment.query_norm is not None:
            q = self._step(
                "q_normed", lead, treatment.query_norm(q, problem.precision.norm), self.rows
            )
        if treatment.rope is not None:
            p_i = problem.turned_at.queries(problem.entry(lead)[0], self.rows)
            q = self._step("q_rotated", lead, treatment.rope(wide(q), p_i), self.rows)
        return q

    def _key(self, lead: Lead) -> Array:
        """Return the keys of a key head as they meet the queries, the past first."""
        problem, treatment = self.problem, self.problem.treatment
        wide = problem.precision.wide
        if problem.key is None:
            return np.zeros((problem.n_k, 0), dtype=problem.dtype)
        k = self._step("k", lead, self._projected(problem.key, lead, slice(None)))
        if treatment.key_norm is not None:
            k = self._step("k_normed", lead, treatment.key_norm(k, problem.precision.norm))
        past = problem.past
        if past is not None and not past.rotated:
            k = self._step("present_key", lead, self._behind(past.key, lead, k))
        if treatment.rope is not None:
            p_j = problem.turned_at.keys(problem.entry(lead)[0], self._turned_keys(len(k)))
            k = self._step("k_rotated", lead, treatment.rope(wide(k), p_j))
        if past is not None and past.rotated:
            k = self._step("present_key", lead, self._behind(past.key, lead, k))
        return k

    def _turned_keys(self, count: int) -> Integers:
        """Return the numbers of the keys that rope turns, as its positions count them.

        Given positions of a rotated past are of the new keys alone.
        """
        problem = self.problem
        first = 0 if problem.treatment.positions is not None else problem.n_k - count
        return np.arange(first, first + count)

    def _value(self, lead: Lead) -> Array:
        """Return the values of a key head, the past first."""
        problem = self.problem
        v = self._step("v", lead, self._projected(problem.value, lead, slice(None)))
        if problem.past is not None:
            v = self._step("present_value", lead, self._behind(problem.past.value, lead, v))
        return v

    def _behind(self, past: Array, key_lead: Lead, new: Array) -> Array:
        """Return what a key head has in the cache, then the new rows."""
        batch = key_lead[0] if self.problem.batch else 0
        head = key_lead[-1] if self.problem.heads is not None else 0
        return np.concatenate([past[batch, head], new])

    def _placed(self, Q: Array, K: Array, factor: float) -> tuple[Array, Array, float]:
        """Return Q and K with the scale where the problem puts it, and what is left of it."""
        problem = self.problem
        rounded, wide = problem.precision.scaled.round, problem.precision.wide
        if problem.placement == "query":
            return rounded(wide(Q) * factor), K, 1.0
        if problem.placement == "split":
            return rounded(wide(Q) * factor), rounded(wide(K) * factor), 1.0
        return Q, K, factor


def _nothing(_rows: slice, _keys: slice) -> Parts:
    raise AssertionError("no step of a block is wanted")


def cut_to(rows: Integers, score: ScoreFunction, parameters: Parameters) -> Parameters:
    """Return the parameters, those with an axis of queries cut to the rows; inside a score too."""
    cut = dict(parameters)
    for parameter in score.parameters:
        if parameter.axes[:1] == ("n_q",):
            cut[parameter.name] = cut[parameter.name][rows]
        elif parameter.kind == "score":
            inside, inner = cut[parameter.name]
            cut[parameter.name] = inside, cut_to(rows, inside, inner)
    return cut
