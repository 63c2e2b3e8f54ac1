"""What a notebook shows of a record: the weights of some heads, small enough for a cell.

A table up to `TOKENS` tokens and `CELLS` cells, else pictures of fewer cells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isqrt, prod

import numpy as np

from attn_cli.arrays import AnyArray
from attn_cli.dataclass import dataclass, replace
from attn_cli.lab.drawing import LEADING, draw, drawable
from attn_cli.lab.heat_map import HeatMap
from attn_cli.lab.result_drawing import of_record
from attn_cli.maths.stage import CODE, OF_PAIRS, SCORE
from attn_cli.record import Record, Step

MAIN, CODES = "weights", "visible"
HEADS = 4  # that are shown
TOKENS, CELLS = 40, 2400  # of a side of a table, and of all tables
NOTHING: Mapping[str, tuple[int, int]] = {}


@dataclass(frozen=True, kw_only=True)
class Size:
    """How large a preview is."""

    pixels: int = 0  # of all pictures together, at most; 0: tables
    reasons: bool = False  # whether each hidden cell of a table says why


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What is shown of a record."""

    record: Record
    step: str = ""  # that is drawn; empty: none
    heat: HeatMap | None = None  # of some heads of one batch entry
    table: bool = False
    reasons: bool = False
    shown: Mapping[str, tuple[int, int]] = NOTHING  # axis -> how many are shown, how many there are


TABLES = (Size(reasons=True), Size())
# Of pictures of noise, of which a pixel has 0.7 bytes, the third is small enough.
PICTURES = tuple(Size(pixels=pixels) for pixels in (400_000, 200_000, 100_000, 70_000, 20_000))


def previews(record: Record) -> Iterator[Preview]:
    """Yield what is shown, from the largest size to the smallest, which has no heat map."""
    step = _drawn(record)
    if step is not None:
        part, shown = _some(step, HEADS)
        sides = [n for n, axis in zip(part.shape, part.axes, strict=True) if axis not in LEADING]
        few = max(sides) <= TOKENS and part.values.size <= CELLS
        part = marked(record, step, part)
        drawing = of_record(replace(record, steps={part.name: part}), part.name)
        tables = TABLES if few else ()
        for size in (*tables, *PICTURES):
            side = isqrt(size.pixels * prod(sides) // part.values.size)
            yield Preview(
                record=record,
                step=step.name,
                heat=draw(drawing, (side, side) if size.pixels else None, exact=True),
                table=not size.pixels,
                reasons=size.reasons,
                shown=shown,
            )
    yield Preview(record=record)


def _drawn(record: Record) -> Step | None:
    """Return the step that is drawn: the weights, or the last that is a matrix; None for none."""
    able = {
        name: step
        for name, step in record.steps.items()
        if drawable(step.axes) and step.values.size and step.whole and not step.blank
    }
    of_values = [step for step in able.values() if step.role != CODE]
    return able.get(MAIN) or next(reversed(of_values or [*able.values()]), None)


def _some(step: Step, heads: int) -> tuple[Step, dict[str, tuple[int, int]]]:
    """Return the first heads of the first batch entry, and how many there are of both."""
    kept: list[slice] = []
    shown: dict[str, tuple[int, int]] = {}
    for axis, size in zip(step.axes, step.values.shape, strict=True):
        most = size if axis not in LEADING else 1 if axis == "batch" else min(size, heads)
        kept.append(slice(0, most))
        if axis in LEADING and size > 1:
            shown[axis] = (most, size)
    part, at = step.values[tuple(kept)], tuple(kept)
    hidden = None if step.hidden is None else step.hidden[at]
    return replace(step, values=part, hidden=hidden, shape=part.shape, peaks=None), shown


def marked(record: Record, step: Step, part: Step) -> Step:
    """Return the part of a step with the reasons why its cells are hidden, if any are.

    It begins where the step does, along every axis.
    """
    if part.hidden is not None or not {*OF_PAIRS} <= {*part.axes} or part.role == CODE:
        return part
    hides = part.values == (-np.inf if part.role == SCORE else 0)
    if not hides.any():
        return part
    visible = record.steps.get(CODES)
    if visible is not None and visible.axes == step.axes and visible.shape == step.shape:
        codes: AnyArray = visible.values[tuple(slice(0, size) for size in part.shape)]
        legend = visible.legend
    elif record.origin is not None:
        found = _computed(record, part)
        if found is None:
            return part
        codes, legend = found
    else:
        return part
    return replace(part, hidden=np.where(hides, codes, 0).astype(np.uint8), legend=legend)


def _computed(record: Record, part: Step) -> tuple[AnyArray, tuple[str, ...]] | None:
    """Return the reasons and what they are called, of a record that was computed without them."""
    codes = np.zeros(part.shape, np.uint8)
    leading = [at for at, axis in enumerate(part.axes) if axis in LEADING]
    legend: tuple[str, ...] = ()
    for place in np.ndindex(*(part.shape[at] for at in leading)):
        lead = {part.axes[at]: index for at, index in zip(leading, place, strict=True)}
        visible: Step | None = record.origin.codes(lead)
        if visible is None:
            return None
        index = tuple(lead.get(axis, slice(None)) for axis in part.axes)
        codes[index] = visible.values
        legend = visible.legend
    return codes, legend
