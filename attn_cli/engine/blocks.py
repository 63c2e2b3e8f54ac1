"""The loop over a plan that engines share: entry by entry, block of query rows by block.

inputs -> q, k, v of an entry -> its blocks, computed by the engine -> the steps after the contexts
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby
from typing import NamedTuple

import numpy as np

from attn_cli.arrays import Array, part_of
from attn_cli.engine.entry import EntryBuilder, Schedules
from attn_cli.engine.following import Following
from attn_cli.engine.plan import Plan
from attn_cli.engine.threads import Workers
from attn_cli.engine.watch import Watch
from attn_cli.engine.whole import WholeSteps
from attn_cli.maths.block import Entry
from attn_cli.maths.problem import Problem
from attn_cli.maths.stage import PROBLEM
from attn_cli.maths.visible.base import Lead

ARRAYS_PER_BLOCK = 6  # that are alive at once


def run_blocks(
    problem: Problem,
    plan: Plan,
    out: Watch,
    workers: Workers,
    height: int,
    blocks_of: Callable[[Entry], Callable[[slice], Array]],
    *,
    keys: bool = True,
) -> None:
    """Compute the steps of a plan, `height` query rows of an entry at a time.

    `blocks_of` maps an entry to a function that computes rows of it. That function puts the steps
    from scores to contexts itself, and returns the context. `keys`: whether entries have K and V.
    """
    work = list(_work(plan))
    unread_after, any_of_rows = _last_reads(problem, work), plan.any_of_rows
    with np.errstate(all="ignore"):  # `Watch` reports overflow by the name of the step
        whole = WholeSteps(problem, plan.pipeline)
        for name, step in plan.steps.items():
            if step.spec.scope == PROBLEM:
                out.note(name, (), whole[name])
        schedules = Schedules.of(plan.pipeline, plan.needed)
        schedules = schedules if keys else schedules.without_keys
        builder = EntryBuilder(problem, schedules, plan.computed, out.note, plan.key_bytes)
        following = Following(problem, plan, out, whole)
        if any_of_rows:
            workers.expect(sum(len(i.leads) * -(-_length(i.rows) // height) for i in work))
        for at, (group, leads, part) in enumerate(work):
            rows = part_of(plan.computed, part)
            entries = [builder.entry(lead, rows) for lead in leads]
            if any_of_rows:
                if part.start == 0:
                    following.begin()
                computing = [blocks_of(entry) for entry in entries]
                for block in blocks(slice(0, _length(part)), height):
                    contexts = [
                        following.of_head(entry, compute(block), block)
                        for entry, compute in zip(entries, computing, strict=True)
                    ]
                    following.add(group, part_of(rows, block), contexts)
                if part.stop == len(plan.computed):
                    following.end(group)
            builder.drop(unread_after.get(at, ()))
        for lead in plan.unread:
            builder.unread(lead)


class _Work(NamedTuple):
    """A part of the queries of the entries that make one output."""

    group: Lead
    leads: tuple[Lead, ...]
    rows: slice


def _work(plan: Plan) -> Iterator[_Work]:
    """Yield the units of work in order: part by part of each group, or of a batch entry."""
    parts = list(blocks(slice(0, len(plan.computed)), plan.part)) or [slice(0, 0)]
    if not plan.together:
        yield from (_Work(*item, part) for item in plan.groups.items() for part in parts)
        return
    for _, of_heads in groupby(plan.groups.items(), key=lambda item: item[0][:-1]):
        heads = list(of_heads)
        yield from (_Work(*item, part) for part in parts for item in heads)


def _last_reads(problem: Problem, work: list[_Work]) -> dict[int, list[Lead]]:
    """Return the number of a unit of work -> the key heads that nothing after it reads."""
    last = {problem.key_lead(lead): at for at, item in enumerate(work) for lead in item.leads}
    found: dict[int, list[Lead]] = {}
    for key_lead, at in last.items():
        found.setdefault(at, []).append(key_lead)
    return found


def _length(rows: slice) -> int:
    return int(rows.stop - rows.start)


def blocks(rows: slice, height: int) -> Iterator[slice]:
    """Yield the rows in blocks of that height."""
    return (slice(a, min(a + height, rows.stop)) for a in range(rows.start, rows.stop, height))
