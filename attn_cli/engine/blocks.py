"""The way through a plan that engines share: each entry, block of query rows by block.

inputs -> q, k, v of an entry -> its blocks, which are the engine's own -> what follows the contexts
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from attn_cli.arrays import Array
from attn_cli.engine.entry import Preparation
from attn_cli.engine.following import Following
from attn_cli.engine.plan import Plan
from attn_cli.engine.threads import Workers
from attn_cli.engine.watch import Watch
from attn_cli.engine.whole import WholeSteps
from attn_cli.maths.block import Entry
from attn_cli.maths.problem import Problem
from attn_cli.maths.stage import PROBLEM

ARRAYS_PER_BLOCK = 6  # that are alive at once


def run_blocks(
    problem: Problem,
    plan: Plan,
    out: Watch,
    workers: Workers,
    height: int,
    blocks_of: Callable[[Entry], Callable[[slice], Array]],
) -> None:
    """Compute the steps of a plan, `height` query rows of an entry at a time.

    `blocks_of` gets an entry and returns a function that computes rows of it: that puts the steps
    from scores to contexts itself, and returns the last of them.
    """
    rows = plan.computed
    with np.errstate(all="ignore"):  # what overflows is reported by name instead
        whole = WholeSteps(problem, plan.pipeline)
        for name, step in plan.steps.items():
            if step.spec.scope == PROBLEM:
                out.note(name, (), whole[name])
        prepare = Preparation(problem, plan.pipeline, plan.needed, rows, out.note)
        following = Following(problem, plan, out, whole)
        if plan.any_of_rows:
            workers.expect(sum(map(len, plan.groups.values())) * -(-len(rows) // height))
        for group, leads in plan.groups.items():
            entries = [prepare.entry(lead) for lead in leads]
            if not plan.any_of_rows:
                continue
            computing = [blocks_of(entry) for entry in entries]
            following.begin()
            for block in blocks(slice(0, len(rows)), height):
                contexts = [
                    following.of_head(entry, compute(block), block)
                    for entry, compute in zip(entries, computing, strict=True)
                ]
                following.add(group, rows[block], contexts)
            following.end(group)
        for lead in plan.unread:
            prepare.unread(lead)


def blocks(rows: slice, height: int) -> Iterator[slice]:
    """Yield the rows in blocks of that height."""
    return (slice(a, min(a + height, rows.stop)) for a in range(rows.start, rows.stop, height))
