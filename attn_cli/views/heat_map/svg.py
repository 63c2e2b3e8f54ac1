"""A heat map as SVG: queries down, keys across, all panels on one scale, and a legend below.

Up to 4096 cells are rectangles, each with a title that says what it is. More are one picture for
each panel, in which a cell is a block of tokens if there are more than the picture has room for.
The ground is white, as paper is.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import TYPE_CHECKING

from attn_cli.errors import AttnError, either
from attn_cli.views import Style
from attn_cli.views.heat_map import legend
from attn_cli.views.heat_map.svg_cells import cells, patterns
from attn_cli.views.heat_map.svg_grid import MOST_RECTANGLES, PAD, Grid, grid_of, side_of, step_of
from attn_cli.views.heat_map.svg_legend import drawn_legend
from attn_cli.views.pictures import svg
from attn_cli.views.pictures.labels import token
from attn_cli.views.pictures.panels import MARGIN, placed

if TYPE_CHECKING:
    from attn_cli.lab.drawing import Outline
    from attn_cli.lab.heat_map import HeatMap

MOST_PANELS = 256
LEGEND = 20  # pixels between panels and legend
MIDDLE = 0.35  # of a line of text: from its baseline to the middle of its letters


def fit(outline: Outline, style: Style) -> tuple[int, int]:
    """Return how many rows and columns of cells there is room for, in each panel.

    Raises AttnError for more panels than a picture has room for, or numbers in too many cells.
    """
    panels = len(outline.leads)
    if panels > MOST_PANELS:
        raise AttnError(
            f"a picture has room for {MOST_PANELS} heads, and there are {panels} in all batch "
            "entries",
            help=either(
                "choose some with --head 0,3 and one batch entry with --batch N",
                "choose some with heads=[0, 3] and one batch entry with batch=N",
            ),
        )
    side = side_of(panels)
    if style.numbers and (outline.size > MOST_RECTANGLES or max(outline.shape) > side):
        raise AttnError(
            f"numbers are written into up to {MOST_RECTANGLES} cells, and there are {outline.size}",
            help=either(
                "leave out --numbers, or choose less with --head and --rows",
                "leave out numbers, or choose less with heads",
            ),
        )
    return side, side


def render(heat: HeatMap, style: Style) -> str:
    """Return the drawing."""
    grid = grid_of(heat, style)
    panels = placed(len(heat.panels), grid.width, grid.height)
    body = [
        svg.group(
            [*_labels(heat, at, grid), *cells(heat, at, grid, style), svg.frame(*grid.area)],
            transform=f"translate({svg.number(x)} {svg.number(y)})",
        )
        for at, (x, y) in enumerate(panels.corners)
    ]
    below = drawn_legend(
        heat, MARGIN + grid.left, panels.height - MARGIN + LEGEND, rectangles=grid.rectangles
    )
    body.append(svg.group(below.elements))
    return svg.document(
        ceil(max(panels.width, below.right + MARGIN)),
        ceil(below.bottom + MARGIN),
        name=f"{heat.step}: {_plural(heat.queries.name)} down, {_plural(heat.keys.name)} across",
        description=_description(heat),
        body=[patterns(), *body],
    )


def _labels(heat: HeatMap, at: int, grid: Grid) -> Iterator[str]:
    """Yield the title of a panel, and the labels of rows and columns that have room for them."""
    title = heat.panels[at].title
    if title:
        yield svg.text(title, grid.left, svg.SIZE, font_weight="bold")
    half = MIDDLE * svg.SIZE
    rows = [
        token(label, grid.left - PAD, grid.corner(row, 0)[1] + (grid.high - grid.gap) / 2 + half)
        for row, label in _thinned(heat.queries.labels, grid.high)
    ]
    yield svg.group(rows, text_anchor="end")
    columns = []
    for column, label in _thinned(heat.keys.labels, grid.wide):
        x, y = grid.corner(0, column)[0] + (grid.wide - grid.gap) / 2, grid.top - PAD
        if grid.turned:
            place = f"translate({svg.number(x + half)} {svg.number(y)}) rotate(-90)"
            columns.append(token(label, 0, 0, transform=place))
        else:
            columns.append(token(label, x, y, text_anchor="middle"))
    yield svg.group(columns)


def _thinned(labels: tuple[str, ...], size: int) -> Iterator[tuple[int, str]]:
    """Yield every so many-th label with its place, so that no two are on top of each other."""
    for at in range(0, len(labels), step_of(size)):
        yield at, labels[at]


def _plural(name: str) -> str:
    return "queries" if name == "query" else f"{name}s"


def _description(heat: HeatMap) -> str:
    """Return what the picture shows, in words: formula, sizes, range, what the legend says."""
    rows, columns = heat.queries, heat.keys
    sizes = f"{rows.count} {_plural(rows.name)} x {columns.count} {_plural(columns.name)}"
    parts = [legend.title(heat), sizes]
    first = heat.panels[0].title
    parts += [f"{len(heat.panels)} panels"] if len(heat.panels) > 1 else [first] if first else []
    parts.append(f"from {legend.number(heat.low)} to {legend.number(heat.high)}")
    parts += [legend.hidden_by(heat)] if heat.reasons else []
    return "; ".join([*parts, *legend.notes(heat)])
