"""One step of both sides as heat maps, on one scale, and their difference on a diverging one."""

from __future__ import annotations

import numpy as np

from attn_cli.arrays import AnyArray, Integers
from attn_cli.dataclass import replace
from attn_cli.lab.differing.result import Panels, StepDifference
from attn_cli.lab.differing.sides import Shape
from attn_cli.lab.drawing import LEADING, drawable
from attn_cli.lab.heat_map import HeatMap
from attn_cli.lab.result_drawing import of_result
from attn_cli.maths.stage import VECTOR
from attn_cli.reading.results import Result
from attn_cli.record import Numbered

MOST_CELLS = 1 << 20  # that are drawn; above it the head with the worst cell alone
FIT = (32, 32)  # rows and columns of cells of a panel


def panels(
    step: StepDifference, shape: Shape, rows: Integers, here: AnyArray, there: AnyArray, role: str
) -> Panels | None:
    """Return the panels of a step from its values on both sides; None if it is not a matrix."""
    if not drawable(shape.axes):
        return None
    place = {} if step.worst is None else dict(step.worst.place)
    lead_axes = [axis for axis in shape.axes if axis in LEADING]
    sizes = shape.sizes[: len(lead_axes)]
    chosen = tuple(place.get(axis, 0) for axis in lead_axes)
    axes = shape.axes
    number = int(np.ravel_multi_index(chosen, sizes)) if chosen else 0
    if here.size > MOST_CELLS and chosen:
        here, there = here[chosen], there[chosen]
        axes, number = shape.axes[len(lead_axes) :], 0
    with np.errstate(invalid="ignore"):
        apart = np.where(here == there, 0, there - here)
    made = [
        _map(name, axes, rows, values, signs)
        for name, values, signs in (
            (step.step, here, role),
            (step.step, there, role),
            (f"{step.step}: there - here", apart, VECTOR),
        )
    ]
    one, other, third = made
    return Panels(
        step=step.step,
        here=like(one, other),
        there=like(other, one),
        apart=third,
        chosen=number,
    )


def like(one: HeatMap, other: HeatMap) -> HeatMap:
    """Return a map on the scale of both."""
    diverging = one.diverging or other.diverging
    high = max(one.high, other.high)
    low = -high if diverging else min(one.low, other.low)
    if one.scale != other.scale:
        return replace(one, scale="linear", low=-high if diverging else 0.0, high=high)
    return replace(one, low=low, high=high, diverging=diverging)


def _map(step: str, axes: tuple[str, ...], rows: Integers, values: AnyArray, role: str) -> HeatMap:
    from attn_cli.lab.drawing import draw

    labels = tuple(
        Numbered(tuple(map(int, rows))) if axis == "query" else Numbered(range(size))
        for axis, size in zip(axes, values.shape, strict=True)
    )
    result = Result(
        file=step,
        step=step,
        formula=step,
        role=role,
        axes=axes,
        labels=labels,
        values=values,
        cross=True,
        settings={},
        checked=True,
    )
    return draw(of_result(result), FIT, pool="max")
