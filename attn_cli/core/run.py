"""Problem + Request -> Record: the loop over batch entries, heads and blocks of query rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from attn_cli.core.arrays import AnyArray, Array, Integers
from attn_cli.core.axes import AFTER, AXES, OF_ROWS, POOLED, WEIGHED, WHOLE_ROWS
from attn_cli.core.block import Entry, steps
from attn_cli.core.collect import Collector
from attn_cli.core.entry import Preparation
from attn_cli.core.next_word import Pooling, choice
from attn_cli.core.plan import Plan, labels_of, make_plan
from attn_cli.core.problem import Problem, Request
from attn_cli.core.ranges import hull
from attn_cli.core.settings import settings
from attn_cli.core.visible.base import Lead
from attn_cli.record import Record, Step

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
        for name, values in _inputs(problem):
            collector.check(name, (), values)
        wanted = frozenset(plan.steps)
        prepare = Preparation(problem, plan.computed, wanted, collector.check)
        for group, leads in plan.groups.items():
            _fill(collector, problem, plan, group, [prepare.entry(lead) for lead in leads])
    made = {name: _as_asked(problem, step) for name, step in collector.steps().items()}
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


def _as_asked(problem: Problem, step: Step) -> Step:
    """Return a step with its axes in the order that the problem's own matrices have."""
    if problem.layout == "columns" and len(AXES[step.name]) > 1:
        return step.transposed()
    return step.heads_behind() if heads_go_behind(problem, step.name, step.axes) else step


def heads_go_behind(problem: Problem, step: str, axes: tuple[str, ...]) -> bool:
    """Whether the heads of a step stand behind its rows, as those of Q did."""
    return problem.heads_last and step in AFTER and "head" in axes


def _fill(
    collector: Collector, problem: Problem, plan: Plan, group: Lead, entries: list[Entry]
) -> None:
    """Compute the entries that make one output, block by block, and keep what the plan asks for."""
    wanted = set(plan.steps)
    rows = plan.computed
    if not wanted & (WHOLE_ROWS | OF_ROWS | WEIGHED):
        return
    next_word = problem.next_word if wanted & set(POOLED) else None
    pooling = None if next_word is None else Pooling(next_word.rows(problem.n_q))
    for block in _blocks(len(rows), problem, plan):
        collector.forget_empty()
        contexts = [_fill_block(collector, problem, plan, entry, block) for entry in entries]
        if wanted & {*AFTER, *POOLED}:
            last = _follow(collector, problem, group, rows[block], contexts)
            if pooling is not None:
                pooling.add(rows[block], last)
    if next_word is not None and pooling is not None:
        _pool(collector, problem, plan, group, pooling.pooled())


def _pool(collector: Collector, problem: Problem, plan: Plan, group: Lead, pooled: Array) -> None:
    """Compute the next word from the pooled rows."""
    assert problem.next_word is not None  # who asks has checked
    for name, values in problem.next_word.steps(pooled, problem.precision):
        collector.check(name, group, values)
    if "probabilities" in plan.steps:
        words = choice(problem.next_word, problem.query_tokens, values, plan.top)
        collector.choices.append(words)


def _blocks(count: int, problem: Problem, plan: Plan) -> Iterator[slice]:
    """Yield the blocks of query rows: as many as the memory for one block holds, at least one."""
    row = problem.n_k * problem.precision.accumulate.carrier.itemsize * ARRAYS_A_BLOCK
    height = max(1, min(BLOCK_BYTES, plan.memory // 2) // row)
    return (slice(a, min(a + height, count)) for a in range(0, count, height))


def _keys(problem: Problem, entry: Entry, rows: slice, wanted: set[str]) -> slice:
    """Return the range of keys to look at: all where a step shows all, else the reach."""
    if wanted & WHOLE_ROWS or problem.rules.looks_everywhere:
        return slice(0, problem.n_k)
    start, stop = hull(entry.reach(rows, problem.n_k))
    # NaN in a row without a key needs a key to stand at: a sum over no keys is 0.
    least = 1 if problem.rules.empty_rows == "nan" else 0
    return slice(start, stop) if start < stop else slice(0, least)


def _fill_block(
    collector: Collector, problem: Problem, plan: Plan, entry: Entry, rows: slice
) -> Array:
    """Run through the steps of one block up to the last that is wanted, and return that."""
    wanted = set(plan.steps)
    keys = _keys(problem, entry, rows, wanted)
    asides = frozenset(wanted | {"visible"} if plan.marks else wanted)
    last = "context" if wanted & WEIGHED else list(plan.steps)[-1]
    values: AnyArray = np.zeros((0, 0))
    for made in steps(entry, rows, keys, asides):
        collector.take(entry.lead, made, entry.i[rows], keys)
        values = made.values
        if made.name == last:
            break
    if problem.gate is None or not wanted & (WEIGHED - {"context"}):
        return values
    precision = problem.precision
    X = None if problem.embeddings is None else precision.wide(problem.positioned(entry.i[rows]))
    gated = problem.gate(precision.wide(values), X, entry.batch, entry.head, entry.i[rows])
    values = precision.dtype.round(gated)
    collector.check("gated", entry.lead, values, entry.i[rows])
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
    for name, last in problem.after.steps(last, X, problem.precision):  # noqa: B020
        collector.check(name, group, last, rows)
    return last
