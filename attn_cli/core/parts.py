"""One step in parts: a record for each block of query rows, for what is too large to be held.

Each part is a complete record of its rows. Put one behind the other, in the order in which they
come, they are the step in row-major order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

from attn_cli.core.axes import AFTER
from attn_cli.core.plan import Plan, StepPlan, half_of_the_machine, make_plan
from attn_cli.core.problem import Problem, Request
from attn_cli.core.run import run
from attn_cli.record import Record, Whole

PART_BYTES = 256 << 20  # the most that one part holds
UNLIMITED = 1 << 62


def in_parts(problem: Problem, request: Request) -> tuple[Whole, Iterator[Record]] | None:
    """Return what a request adds up to, and its record in parts; None where it has no parts.

    It has where it is for one step with a row a query, in layout rows.
    """
    plan = make_plan(problem, replace(request, memory=UNLIMITED))
    if problem.layout != "rows" or len(plan.steps) != 1:
        return None
    (step,) = plan.steps.values()
    if "query" not in step.axes:
        return None
    order = list(range(len(step.axes)))
    if _behind(problem, step):
        order[-3:-1] = reversed(order[-3:-1])
    whole = Whole(
        step.name,
        tuple(step.axes[at] for at in order),
        tuple(step.labels[at] for at in order),
        tuple(step.shape[at] for at in order),
    )
    return whole, _parts(problem, request, plan, step)


def _behind(problem: Problem, step: StepPlan) -> bool:
    """Whether the heads of a step stand behind its rows, so that a part has all of them."""
    return problem.heads_last and step.name in AFTER and "head" in step.axes


def _parts(problem: Problem, request: Request, plan: Plan, step: StepPlan) -> Iterator[Record]:
    memory = half_of_the_machine() if request.memory is None else request.memory
    row = step.shape[-1] * problem.dtype.itemsize
    free = step.free
    if _behind(problem, step):
        row, free = row * (problem.heads or 1), free[:-1]
    height = max(1, min(PART_BYTES, memory // 4) // row)
    axes = [problem.lead_axes[axis] for axis in free]
    for lead in product(*(range(problem.lead[axis]) for axis in free)):
        entry: dict[str, Any] = dict(zip(axes, lead, strict=True))
        for start in range(0, len(plan.rows), height):
            rows = tuple(int(position) for position in plan.rows[start : start + height])
            yield run(problem, replace(request, rows=rows, **entry))
