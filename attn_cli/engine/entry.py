"""Q, K and V of one batch entry and head, up to the block function of its scores.

`maths.inputs` has the steps. Behind the last of them, sqrt(scale) q, ... if the scale is placed
before the product. K and V belong to a key head, which several query heads may share: they are
computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Set
from typing import NamedTuple

import numpy as np

from attn_cli.arrays import AnyArray, Array, Integers
from attn_cli.dataclass import dataclass, replace
from attn_cli.errors import AttnError, printable
from attn_cli.maths.block import Entry
from attn_cli.maths.meeting import key_end, query_end, value_end
from attn_cli.maths.parameter import Parameters
from attn_cli.maths.problem import Problem
from attn_cli.maths.scores.base import Block as ScoreBlock
from attn_cli.maths.scores.base import Parts, ScoreFunction
from attn_cli.maths.select import Selection
from attn_cli.maths.stage import (
    BLOCK,
    JOINED,
    KEYS,
    POOLED,
    QUERIES,
    ROWS,
    Schedule,
    Side,
    StepSpec,
    closure,
    downstream,
    schedule_of_needed,
)
from attn_cli.maths.visible.base import Lead

# Is called with a step's name, lead, values and, if it has any, the positions of its queries.
Note = Callable[[str, Lead, AnyArray, Integers | None], None]


@dataclass(frozen=True)
class Schedules:
    """The needed steps of queries, keys and values, in order, and whether blocks are needed.

    They are the same for all entries, and for all problems with arrays of the same shapes.
    """

    queries: Schedule
    keys: Schedule
    values: Schedule
    read: frozenset[str]  # the steps that needed stages of blocks read
    in_blocks: bool

    @property
    def without_keys(self) -> Schedules:
        """The same, but no key and no block is prepared."""
        return replace(self, keys=(), values=(), in_blocks=False)

    @classmethod
    def of(cls, pipeline: Mapping[str, StepSpec], wanted: Collection[str]) -> Schedules:
        """Return the schedules for the needed steps."""
        specs = tuple(pipeline.values())
        needed = closure(specs, wanted)
        of_keys = [spec for spec in specs if spec.scope == KEYS]
        from_v = downstream(of_keys, "v")
        after = {BLOCK, ROWS, JOINED, POOLED}
        return cls(
            queries=schedule_of_needed([spec for spec in specs if spec.scope == QUERIES], needed),
            keys=schedule_of_needed([s for s in of_keys if s.name not in from_v], needed),
            values=schedule_of_needed([s for s in of_keys if s.name in from_v], needed),
            read=frozenset(
                name
                for spec in specs
                if spec.scope == BLOCK and spec.name in needed
                for name in spec.reads
            ),
            in_blocks=any(pipeline[name].scope in after for name in needed),
        )


class EntryBuilder:
    """Prepares entries of a problem for the computed query rows, and notes their steps."""

    def __init__(
        self,
        problem: Problem,
        schedules: Schedules,
        rows: Integers,
        note: Note,
        key_bytes: int = 1 << 62,
    ) -> None:
        """`key_bytes`: the memory for keys and values that are held for other entries."""
        self.problem, self.rows, self.note = problem, rows, note
        self._schedules, self._key_bytes = schedules, key_bytes
        self._queries = _keeping(schedules.queries, {query_end(problem), *schedules.read})
        self._keys = _keeping(schedules.keys, {key_end(problem), *schedules.read})
        self._values = _keeping(schedules.values, {value_end(problem), *schedules.read})
        self._of_keys: dict[Lead, dict[str, Array]] = {}  # key head -> steps of its keys
        self._held = 0  # bytes of these
        self._noted: set[tuple[str, Lead]] = set()

    def entry(self, lead: Lead, rows: Integers | None = None) -> Entry:
        """Compute Q, K and V of one batch entry and query head, and prepare its blocks.

        `rows` are some of the query rows; None: all of them.
        """
        rows = self.rows if rows is None else rows
        of_queries = self._walk(self._queries, Side(self.problem, lead, rows))
        of_keys = self._keys_of(self.problem.key_lead(lead))
        sides = Sides(rows, of_queries, of_keys)
        entry = prepared(self.problem, lead, sides, in_blocks=self._schedules.in_blocks)
        if entry.selection is not None and entry.selection.defined is not None:
            self.note("zero_keys", self.problem.key_lead(lead), ~entry.selection.defined, None)
        return entry

    def unread(self, key_lead: Lead) -> None:
        """Compute the steps of a key head that no query head reads."""
        self.of_keys(key_lead, slice(None))

    def _keys_of(self, lead: Lead) -> dict[str, Array]:
        """Return the steps of a key head, computed once and held until they are dropped."""
        if lead not in self._of_keys:
            self._of_keys[lead] = self.of_keys(lead, slice(None))
            self._held += _bytes(self._of_keys[lead])
            if self._held > self._key_bytes:
                self.drop(self._of_keys.keys() - {lead})
        return self._of_keys[lead]

    def drop(self, key_leads: Iterable[Lead]) -> None:
        """Drop the keys and values of these key heads."""
        for lead in key_leads:
            self._held -= _bytes(self._of_keys.pop(lead, {}))

    def of_keys(self, lead: Lead, rows: slice) -> dict[str, Array]:
        """Return the steps of some keys of a key head; nothing is held."""
        side = Side(self.problem, lead, rows)
        return self._walk(self._keys, side) | self._walk(self._values, side)

    def _walk(self, schedule: Schedule, side: Side) -> dict[str, Array]:
        """Compute the needed steps of a side and note them; return those that are read later."""
        values: dict[str, Array] = {}
        rows = side.rows if isinstance(side.rows, np.ndarray) else None
        for spec, finished in schedule:
            x = spec.apply(side, *[values[name] for name in spec.reads if name in values])
            if rows is not None or (spec.name, side.lead) not in self._noted:
                self._noted.add((spec.name, side.lead))
                self.note(spec.name, side.lead, x, rows)
            values[spec.name] = x
            for name in finished:
                values.pop(name, None)
        return values


def _keeping(schedule: Schedule, kept: Set[str]) -> Schedule:
    """Return a schedule of one side, after which the steps in `kept` are still there.

    Those are the steps that stages of blocks read, and the last one.
    """
    return tuple(
        (spec, tuple(name for name in finished if name not in kept)) for spec, finished in schedule
    )


def _bytes(steps: Mapping[str, Array]) -> int:
    return sum(x.nbytes for x in steps.values())


class Sides(NamedTuple):
    """The steps of the queries of a head, and of the keys that it reads, before they meet."""

    rows: Integers  # the numbers of the queries
    of_queries: Mapping[str, Array]
    of_keys: Mapping[str, Array]


def prepared(
    problem: Problem,
    lead: Lead,
    sides: Sides,
    *,
    in_blocks: bool,
    score: ScoreBlock | None = None,
) -> Entry:
    """Return one batch entry and query head, ready for blocks.

    `score` is the prepared score function, if there is one already for the same Q and K.
    """
    wide = problem.precision.wide
    batch, head = problem.entry(lead)
    rows, of_queries, of_keys = sides
    Q, K = of_queries.get(query_end(problem)), of_keys.get(key_end(problem))
    V = of_keys.get(value_end(problem))
    if Q is None:
        Q = np.zeros((len(rows), 0), dtype=problem.dtype)
    if K is None:
        K = np.zeros((problem.n_k, 0), dtype=problem.dtype)
    # Parameters with an axis of queries are cut to the rows.
    function, parameters = problem.score, cut_to(rows, problem.score, problem.parameters)
    Q, K, scale = _placed(problem, Q, K, problem.factor(head))
    Q, K = wide(Q), wide(K)
    if score is None:
        score = function.prepare(Q, K, parameters) if in_blocks else _nothing
    return Entry(
        lead=lead,
        batch=batch,
        head=head,
        i=rows,
        token_positions=problem.token_positions,
        Q=Q,
        K=K,
        function=function.innermost(parameters),
        score=score,
        scale=scale,
        shows_products=problem.placement == "scores",
        selection=selection_of(problem, lead, rows, Q, K) if in_blocks else None,
        rules=problem.rules,
        parameters=problem.rules.of_head(head),
        temperature=problem.rules.temperature_of(head),
        V=None if V is None else wide(V),
        of_queries=of_queries,
        of_keys=of_keys,
    )


def _placed(problem: Problem, Q: Array, K: Array, factor: float) -> tuple[Array, Array, float]:
    """Return Q and K, scaled if the scale is placed before the product, and the scale left."""
    rounded, wide = problem.precision.scaled.round, problem.precision.wide
    if problem.placement == "query":
        return rounded(wide(Q) * factor), K, 1.0
    if problem.placement == "split":
        return rounded(wide(Q) * factor), rounded(wide(K) * factor), 1.0
    return Q, K, factor


def _nothing(_rows: slice, _keys: slice) -> Parts:
    raise AssertionError("no step of a block is wanted")


def selection_of(
    problem: Problem, lead: Lead, rows: Integers, Q: Array, K: Array
) -> Selection | None:
    """Return the selected pairs; None: all. Keys without a score are not selected.

    Raises AttnError for a query without a score.
    """
    score, parameters = problem.score, problem.parameters
    selection = score.selection(parameters) if score.selection else None
    function, _ = score.innermost(parameters)
    if function.undefined is None:
        return selection
    undefined = function.undefined(Q)
    if undefined.any():
        raise _undefined_query(problem, lead, int(rows[undefined.argmax()]))
    undefined = function.undefined(K)
    if not undefined.any():
        return selection
    return replace(selection or Selection(), defined=~undefined)


def _undefined_query(problem: Problem, lead: Lead, row: int) -> AttnError:
    """Return the error of a query without a score, at its place."""
    word = problem.query_tokens[row]
    entry = "".join(f"{name} {at}, " for name, at in zip(problem.lead_axes, lead, strict=True))
    named = "" if word == str(row) else f" ('{printable(word)}')"
    function, _ = problem.score.innermost(problem.parameters)
    return AttnError(
        f"{entry}query {row}{named} is a zero vector, which has no direction: "
        f"{function.name} has no value there",
        path=("score",),
        help="leave the query out, or use dot or scaled",
    )


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
