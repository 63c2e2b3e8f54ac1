"""Problem + Request -> Record: the loop over batch entries, heads and blocks of query rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from attn_cli.core.arrays import Array, Bools, Integers
from attn_cli.core.block import Entry, steps
from attn_cli.core.collect import Collector
from attn_cli.core.plan import Plan, labels_of, make_plan
from attn_cli.core.problem import Problem, Request
from attn_cli.core.scores.base import Parameters, ScoreFunction
from attn_cli.core.settings import settings
from attn_cli.core.visible import Lead, common_reach
from attn_cli.record import Record

WHOLE_ROWS = {"products", "gate", "scores", "masked", "weights"}  # steps that show all keys
WEIGHED = {"context", "output"}  # steps that need V
BLOCK_BYTES = 64 << 20  # the most that one block works on
ARRAYS_A_BLOCK = 6  # that are alive at once


def run(problem: Problem, request: Request | None = None, *, command: str = "compute") -> Record:
    """Compute the steps that are asked for, and nothing else.

    Raises AttnError where the request names a step, batch entry or head that the problem does not
    have, or asks for more than the memory that it allows.
    """
    request = request or Request()
    plan = make_plan(problem, request)
    collector = Collector(problem, plan)
    with np.errstate(all="ignore"):  # what overflows is reported by name instead
        for lead in plan.leads:
            _fill(collector, problem, plan, lead)
    made = collector.steps()
    if problem.layout == "columns":
        made = {name: step.transposed() for name, step in made.items()}
    return Record(
        command=command,
        steps=made,
        settings=settings(problem, request),
        query_tokens=labels_of(problem.query_tokens, plan.rows, problem.n_q),
        key_tokens=problem.key_tokens,
        warnings=(*problem.warnings, *collector.warnings()),
    )


def _fill(collector: Collector, problem: Problem, plan: Plan, lead: Lead) -> None:
    """Compute one batch entry and head, and keep what the plan asks for."""
    wanted = set(plan.steps)
    in_blocks = wanted & (WHOLE_ROWS | WEIGHED)
    rows = plan.rows[plan.computed]
    if problem.embeddings is not None:
        collector.keep("embeddings", lead, problem.embeddings)
    Q = K = np.zeros((0, 0), dtype=problem.dtype)
    V = None
    if problem.query is not None and (in_blocks or "q" in wanted):
        Q = problem.query.rows(lead, rows)
        collector.keep("q", lead, Q, plan.computed)
        if collector.watches("q"):
            collector.note_wild("q", lead, ~np.isfinite(Q), rows)
    if problem.key is not None and (in_blocks or "k" in wanted):
        K = problem.key.rows(lead)
        collector.keep("k", lead, K)
        if collector.watches("k"):
            collector.note_wild("k", lead, ~np.isfinite(K))
    if wanted & (WEIGHED | {"v"}):
        V = problem.value.rows(lead)
        collector.keep("v", lead, V)
        if collector.watches("v"):
            collector.note_wild("v", lead, ~np.isfinite(V))
    if in_blocks:
        entry = _entry(problem, lead, rows, Q, K, V if wanted & WEIGHED else None)
        for block in _blocks(len(rows), problem, plan):
            _fill_block(collector, plan, entry, block, _keys(problem, entry, block, in_blocks))


def _entry(
    problem: Problem, lead: Lead, rows: Integers, Q: Array, K: Array, V: Array | None
) -> Entry:
    """Prepare one batch entry and head; parameters with an axis of queries are cut to the rows."""
    score = problem.score
    parameters = _cut_to(rows, score, problem.parameters)
    return Entry(
        lead=lead,
        positions=rows,
        score=score.prepare(Q, K, parameters),
        scale=problem.scale,
        selection=score.selection(parameters) if score.selection else None,
        schemes=problem.schemes,
        mask=problem.mask,
        normalizer=problem.normalizer,
        V=V,
        output=problem.output,
    )


def _cut_to(rows: Integers, score: ScoreFunction, parameters: Parameters) -> Parameters:
    """Return the parameters, those with an axis of queries cut to the rows; inside a score too."""
    cut = dict(parameters)
    for parameter in score.parameters:
        if parameter.axes[:1] == ("n_q",):
            cut[parameter.name] = cut[parameter.name][rows]
        elif parameter.kind == "score":
            inside, inner = cut[parameter.name]
            cut[parameter.name] = inside, _cut_to(rows, inside, inner)
    return cut


def _blocks(count: int, problem: Problem, plan: Plan) -> Iterator[slice]:
    """Yield the blocks of query rows: as many as the memory for one block holds, at least one."""
    row = problem.n_k * problem.dtype.itemsize * ARRAYS_A_BLOCK
    height = max(1, min(BLOCK_BYTES, plan.memory // 2) // row)
    return (slice(a, min(a + height, count)) for a in range(0, count, height))


def _keys(problem: Problem, entry: Entry, rows: slice, wanted: set[str]) -> slice:
    """Return the range of keys to look at: all where a step shows all, else the reach."""
    if wanted & WHOLE_ROWS:
        return slice(0, problem.n_k)
    i = entry.positions[rows]
    start, stop = common_reach(entry.schemes, i, problem.n_k)
    if entry.selection is not None:
        first, last = entry.selection.reach(i, problem.n_k)
        start, stop = max(start, first), min(stop, last)
    return slice(start, stop) if start < stop else slice(0, 0)


def _fill_block(collector: Collector, plan: Plan, entry: Entry, rows: slice, keys: slice) -> None:
    """Run through the steps of one block up to the last that is wanted."""
    last = [name for name in plan.steps if name in WHOLE_ROWS | WEIGHED][-1]
    positions, local = entry.positions[rows], plan.computed[rows]
    visible: Bools = np.zeros((0, 0), dtype=np.bool_)
    for name, values in steps(entry, rows, keys):
        if name == "visible":
            visible = values
            collector.note_visible(entry.lead, visible, positions)
            continue
        if collector.watches(name):
            wild = ~np.isfinite(values)
            if name in {"scores", "masked"}:  # there -inf says that a key is hidden
                wild &= visible
            collector.note_wild(name, entry.lead, wild, positions, keys)
        if name == "weights":
            collector.keep_weights(entry.lead, values, visible, local)
        else:
            collector.keep(name, entry.lead, values, local)
        if name == last:
            return
