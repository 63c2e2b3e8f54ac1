"""One step in parts: a record for each block of query rows, for what is too large to be held.

Each part is a whole record of its rows. Put one behind the other, in the order in which they come,
they are the step in row-major order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod

from attn_cli.core.plan import half_of_the_machine, make_plan
from attn_cli.core.problem import Problem, Request
from attn_cli.core.run import run
from attn_cli.record import Record, Whole

PART_BYTES = 256 << 20  # the most that one part holds
UNLIMITED = 1 << 62


def can_be_parted(problem: Problem, request: Request) -> bool:
    """Return whether the request is for one step with a row a query."""
    plan = make_plan(problem, replace(request, memory=UNLIMITED))
    return (
        problem.layout == "rows"
        and len(plan.steps) == 1
        and all("query" in step.axes for step in plan.steps.values())
    )


def whole_of(problem: Problem, request: Request) -> Whole:
    """Return what the parts of a request add up to."""
    (step,) = make_plan(problem, replace(request, memory=UNLIMITED)).steps.values()
    return Whole(step.name, step.axes, step.labels, step.shape)


def in_parts(problem: Problem, request: Request) -> Iterator[Record]:
    """Yield the record of a request in parts; see `can_be_parted`."""
    plan = make_plan(problem, replace(request, memory=UNLIMITED))
    (step,) = plan.steps.values()
    memory = half_of_the_machine() if request.memory is None else request.memory
    row = prod(step.shape[-1:]) * problem.dtype.itemsize
    height = max(1, min(PART_BYTES, memory // 4) // row)
    rows = [int(position) for position in plan.rows]
    for lead in plan.leads:
        batch, head = (*lead, None, None)[:2]
        for start in range(0, len(rows), height):
            part = tuple(rows[start : start + height])
            yield run(problem, replace(request, rows=part, batch=batch, head=head))
