"""Problem + Request -> Record: the loop over batch entries, heads and blocks of query rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from attn_cli.core.arrays import Array, Bools, Integers
from attn_cli.core.block import Entry, steps
from attn_cli.core.collect import Collector
from attn_cli.core.formulas import AFTER, AXES, POOLED, WHOLE_ROWS
from attn_cli.core.next_word import Pooling, choice
from attn_cli.core.parameter import Parameters
from attn_cli.core.plan import Plan, labels_of, make_plan
from attn_cli.core.problem import Problem, Request
from attn_cli.core.scores.base import Parts, ScoreFunction
from attn_cli.core.settings import settings
from attn_cli.core.visible import Lead, common_reach
from attn_cli.record import Record

BLOCK_BYTES = 64 << 20  # the most that one block works on
ARRAYS_A_BLOCK = 6  # that are alive at once
WEIGHED = {"context", *AFTER, *POOLED}  # steps that need V


def run(problem: Problem, request: Request | None = None, *, command: str = "compute") -> Record:
    """Compute the steps that are asked for, and nothing else.

    Raises AttnError where the request names a step, batch entry or head that the problem does not
    have, or asks for more than the memory that it allows.
    """
    request = request or Request()
    plan = make_plan(problem, request)
    collector = Collector(problem, plan)
    with np.errstate(all="ignore"):  # what overflows is reported by name instead
        for name, values in _inputs(problem):
            collector.check(name, (), values)
        for group, leads in plan.groups.items():
            _fill(collector, problem, plan, group, leads)
    made = collector.steps()
    if problem.layout == "columns":
        made = {n: s.transposed() if len(AXES[n]) > 1 else s for n, s in made.items()}
    return Record(
        command=command,
        steps=made,
        settings=settings(problem, request),
        query_tokens=labels_of(problem.query_tokens, plan.rows, problem.n_q),
        key_tokens=problem.key_tokens,
        cross=problem.cross,
        answer=collector.answer,
        text="\n".join(c.answer for c in collector.choices) if collector.choices else None,
        choices=tuple(collector.choices),
        title=problem.title,
        warnings=(*problem.warnings, *collector.warnings()),
    )


def _inputs(problem: Problem) -> Iterator[tuple[str, Array]]:
    """Yield the steps that come before Q, K and V."""
    if problem.embeddings is not None:
        yield "embeddings", problem.embeddings
        if problem.positions is not None:
            yield "positions", problem.positions.values
            yield "positioned", problem.positioned(slice(None))


def _fill(
    collector: Collector, problem: Problem, plan: Plan, group: Lead, leads: tuple[Lead, ...]
) -> None:
    """Compute the entries that make one output, block by block, and keep what the plan asks for."""
    wanted = set(plan.steps)
    rows = plan.computed
    entries = [_entry(collector, problem, lead, rows, wanted) for lead in leads]
    if not wanted & (WHOLE_ROWS | WEIGHED):
        return
    next_word = problem.next_word if wanted & set(POOLED) else None
    pooling = None if next_word is None else Pooling(next_word.rows(problem.n_q))
    for block in _blocks(len(rows), problem, plan):
        contexts = [
            _fill_block(collector, entry, block, _keys(problem, entry, block, wanted), wanted)
            for entry in entries
        ]
        if wanted & {*AFTER, *POOLED}:
            last = _follow(collector, problem, group, rows[block], contexts)
            if pooling is not None:
                pooling.add(rows[block], last)
    if next_word is not None and pooling is not None:
        values = pooling.pooled()
        for name, values in next_word.steps(values):  # noqa: B020
            collector.check(name, group, values)
        if "probabilities" in wanted:
            collector.choices.append(choice(next_word, problem.query_tokens, values, plan.top))


def _entry(
    collector: Collector, problem: Problem, lead: Lead, rows: Integers, wanted: set[str]
) -> Entry:
    """Compute Q, K and V of one batch entry and head, and prepare its blocks."""
    in_blocks = bool(wanted & (WHOLE_ROWS | WEIGHED))
    Q = K = np.zeros((0, 0), dtype=problem.dtype)
    V = None
    if problem.query is not None and (in_blocks or "q" in wanted):
        Q = problem.query.rows(lead, rows)
        collector.check("q", lead, Q, rows)
    if problem.key is not None and (in_blocks or "k" in wanted):
        K = problem.key.rows(lead)
        collector.check("k", lead, K)
    if wanted & (WEIGHED | {"v"}):
        V = problem.value.rows(lead)
        collector.check("v", lead, V)
    score = problem.score
    # Parameters with an axis of queries are cut to the rows.
    parameters = _cut_to(rows, score, problem.parameters)
    return Entry(
        lead=lead,
        positions=rows,
        score=score.prepare(Q, K, parameters) if in_blocks else _nothing,
        scale=problem.scale,
        selection=score.selection(parameters) if score.selection else None,
        schemes=problem.schemes,
        mask=problem.mask,
        normalizer=problem.normalizer,
        V=V if wanted & WEIGHED else None,
    )


def _nothing(_rows: slice, _keys: slice) -> Parts:
    raise AssertionError("no step of a block is wanted")


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


def _fill_block(
    collector: Collector, entry: Entry, rows: slice, keys: slice, wanted: set[str]
) -> Array:
    """Run through the steps of one block up to the last that is wanted, and return that."""
    positions = entry.positions[rows]
    last = "context" if wanted & WEIGHED else [name for name in AXES if name in wanted][-1]
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
            collector.keep_weights(entry.lead, values, visible, positions)
        else:
            collector.keep(name, entry.lead, values, positions)
        if name == last:
            break
    return values


def _follow(
    collector: Collector, problem: Problem, group: Lead, rows: Integers, contexts: list[Array]
) -> Array:
    """Compute what follows the contexts of one block, and return the last of it."""
    last = contexts[0]
    if problem.joined:
        last = np.concatenate(contexts, axis=1)
        collector.check("concat", group, last, rows)
    X = problem.positioned(rows) if problem.after.residual else None
    for name, last in problem.after.steps(last, X):  # noqa: B020
        collector.check(name, group, last, rows)
    return last
