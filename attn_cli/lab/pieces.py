"""The engine for some queries against very many keys: K and V are made a piece at a time.

    lse = log(sum_p exp(lse_p)),   context = sum_p exp(lse_p - lse) context_p      p: pieces of keys

Of K and V no more than a piece is in memory, in whatever type they are carried. Numbers that are
rounded at random are rounded in each piece, and the running sums again for each key of
it: some kernels add key after key to sums in the type `accumulate`, so that their error grows with
the root of the number of keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from attn_cli.arrays import AnyArray, Array
from attn_cli.dataclass import dataclass, replace
from attn_cli.engine.blocks import blocks, run_blocks
from attn_cli.engine.entry import EntryBuilder, Schedules, Sides, prepared
from attn_cli.engine.online import Sums
from attn_cli.engine.plan import Plan
from attn_cli.engine.threads import Workers
from attn_cli.engine.watch import Watch
from attn_cli.maths.block import Block, Entry, StepValues, steps
from attn_cli.maths.linear import IDENTITY
from attn_cli.maths.meeting import key_end, query_end, value_end
from attn_cli.maths.normalizers import NORMALIZERS
from attn_cli.maths.pipeline import pipeline
from attn_cli.maths.problem import Problem
from attn_cli.maths.ranges import hull
from attn_cli.maths.rules import KINDS, EmptyRows
from attn_cli.maths.scores.base import Parts
from attn_cli.maths.stage import BLOCK, KEYS, Schedule, StepSpec, schedule_of
from attn_cli.maths.visible.base import Lead

if TYPE_CHECKING:
    from attn_cli.engine.estimate import Estimate

PIECE = 1 << 12  # keys
CELLS = 1 << 19  # scores at once
MADE = ("lse", "context")  # merged from the pieces


@dataclass(frozen=True)
class Pieces:
    """Contexts and later steps; `piece` keys are in memory at a time."""

    piece: int = PIECE
    name: str = "pieces"
    tolerance: float = 1e-12

    def refuses(self, problem: Problem, plan: Plan) -> str | None:
        """Return why the contexts of a problem cannot be made of pieces; None if they can."""
        return next(_reasons(problem, plan), None)

    def run(self, problem: Problem, plan: Plan, out: Watch, workers: Workers) -> None:
        """Compute the steps of a plan."""
        merged = _Merged(problem, plan, out, self.piece)

        def block(entry: Entry, rows: slice) -> Array:
            context = merged.context(entry, rows)
            workers.finished()
            return context

        height = max(len(plan.computed), 1)
        run_blocks(
            problem, plan, out, workers, height, lambda entry: partial(block, entry), keys=False
        )

    def estimate(self, problem: Problem, plan: Plan) -> Estimate:
        """Return the estimate for a plan, on one thread."""
        from attn_cli.engine.definition import SLOWER
        from attn_cli.engine.estimate import estimated

        return estimated(problem, plan, at_once=1 / SLOWER)


def _reasons(problem: Problem, plan: Plan) -> Iterator[str]:
    """Yield the reasons why the contexts of a problem cannot be made of pieces."""
    rules = problem.rules
    if not plan.only_contexts or any(s.spec.scope == KEYS for s in plan.steps.values()):
        yield "a step is wanted that has a value for each key"
    if rules.normalizer.sinks is None:
        yield f"weights are not exponentials over their sum, but {rules.normalizer.name}"
    if rules.top_k is not None or rules.dropout is not None or rules.looks_everywhere:
        yield "whole rows are needed: by top_k, dropout, a finite fill or empty_rows: uniform"
    if problem.score.factor is None or problem.score.selection or problem.score.undefined:
        yield f"the score {problem.score.name} is not a product, or selects keys"
    if problem.past is not None:
        yield "there are keys of a past"
    in_blocks = {s.name for s in plan.pipeline.values() if s.scope == BLOCK} - {*MADE}
    if not in_blocks.isdisjoint(problem.altered):
        yield "values of steps of pairs are replaced"


class _Merged:
    """Contexts of rows of entries, merged from their pieces."""

    def __init__(self, problem: Problem, plan: Plan, out: Watch, piece: int) -> None:
        self._problem, self._plan, self._out, self._piece = problem, plan, out, piece
        rules = replace(
            problem.rules,
            normalizer=NORMALIZERS.get("softmax"),
            parameters={},
            empty_rows=EmptyRows("zero", "zero"),
        )
        altered = {name: alter for name, alter in problem.altered.items() if name not in MADE}
        self._part = replace(problem, rules=rules, altered=altered)
        specs = {
            name: replace(spec, type=None) if name in MADE else spec
            for name, spec in pipeline(self._part).items()
        }
        self._schedule: Schedule = schedule_of(
            [spec for spec in specs.values() if spec.scope == BLOCK], MADE
        )
        schedules = self._of_computed(Schedules.of(specs, MADE))
        self._keys = EntryBuilder(self._part, schedules, plan.computed, lambda *_: None)

    def _of_computed(self, schedules: Schedules) -> Schedules:
        """Return the schedules without K and V that are given: numbers of the type stay."""
        part = self._part
        plain = {
            name: side
            for name, side in (("k", part.key), ("v", part.value))
            if side is not None and side.linear is IDENTITY and name not in part.altered
        }
        self._plain = {
            name: side for name, side in plain.items() if name in (key_end(part), value_end(part))
        }
        keys = () if "k" in self._plain else schedules.keys
        values = () if "v" in self._plain else schedules.values
        return replace(schedules, keys=keys, values=values)

    def _given(self, lead: Lead, keys: slice) -> dict[str, Array]:
        """Return K and V of a piece, if they are given."""

        def as_it_is(rows: Array) -> Array:
            return rows

        return {name: side.rows(lead, keys, as_it_is) for name, side in self._plain.items()}

    def context(self, entry: Entry, rows: slice) -> Array:
        """Return the contexts of some rows, and put them and their lse."""
        problem, i = self._problem, entry.i[rows]
        first, stop = hull(entry.reach(rows, problem.n_k))
        sums = Sums.of(len(i), problem.value.depth, np.dtype(np.float64), max_slack=0.0)
        for start in range(first, stop, self._piece):
            self._add(entry, rows, slice(start, min(start + self._piece, stop)), sums)
        sinks = problem.rules.normalizer.sinks
        assert sinks is not None  # other normalisers are refused
        context, lse, empty = sums.finished(sinks(entry.parameters))
        kinds = problem.rules.kinds(empty, entry.place(rows, slice(0, 0)))
        context[kinds == KINDS.index("nan")] = np.nan
        self._out.put(entry.lead, StepValues("empty", kinds), i)
        self._put(entry, rows, "lse", lse)
        return self._put(entry, rows, "context", context)

    def _add(self, entry: Entry, rows: slice, keys: slice, sums: Sums) -> None:
        """Add a piece of keys to the sums of the rows that reach it."""
        piece = self._of_keys(entry, keys)
        for block in blocks(rows, max(CELLS // (keys.stop - keys.start), 1)):
            start, stop = hull(entry.reach(block, self._problem.n_k))
            if max(start, keys.start) >= min(stop, keys.stop):
                continue
            made = {each.name: each.values for each in steps(piece, block, keys, self._schedule)}
            lse, context = made["lse"].astype(np.float64), made["context"].astype(np.float64)
            total = (lse > -np.inf).astype(np.float64)
            own = sums.part(slice(block.start - rows.start, block.stop - rows.start))
            own.merge(Sums(context, total, lse, max_slack=0.0))
            self._round(own, keys)

    def _of_keys(self, entry: Entry, keys: slice) -> Entry:
        """Return the entry with the keys and values of a piece."""
        part, key_lead = self._part, self._problem.key_lead(entry.lead)
        of_keys = {**self._given(key_lead, keys), **self._keys.of_keys(key_lead, keys)}
        own = {query_end(part): np.zeros((0, entry.Q.shape[1]), part.dtype)}
        sides = Sides(entry.i[:0], own, of_keys)
        made = prepared(part, entry.lead, sides, in_blocks=False)
        assert made.V is not None  # contexts are wanted
        function, parameters = entry.function
        score = function.prepare(entry.Q, made.K, parameters)
        first = keys.start

        def block(rows: slice, of: slice) -> Parts:
            return score(rows, slice(of.start - first, of.stop - first))

        values: Any = _From(made.V, first)
        steps_of_keys: dict[str, Any] = {name: _From(x, first) for name, x in of_keys.items()}
        return replace(
            entry,
            score=block,
            rules=part.rules,
            parameters={},
            V=values,
            of_keys=steps_of_keys,
        )

    def _round(self, sums: Sums, keys: slice) -> None:
        """Round the running sums as often as a kernel that adds key after key."""
        type_ = self._problem.precision.accumulate
        if type_.name == "float64":
            return
        often = sqrt(keys.stop - keys.start)
        sums.weighed += (type_.round(sums.weighed) - sums.weighed) * often
        sums.total += (type_.round(sums.total) - sums.total) * often

    def _put(self, entry: Entry, rows: slice, name: str, values: AnyArray) -> Array:
        """Put a step of the merged rows, as its stage gives it; return its values."""
        if name not in self._plan.needed:
            return values
        spec: StepSpec = self._plan.pipeline[name]
        if spec.alter is not None:
            nothing = replace(entry, score=lambda *_: Parts())
            values = spec.alter(Block(nothing, rows, slice(0, 0), why=False), values)
        values = spec.rounded(values)
        self._out.put(entry.lead, StepValues(name, values), entry.i[rows])
        return values


class _From:
    """Rows of an array whose first row has another number than 0."""

    def __init__(self, values: Array, first: int) -> None:
        self._values, self._first = values, first

    def __getitem__(self, keys: slice) -> Array:
        return self._values[keys.start - self._first : keys.stop - self._first]
