"""The order of a step's axes: as it is computed, and as the problem's own matrices have it.

computed          (batch, head, query, dimension)
layout: columns   (batch, head, dimension, query)     every step of two axes and more
axes: bshd        (batch, query, head, dimension)     the context and later steps
"""

from __future__ import annotations

from attn_cli.engine.step_plan import StepPlan
from attn_cli.maths.problem import Problem
from attn_cli.maths.stage import JOINED, StepSpec
from attn_cli.record import Whole


def order_of(problem: Problem, spec: StepSpec, axes: tuple[str, ...]) -> tuple[int, ...]:
    """Return which of the computed axes, by number, is each axis in the problem's own order."""
    order = list(range(len(axes)))
    if problem.layout == "columns" and len(spec.axes) > 1:
        order[-2:] = reversed(order[-2:])
    elif problem.heads_last and spec.scope == JOINED and "head" in axes:
        order[-3:-1] = reversed(order[-3:-1])
    return tuple(order)


def whole_of(problem: Problem, step: StepPlan) -> Whole:
    """Return a planned step without its values, its axes in the problem's own order."""
    order = order_of(problem, step.spec, step.axes)
    return Whole(
        name=step.name,
        axes=tuple(step.axes[axis] for axis in order),
        labels=tuple(step.labels[axis] for axis in order),
        shape=tuple(step.shape[axis] for axis in order),
        dtype=step.dtype,
    )


def in_order(problem: Problem, spec: StepSpec, place: list[int]) -> list[int]:
    """Return the place of a value, of all batch entries and heads, in the problem's own order."""
    lead = len(place) - len(spec.axes)
    axes = (*problem.lead_axes[:lead], *spec.axes)
    return [place[axis] for axis in order_of(problem, spec, axes)]
