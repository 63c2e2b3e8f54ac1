"""Statistics of weights, per head or per query, computed block of rows by block.

Values of a head are means over its queries; `lab.row_statistics` defines those of a query. No more
than a block of rows is held, and a few numbers per query.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from attn_cli.arrays import AnyArray, Array, Bools, Integers
from attn_cli.dataclass import dataclass, replace
from attn_cli.engine.plan import plan_unheld
from attn_cli.engine.run import put_into
from attn_cli.engine.settings import settings
from attn_cli.errors import AttnError
from attn_cli.lab.drawing import Chosen, rows_of
from attn_cli.lab.placed import Positions, positions_of, warnings_of_statistics
from attn_cli.lab.row_statistics import FIELDS, RowStatistics, row_statistics
from attn_cli.lab.sampling import sampled
from attn_cli.lab.statistics_columns import OF_HEADS, OF_QUERIES, Column
from attn_cli.maths.pipeline import STAGES, pipeline
from attn_cli.maths.problem import Request
from attn_cli.maths.stage import OF_PAIRS, WEIGHT
from attn_cli.maths.visible.base import Lead
from attn_cli.record import Labels

if TYPE_CHECKING:
    from attn_cli.engine.plan import Plan
    from attn_cli.engine.threads import OnProgress
    from attn_cli.maths.block import StepValues
    from attn_cli.maths.problem import Problem

_NEAR = 1e-5  # a sum of weights in float64 or float32 that is as near to 1 is 1


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """A table of statistics: a line per head, or per query of each head.

    `values` has the columns by name, each with a value per line; None: there is none.
    """

    command: str
    step: str
    formula: str
    axes: tuple[str, ...]  # of the step
    shape: tuple[int, ...]
    per_query: bool
    columns: tuple[Column, ...]
    values: Mapping[str, Sequence[Any]]
    uneven: tuple[bool, ...]  # of each line, whether weights do not add up to 1
    queries: int  # that the values are of, in each head
    stride: int  # every so many-th query was computed; 1: all
    placed: bool  # whether queries are among the keys, so that they have a distance
    known: bool  # whether it is known which keys a query sees
    empty: int  # rows that see keys, and whose weights are all 0
    settings: Mapping[str, object]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Labelled:
    """The names of the leading axes, the labels of all queries and keys, the queries' numbers."""

    lead: tuple[str, ...]
    queries: Labels
    keys: Labels
    numbers: Sequence[int]


class Tally:
    """Takes weights block by block, and holds the statistics of their rows."""

    def __init__(
        self,
        positions: Positions,
        *,
        batched: bool,
        eps: float,
        known: bool = True,
        sorts: bool = True,
    ) -> None:
        """`batched`: whether the first of the leading axes is that of batch entries.

        `eps` is that of the type of the weights, each of which is off by up to half of it. `known`:
        whether a weight of 0 without a code is that of a key that is seen; it may be hidden.
        `sorts`: whether weights are sorted, for top_90.
        """
        self._positions, self._batched, self.known = positions, batched, known
        self._sorts = sorts
        self._near = max(2 * eps, _NEAR)
        self.placed = positions.queries is not None
        self._rows: dict[Lead, list[tuple[Integers, RowStatistics]]] = {}

    def add(self, lead: Lead, rows: Integers, weights: AnyArray, codes: AnyArray | None) -> None:
        """Take the weights of some queries and all keys of a batch entry and head.

        `codes` are those of the step `visible`; None: every key is seen.
        """
        batch = lead[0] if self._batched else 0
        if codes is None:
            codes = np.zeros(weights.shape, dtype=np.uint8)
        found = row_statistics(
            weights,
            codes,
            self._positions.of_keys(batch),
            self._positions.of_queries(batch, rows),
            sorts=self._sorts,
        )
        self._rows.setdefault(lead, []).append((rows, found))

    def heads(self) -> list[tuple[Lead, Integers, RowStatistics]]:
        """Return the rows of each batch entry and head, in order."""
        found = []
        for lead in sorted(self._rows):
            blocks = self._rows[lead]
            rows = np.concatenate([at for at, _ in blocks])
            order = np.argsort(rows, kind="stable")
            joined = {
                name: np.concatenate([getattr(block, name) for _, block in blocks])[order]
                for name in FIELDS
            }
            found.append((lead, rows[order], RowStatistics(**joined)))
        return found

    def counted(self, rows: RowStatistics) -> Bools:
        """Return whether the number of keys that a query sees is known."""
        return ~rows.zeros if not self.known else np.ones(len(rows.keys), dtype=np.bool_)

    def uneven(self, rows: RowStatistics) -> Bools:
        """Return whether the weights of a row add up to something else than 1."""
        with np.errstate(invalid="ignore"):
            close = np.abs(rows.total - 1) <= self._near
        far: Bools = (rows.keys > 0) & ~close
        return far


class TallySink:
    """The sink of an engine: pairs weights with the codes of why keys are hidden."""

    def __init__(self, tally: Tally, step: str, *, hides: bool) -> None:
        self._tally, self._step, self._hides = tally, step, hides
        self._waiting: dict[Lead, tuple[str, AnyArray]] = {}

    def wants(self, step: str) -> bool:
        """Return whether it is the step, or `visible` if keys can be hidden."""
        return step == self._step or (self._hides and step == "visible")

    def put(self, lead: Lead, made: StepValues, rows: Integers | None = None) -> None:
        """Take a block of either step; the second of the two is added with the first."""
        assert rows is not None  # both have an axis of queries
        if not self._hides:
            self._tally.add(lead, rows, made.values, None)
        elif lead not in self._waiting:
            self._waiting[lead] = made.name, made.values
        else:
            name, values = self._waiting.pop(lead)
            assert name != made.name  # an engine puts the steps of a block one after the other
            pair = {name: values, made.name: made.values}
            self._tally.add(lead, rows, pair[self._step], pair["visible"])


def request_of(
    problem: Problem, step: str, chosen: Chosen, *, exact: bool = False, **resources: Any
) -> tuple[Request, int]:
    """Return the request for part of a step, and how far apart its queries are: 1 if all are taken.

    Raises AttnError for heads and rows that there are not.
    """
    request = Request(steps=(step,), batch=chosen.batch, **resources)
    for head in chosen.heads or ():
        plan_unheld(problem, replace(request, head=head))  # refuses one that there is not
    rows = rows_of(chosen.rows, "query", problem.n_q)
    sizes = dict(zip(problem.lead_axes, problem.lead, strict=True))
    heads = sizes.get("head", 1) if chosen.heads is None else len(chosen.heads)
    entries = heads * (sizes.get("batch", 1) if chosen.batch is None else 1)
    taken = range(len(rows)) if exact else sampled(len(rows), problem.n_k, entries)
    rows = rows[taken.start : taken.stop : taken.step]
    return replace(request, rows=None if len(rows) == problem.n_q else tuple(rows)), taken.step


def statistics(
    problem: Problem,
    request: Request,
    *,
    heads: Collection[int] | None = None,
    per_query: bool = False,
    stride: int = 1,
    on_progress: OnProgress | None = None,
) -> Statistics:
    """Return the statistics of the only step of a request, which is not held as a whole.

    `heads`: some of them; None: all. `stride`: how far apart queries are, if some stand for all.
    Raises AttnError as `run` does, and for a step that has no weights.
    """
    assert request.steps is not None
    (name,) = request.steps
    step = plan_unheld(problem, request).steps[name]
    if step.spec.axes != OF_PAIRS or step.spec.stage.role != WEIGHT:
        raise not_weights(name, step.spec.stage.role)
    hides = "visible" in pipeline(problem)
    request = replace(request, steps=("visible", name) if hides else (name,))
    plan = _of_heads(plan_unheld(problem, request), heads)
    positions = positions_of(
        settings(problem, request), problem.n_q, problem.n_k, cross=problem.cross
    )
    assert step.spec.type is not None  # weights are not codes
    tally = Tally(positions, batched=bool(problem.batch), eps=step.spec.type.eps)
    sink = TallySink(tally, name, hides=hides)
    passed = put_into(problem, request, plan, sink, on_progress=on_progress)
    return finished(
        tally,
        Labelled(problem.lead_axes, problem.query_tokens, problem.key_tokens, range(problem.n_q)),
        per_query=per_query,
        step=name,
        formula=str(step.spec.formula),
        shape=(*problem.lead, problem.n_q, problem.n_k),
        stride=stride,
        settings=passed.settings,
        warnings=passed.warnings,
    )


def _of_heads(plan: Plan, heads: Collection[int] | None) -> Plan:
    """Return the plan without other heads than these; None: of all."""
    if heads is None:
        return plan
    groups = {
        group: tuple(lead for lead in leads if lead[-1] in heads)
        for group, leads in plan.groups.items()
    }
    return replace(plan, groups={group: leads for group, leads in groups.items() if leads})


def not_weights(step: str, role: str) -> AttnError:
    """Return the error for a step of which there are no statistics."""
    names = [s.name for s in STAGES if s.role == WEIGHT and s.axes == OF_PAIRS]
    return AttnError(
        f"statistics are of weights, and {step} is a {role}", help=f"there are: {', '.join(names)}"
    )


def finished(
    tally: Tally, labelled: Labelled, *, per_query: bool, warnings: Iterable[str] = (), **known: Any
) -> Statistics:
    """Return the table, from what the tally holds and what else is `known`.

    `warnings` are those of the computation.
    """
    lead = tuple(Column(axis, axis, f"the {axis}, from 0") for axis in labelled.lead)
    columns = (*lead, *(OF_QUERIES if per_query else OF_HEADS))
    values: dict[str, list[Any]] = {column.name: [] for column in columns}
    uneven: list[bool] = []
    empty = queries = 0
    known_keys = True
    for place, at, rows in tally.heads():
        far = tally.uneven(rows)
        empty += int(np.count_nonzero((rows.keys > 0) & (rows.total == 0) & ~rows.wild))
        queries = len(at)
        counted = tally.counted(rows)
        known_keys &= bool(counted.all())
        if per_query:
            found = _of_queries(at, rows, counted, labelled)
        else:
            found = _of_head(at, rows, far, labelled)
            found["relative"] = found["relative"] if counted.all() else [None]
        found |= {
            axis: [index] * len(found["max"])
            for axis, index in zip(labelled.lead, place, strict=True)
        }
        uneven += far.tolist() if per_query else [bool(far.any())]
        for name, made in found.items():
            values[name] += made
    return Statistics(
        command="stats",
        axes=(*labelled.lead, *OF_PAIRS),
        per_query=per_query,
        columns=columns,
        values=values,
        uneven=tuple(uneven),
        queries=queries,
        empty=empty,
        placed=tally.placed,
        known=known_keys,
        warnings=warnings_of_statistics(warnings),
        **known,
    )


_OF_SHARES = ("entropy", "effective", "relative", "distance", "top_90")
_MEANS = (*_OF_SHARES, "max", "first", "diagonal", "previous")


def _of_queries(
    at: Integers, rows: RowStatistics, counted: Bools, labelled: Labelled
) -> dict[str, list[Any]]:
    seen = [n if known else None for n, known in zip(rows.keys.tolist(), counted, strict=True)]
    keys = [key if key >= 0 else None for key in rows.key.tolist()]
    return {
        "query": [labelled.numbers[row] for row in at.tolist()],
        "token": [labelled.queries[row] for row in at.tolist()],
        "keys": seen,
        **{name: _values(getattr(rows, name)) for name in _MEANS},
        "relative": _values(np.where(counted, rows.relative, np.nan)),
        "top_90": [None if n is None else int(n) for n in _values(rows.top_90)],
        "key": keys,
        "key_token": [None if key is None else labelled.keys[key] for key in keys],
        "row_sum": _values(rows.total),
    }


def _of_head(
    at: Integers, rows: RowStatistics, far: Bools, labelled: Labelled
) -> dict[str, list[Any]]:
    """Return the values of a head: means over the queries of which there is a value."""
    seeing = rows.keys > 0
    wild = bool((seeing & rows.wild).any())
    means = {
        name: None if wild and name in _OF_SHARES else _mean(getattr(rows, name)) for name in _MEANS
    }
    largest = np.where(np.isnan(rows.max), -np.inf, rows.max)
    top = int(largest.argmax()) if seeing.any() else None
    query, key = (None, None) if top is None else (int(at[top]), int(rows.key[top]))
    totals = rows.total[seeing]
    found = {
        "queries": len(at),
        **means,
        "largest": None if top is None else _value(rows.max[top]),
        "largest_query": None if query is None else labelled.numbers[query],
        "largest_key": key,
        "query_token": None if query is None else labelled.queries[query],
        "key_token": None if key is None else labelled.keys[key],
        "no_key": int(np.count_nonzero(~seeing)),
        "not_one": int(np.count_nonzero(far)),
        "row_sum_min": _value(totals.min()) if len(totals) else None,
        "row_sum_max": _value(totals.max()) if len(totals) else None,
    }
    return {name: [value] for name, value in found.items()}


def _mean(values: Array) -> float | None:
    there = values[~np.isnan(values)]
    return _value(there.mean()) if len(there) else None


def _value(number: Any) -> float | None:
    return None if np.isnan(number) else float(number)


def _values(numbers: Array) -> list[float | None]:
    return [None if x != x else x for x in numbers.tolist()]
