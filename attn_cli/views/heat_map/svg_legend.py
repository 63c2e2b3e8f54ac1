"""The legend below a heat map: the ramp with its numbers, the patterns, what there is to say."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from attn_cli.views.colour import hex_of, ramp
from attn_cli.views.heat_map import legend
from attn_cli.views.heat_map.svg_cells import GREY, HIDDEN, NAN
from attn_cli.views.pictures import svg
from attn_cli.views.pictures.labels import width

if TYPE_CHECKING:
    from attn_cli.lab.heat_map import HeatMap

BOX = 5  # pixels of a box of the ramp, at least
HIGH = 10  # of any box
LINE = 16  # from line to line
PAD = 6
BETWEEN = 8  # between two numbers


class Legend(NamedTuple):
    """Its elements, and where it ends."""

    elements: list[str]
    right: float
    bottom: float


def drawn_legend(heat: HeatMap, x: float, y: float, *, rectangles: bool) -> Legend:
    """Return the legend whose left upper corner is (x, y)."""
    ticks = legend.ticks(heat)
    colours = ramp(diverging=heat.diverging, light=True).colours
    box = _box(ticks, len(colours))
    whole = box * len(colours)
    elements = [
        svg.element("rect", x=x + at * box, y=y, width=box, height=HIGH, fill=hex_of(colour))
        for at, colour in enumerate(colours)
    ]
    elements.append(svg.frame(x, y, whole, HIGH))
    y += HIGH + svg.SIZE
    last = len(ticks) - 1
    for at, tick in enumerate(ticks):
        anchor = "start" if at == 0 else "end" if at == last else "middle"
        elements.append(svg.text(tick, x + whole * at / last, y, text_anchor=anchor))
    right = x + whole
    for fill, text in (
        *_boxes(heat, rectangles=rectangles),
        *(("", n) for n in legend.notes(heat)),
    ):
        y += LINE
        begin = x
        if fill:
            place: dict[str, svg.Value] = {"x": x, "y": y - HIGH + 1, "width": HIGH, "height": HIGH}
            elements.append(svg.element("rect", **place, fill=fill, stroke=GREY, stroke_width=0.5))
            begin += HIGH + PAD
        elements.append(svg.text(text, begin, y, fill=svg.PALE_INK))
        right = max(right, begin + width(text, svg.SIZE))
    return Legend(elements, right, y + 0.3 * svg.SIZE)


def _box(ticks: list[str], count: int) -> int:
    """Return how wide a box of the ramp is, so that the numbers below stay apart."""
    longest = max(width(tick, svg.SIZE) for tick in ticks)
    gaps = len(ticks) - 1
    # The first and the last are within the ramp, the others centred below their places.
    needed = 2 * longest + BETWEEN if gaps == 1 else gaps * (1.5 * longest + BETWEEN)
    return max(BOX, ceil(needed / count))


def _boxes(heat: HeatMap, *, rectangles: bool) -> Iterator[tuple[str, str]]:
    """Yield fill and meaning of the cells that have no colour of the ramp."""
    if heat.reasons:
        yield f"url(#{HIDDEN})", legend.hidden_by(heat)
    if any(np.isnan(panel.values[panel.hidden == 0]).any() for panel in heat.panels):
        yield f"url(#{NAN})" if rectangles else GREY, "nan"
