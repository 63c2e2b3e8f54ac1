"""Where the cells of a heat map lie in a picture, and how large they are."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, isqrt
from typing import TYPE_CHECKING

from attn_cli.dataclass import dataclass
from attn_cli.views import Style
from attn_cli.views.cells import cells as as_texts
from attn_cli.views.pictures import svg
from attn_cli.views.pictures.labels import shortened, width
from attn_cli.views.pictures.panels import ACROSS

if TYPE_CHECKING:
    from attn_cli.lab.heat_map import Axis, HeatMap, Panel

MOST_RECTANGLES = 4096  # in all panels together
NUMBERED = 12  # keys: with more, numbers are noise
DECIMALS = 2  # of numbers in cells
LEAST_SIDE, MOST_SIDE = 128, 1024  # pixels, and so cells, of a panel that is a picture
SIZES = ((12, 34), (24, 22), (48, 13))  # up to so many cells have so many pixels each
SMALL = 8  # pixels of a cell if there are more
LINE = 12  # pixels between two labels, at least
WIDEST = 72  # pixels of a cell with a number, at most
TITLE = 18  # pixels of a panel's title
BESIDE = 60  # pixels beside a panel, for labels
PAD = 6  # pixels between labels and cells


@dataclass(frozen=True, kw_only=True)
class Grid:
    """One panel in pixels: labels on the left and above, rows x columns of cells."""

    rows: int
    columns: int
    wide: int  # of a cell
    high: int
    gap: int  # between two cells
    left: float  # room of the labels of rows
    top: float  # room of the labels of columns, and of the title
    width: float  # of the panel
    turned: bool  # whether the labels of columns are read upwards
    rectangles: bool
    texts: Sequence[Sequence[Sequence[str]]] | None  # of the cells of each panel, if they have any

    @property
    def height(self) -> float:
        """The height of the panel."""
        return self.top + self.rows * self.high

    @property
    def area(self) -> tuple[float, float, float, float]:
        """Left, top, width and height of the cells together."""
        wide, high = self.columns * self.wide - self.gap, self.rows * self.high - self.gap
        return self.left, self.top, wide, high

    def corner(self, row: int, column: int) -> tuple[float, float]:
        """Return the left upper corner of a cell."""
        return self.left + column * self.wide, self.top + row * self.high


def side_of(panels: int) -> int:
    """Return how many pixels a panel has across if its cells are small: fewer if there are many."""
    across = isqrt(max(panels, 1) - 1) + 1  # the panels of a square that holds all
    return max(LEAST_SIDE, min(MOST_SIDE, ACROSS // across - BESIDE))


def grid_of(heat: HeatMap, style: Style) -> Grid:
    """Return the grid that all panels of a heat map have."""
    rows, columns = len(heat.queries.starts), len(heat.keys.starts)
    rectangles = rows * columns * len(heat.panels) <= MOST_RECTANGLES
    texts = _texts(heat, style) if rectangles and _numbered(heat, style) else None
    wide, high = _cell(rows, columns, side_of(len(heat.panels)))
    if texts is not None:
        longest = max((len(text) for panel in texts for row in panel for text in row), default=0)
        needed = ceil(width("0" * longest, svg.SIZE)) + PAD
        if needed > WIDEST and not style.numbers:
            texts = None
        else:
            wide, high = max(wide, SIZES[0][1], needed), max(high, SIZES[1][1])
    labels = _widest(heat.keys)
    turned = columns > 8 or labels > wide - PAD
    title = max(width(panel.title, svg.SIZE) for panel in heat.panels)
    left = _widest(heat.queries) + PAD
    return Grid(
        rows=rows,
        columns=columns,
        wide=wide,
        high=high,
        gap=1 if rectangles and min(wide, high) >= 4 else 0,
        left=left,
        top=(labels if turned else svg.SIZE) + PAD + (TITLE if title else 0),
        width=left + max(columns * wide, title),
        turned=turned,
        rectangles=rectangles,
        texts=texts,
    )


def step_of(size: int) -> int:
    """Return how many cells of a size there are from one label to the next."""
    return ceil(LINE / size)


def _numbered(heat: HeatMap, style: Style) -> bool:
    """Return whether cells have numbers: as --numbers says, else if there are few."""
    few = len(heat.keys.starts) <= NUMBERED
    return heat.pool is None and (few if style.numbers is None else style.numbers)


def _texts(heat: HeatMap, style: Style) -> list[list[list[str]]]:
    """Return the numbers of each panel; empty for a hidden cell."""
    digits = DECIMALS if style.digits is None else style.digits
    return [_of_panel(panel, digits) for panel in heat.panels]


def _of_panel(panel: Panel, digits: int) -> list[list[str]]:
    return [
        ["" if code else text for text, code in zip(texts, codes, strict=True)]
        for texts, codes in zip(as_texts(panel.values, digits), panel.hidden.tolist(), strict=True)
    ]


def _cell(rows: int, columns: int, side: int) -> tuple[int, int]:
    """Return the width and height of a cell: a square, if labels of few others need no more."""
    wide, high = _size(columns, side), _size(rows, side)
    square = min(wide, high)
    return max(square, min(wide, LINE)), max(square, min(high, LINE))


def _size(count: int, side: int) -> int:
    """Return the pixels of so many cells beside each other."""
    usual = next((size for most, size in SIZES if count <= most), SMALL)
    return max(1, min(usual, side // max(count, 1)))


def _widest(axis: Axis) -> float:
    return max((width(shortened(label), svg.SIZE) for label in axis.labels), default=0.0)
