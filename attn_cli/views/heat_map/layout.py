"""How a heat map is laid out in the columns of a terminal, before it is computed and after.

    numbers   a cell of 4 columns or more, with its number
    blocks    two columns per cell, one line per query
    halves    one column per cell, two queries per line: the upper half and the lower
    digits    one column per cell, or two if numbers have signs: 0 to 9, without shades

The first that fits the width is taken, but halves if only they put several panels side by side.
Halves and digits fit always, as cells are pooled.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from attn_cli.errors import AttnError, printable
from attn_cli.views import Style
from attn_cli.views.cells import cell_width

if TYPE_CHECKING:
    from attn_cli.lab.drawing import Outline
    from attn_cli.lab.heat_map import Axis, HeatMap

Kind = Literal["numbers", "blocks", "halves", "digits"]
WIDTH = 80  # columns of text that is not for a terminal
GAP = 3  # between two panels
NUMBERED = 16  # keys: with more, numbers are noise
LINES = 200  # rows of cells, if all keys have columns of their own
TWO, MANY = 24, 32  # columns of cells that two panels need to be side by side, and that many need
NARROW, WIDE, HEAD = 4, 5, 10  # columns of a number: the fewest, the usual; of a word above them
SHADES = 256  # colours that a terminal with shades has at least


class Layout(NamedTuple):
    """The columns that panels take."""

    kind: Kind
    label: int  # columns of the labels of rows, without the blank behind them
    cell: int  # columns of a cell
    beside: int  # panels on one line
    short: bool = False  # whether 0.47 is written .47


def width_of(style: Style) -> int:
    """Return the columns that there are."""
    return WIDTH if style.width is None else style.width


def shaded(style: Style) -> bool:
    """Return whether the terminal has shades."""
    return style.colours >= SHADES


def fit(outline: Outline, style: Style) -> tuple[int, int]:
    """Return how many rows and columns of cells there is room for.

    Raises AttnError if numbers are asked for that have no room.
    """
    width, (_, columns) = width_of(style), outline.shape
    panels = len(outline.leads)
    names = (indexed(at, outline.labels[0][at]) for at in outline.rows)
    label = _label(names, room(width))
    if style.numbers:
        _refuse_narrow(label + 1 + NARROW * columns, columns, width)
    unit = 2 if outline.signed and not shaded(style) else 1
    alone = max(1, (width - label - 1) // unit)
    two = ((width - GAP) // 2 - label - 1) // unit
    if 2 * columns + label + 1 <= width or style.numbers:
        most = columns
    elif panels == 2 and two >= TWO:
        most = two
    elif columns <= alone or panels == 1 or two < MANY:
        most = alone
    else:
        most = two
    return (max(LINES, alone) if most >= columns else most), most


def layout(heat: HeatMap, style: Style, texts: Sequence[Sequence[Sequence[str]]]) -> Layout:
    """Return the layout of a heat map; `texts` are the numbers of each panel, as they are set.

    Raises AttnError if numbers are asked for that have no room.
    """
    width, columns = width_of(style), len(heat.keys.starts)
    whole = heat.pool is None
    # Without shades, a scale that was chosen is that of digits: numbers have none.
    chosen = heat.scale != "linear" and not shaded(style)
    if style.numbers or (style.numbers is None and whole and columns <= NUMBERED and not chosen):
        found = _numbers(heat, width, texts)
        if found is not None:
            return found._replace(beside=_beside(heat, found, width))
        if style.numbers:
            longest = max(len(text) for panel in texts for row in panel for text in row)
            _refuse_narrow(room(width) + (longest + 1) * columns, columns, width)
    label = _label(indexed_labels(heat.queries), room(width))
    found = Layout("digits", label, 2 if heat.diverging else 1, 1)
    if shaded(style):
        blocks, halves = Layout("blocks", label, 2, 1), Layout("halves", label, 1, 1)
        roomy = whole and panel_width(heat, blocks) <= width
        more = _beside(heat, blocks, width) == 1 < _beside(heat, halves, width)
        if roomy and (style.ascii or not more):
            found = blocks
        elif not style.ascii:
            found = halves
    return found._replace(beside=_beside(heat, found, width))


def panel_width(heat: HeatMap, found: Layout) -> int:
    """Return the columns of a panel, those of its title included."""
    title = max(len(panel.title) for panel in heat.panels)
    return max(title, found.label + 1 + found.cell * len(heat.keys.starts))


def room(width: int) -> int:
    """Return how many columns the labels of rows may take."""
    return min(max(7, width // 8), 24)


def indexed(position: int, label: str) -> str:
    """Return a position with its word, if it has one."""
    return label if label == str(position) else f"{position} {label}"


def indexed_labels(axis: Axis) -> list[str]:
    """Return the position and the word of the first token of each cell."""
    return [indexed(at, word) for at, word in zip(axis.starts, axis.labels, strict=True)]


def _label(names: Iterable[str], most: int) -> int:
    return min(max(cell_width(printable(name)) for name in names), most)


def _numbers(heat: HeatMap, width: int, texts: Sequence[Sequence[Sequence[str]]]) -> Layout | None:
    """Return the roomiest layout with numbers that fits; None if none does."""
    columns = len(heat.keys.starts)
    heads = max(cell_width(printable(label)) for label in heat.keys.labels)
    names = heat.queries.labels
    full, less = _label(names, 2 * room(width)), _label(names, room(width))
    lengths = {len(text) for panel in texts for row in panel for text in row}
    longest = max(lengths)
    dropped = max(len(shortened(text)) for panel in texts for row in panel for text in row)
    usual = max(longest + 1, WIDE)
    for label, cell, short in (
        (full, max(usual, min(heads + 1, HEAD)), False),
        (full, usual, False),
        (less, usual, False),
        (less, max(dropped + 1, NARROW), True),
    ):
        if label + 1 + cell * columns <= width:
            return Layout("numbers", label, cell, 1, short)
    return None


def shortened(text: str) -> str:
    """Return a number without the zero before its point.

    >>> shortened("0.47"), shortened("-0.50"), shortened("10.5")
    ('.47', '-.50', '10.5')
    """
    if text.startswith("0."):
        return text[1:]
    return f"-{text[2:]}" if text.startswith("-0.") else text


def _beside(heat: HeatMap, found: Layout, width: int) -> int:
    """Return how many panels fit on one line: at least one."""
    each = panel_width(heat, found) + GAP
    return max(1, min(len(heat.panels), (width + GAP) // each))


def _refuse_narrow(needed: int, columns: int, width: int) -> None:
    """Raise AttnError if numbers need more columns than there are."""
    if needed > width:
        raise AttnError(
            f"the numbers of {columns} columns need a width of about {needed}, and there are "
            f"{width}",
            help=f"leave out --numbers, or write --width {needed}",
        )
