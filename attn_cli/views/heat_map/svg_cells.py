"""The cells of a panel: rectangles with titles, numbers and dots, or one picture of small cells."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from attn_cli.views import Style
from attn_cli.views.cells import cells as as_texts
from attn_cli.views.colour import LEVELS, RGB, hex_of, levels, ramp, text_on
from attn_cli.views.heat_map.svg_grid import Grid
from attn_cli.views.pictures import svg
from attn_cli.views.pictures.labels import names
from attn_cli.views.pictures.palette import palette_png

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from attn_cli.lab.heat_map import Axis, HeatMap, Panel

HIDDEN, NAN = "attn-hidden", "attn-nan"  # the ids of the patterns
# Lines of a tile of 6 x 6 pixels that goes on in its neighbours. A turned pattern is as short, but
# resvg needs five times as long for it.
RISING, FALLING = "M-1 1L1 -1M0 6L6 0M5 7L7 5", "M-1 5L1 7M0 0L6 6M5 -1L7 1"
GREY = "#aaa"
# Of text on a pattern: letters have a white rim.
HALO = {"fill": svg.INK, "stroke": svg.GROUND, "stroke_width": "3", "paint_order": "stroke"}
NAN_RGB: RGB = (170, 170, 170)  # of a pixel of a picture: it has no room for a pattern
CLEAR, UNKNOWN = LEVELS + 1, LEVELS + 2  # indices of a picture behind those of the ramp


def patterns() -> str:
    """Return the patterns of cells without a number: lines if hidden, crossed ones if NaN."""
    return svg.element(
        "defs",
        *(
            svg.element(
                "pattern",
                svg.element("path", d=lines, stroke=GREY, stroke_width=0.8),
                id=name,
                width=6,
                height=6,
                patternUnits="userSpaceOnUse",
            )
            for name, lines in ((HIDDEN, RISING), (NAN, RISING + FALLING))
        ),
    )


def cells(heat: HeatMap, at: int, grid: Grid, style: Style) -> Iterator[str]:
    """Yield the cells of panel number `at`."""
    panel = heat.panels[at]
    shades = heat.shades(panel)
    level = levels((shades + 1) / 2 if heat.diverging else shades)
    colours = ramp(diverging=heat.diverging, light=True).colours
    if not grid.rectangles:
        yield from _picture(panel, level, colours, grid)
        return
    yield from _rectangles(heat, panel, level, colours, grid, style)
    inks = [hex_of(text_on(colours[of])) for of in level.ravel().tolist()]
    if grid.texts is not None:
        yield svg.group(_numbers(grid, at, panel, inks), text_anchor="middle")
    dots = list(_dots(panel, grid, inks))
    if dots:
        yield svg.group(dots)


def _rectangles(
    heat: HeatMap,
    panel: Panel,
    level: NDArray[np.intp],
    colours: tuple[RGB, ...],
    grid: Grid,
    style: Style,
) -> Iterator[str]:
    """Yield a rectangle for each cell, row by row."""
    fills = [hex_of(colour) for colour in colours]
    rows, columns = _names(heat.queries), _names(heat.keys)
    joint = " \u2192 " if heat.keys.name == "key" and heat.pool is None else ", "
    numbers = as_texts(panel.values, style.decimals)
    codes, unknown = panel.hidden.tolist(), np.isnan(panel.values).tolist()
    for row, name in enumerate(rows):
        for column, other in enumerate(columns):
            code, fill = codes[row][column], fills[level[row, column]]
            said = numbers[row][column]
            if code:
                fill, said = f"url(#{HIDDEN})", f"hidden ({heat.legend[code]})"
            elif unknown[row][column]:
                fill = f"url(#{NAN})"
            x, y = grid.corner(row, column)
            yield svg.element(
                "rect",
                svg.title(f"{name}{joint}{other}: {said}"),
                x=x,
                y=y,
                width=grid.wide - grid.gap,
                height=grid.high - grid.gap,
                fill=fill,
            )


def _names(axis: Axis) -> list[str]:
    """Return what titles call the cells of an axis: by token, or by the positions of a block."""
    if axis.block == 1 and axis.name in {"query", "key", "token"}:
        return names(axis.labels, axis.starts)
    if axis.block == 1:
        return [f"{axis.name} {label}" for label in names(axis.labels, axis.starts)]
    last = axis.starts[0] + axis.count - 1
    return [f"{axis.name} {start} to {min(start + axis.block - 1, last)}" for start in axis.starts]


def _numbers(grid: Grid, at: int, panel: Panel, inks: list[str]) -> Iterator[str]:
    assert grid.texts is not None
    unknown = np.isnan(panel.values)
    for row, texts in enumerate(grid.texts[at]):
        for column, text in enumerate(texts):
            if text:
                x, y = grid.corner(row, column)
                look = {"fill": inks[row * grid.columns + column]}
                if unknown[row, column]:
                    look = HALO
                middle = y + (grid.high - grid.gap) / 2 + 0.35 * svg.SIZE
                yield svg.text(text, x + (grid.wide - grid.gap) / 2, middle, **look)


def _dots(panel: Panel, grid: Grid, inks: list[str]) -> Iterator[str]:
    """Yield a dot in the upper right corner of the largest of each row."""
    radius = max(1.0, min(grid.wide, grid.high) / 14)
    for row, column in np.argwhere(panel.largest).tolist():
        x, y = grid.corner(row, column)
        yield svg.element(
            "circle",
            cx=x + grid.wide - grid.gap - 1.8 * radius,
            cy=y + 1.8 * radius,
            r=radius,
            fill=inks[row * grid.columns + column],
        )


def _picture(
    panel: Panel, level: NDArray[np.intp], colours: tuple[RGB, ...], grid: Grid
) -> Iterator[str]:
    """Yield one picture of all cells; the pattern is seen through hidden ones."""
    indices = level.astype(np.uint8)
    indices[np.isnan(panel.values)] = UNKNOWN
    indices[panel.hidden != 0] = CLEAR
    place: dict[str, svg.Value] = {
        "x": grid.left,
        "y": grid.top,
        "width": grid.columns * grid.wide,
        "height": grid.rows * grid.high,
    }
    if (panel.hidden != 0).any():
        yield svg.element("rect", **place, fill=f"url(#{HIDDEN})")
    # As many pixels as on the drawing: programs that smooth what they enlarge blur no cell.
    indices = indices.repeat(grid.high, axis=0).repeat(grid.wide, axis=1)
    written = palette_png(indices, (*colours, (255, 255, 255), NAN_RGB), CLEAR)
    yield svg.element(
        "image",
        **place,
        preserveAspectRatio="none",
        style="image-rendering:pixelated",
        href=f"data:image/png;base64,{b64encode(written).decode()}",
    )
