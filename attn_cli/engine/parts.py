"""One step in parts: a record for each block of query rows, for what is too large to be held.

Each part is a complete record of its rows. Put one behind the other, in the order in which they
come, they are the step in row-major order.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import Any

from attn_cli.dataclass import replace
from attn_cli.engine.order import order_of
from attn_cli.engine.plan import (
    UNLIMITED,
    Plan,
    StepPlan,
    make_plan,
)
from attn_cli.engine.run import run
from attn_cli.engine.threads import Tell
from attn_cli.maths.problem import Problem, Request
from attn_cli.memory import half_of_the_machine
from attn_cli.record import Record, Whole

PART_BYTES = Request.part_bytes


def in_parts(
    problem: Problem, request: Request, tell: Tell | None = None
) -> tuple[Whole, Iterator[Record]] | None:
    """Return what a request adds up to, and its record in parts; None where it has no parts.

    It has where it is for one step with a row a query, in layout rows. `tell` hears how much is
    done.
    """
    plan = make_plan(problem, replace(request, memory=UNLIMITED))
    if problem.layout != "rows" or len(plan.steps) != 1:
        return None
    (step,) = plan.steps.values()
    if "query" not in step.axes:
        return None
    return _whole(problem, step), _parts(problem, request, plan, step, tell)


def _whole(problem: Problem, step: StepPlan) -> Whole:
    """Return what the parts add up to, its axes in the order that the problem's own have."""
    order = order_of(problem, step.spec, step.axes)
    return Whole(
        step.name,
        tuple(step.axes[axis] for axis in order),
        tuple(step.labels[axis] for axis in order),
        tuple(step.shape[axis] for axis in order),
    )


def _parts(
    problem: Problem, request: Request, plan: Plan, step: StepPlan, tell: Tell | None
) -> Iterator[Record]:
    memory = half_of_the_machine() if request.memory is None else request.memory
    apart = step.free  # the axes that each part has one entry of
    row = step.shape[-1] * problem.dtype.itemsize
    if order_of(problem, step.spec, step.axes) != tuple(range(len(step.axes))):
        head = step.axes.index("head")
        apart = tuple(axis for axis in step.free if axis != step.free[head])
        row *= step.shape[head]
    height = max(1, min(PART_BYTES, memory // 4) // row)
    axes = [problem.lead_axes[axis] for axis in apart]
    leads = product(*(range(problem.lead[axis]) for axis in apart))
    parts = list(product(leads, range(0, len(plan.rows), height)))
    for at, (lead, start) in enumerate(parts):
        entry: dict[str, Any] = dict(zip(axes, lead, strict=True))
        rows = tuple(int(position) for position in plan.rows[start : start + height])
        told = None if tell is None else partial(_tell_of_all, tell, at, len(parts))
        yield run(problem, replace(request, rows=rows, **entry), tell=told)


def _tell_of_all(tell: Tell, part: int, parts: int, done: int, total: int) -> None:
    """Tell how much of all parts is done, each with as many tiles as this one."""
    tell(part * total + done, parts * total)
