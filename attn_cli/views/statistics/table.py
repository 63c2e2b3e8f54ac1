"""Statistics as a table for people, in as many blocks of columns as the width asks for."""

from __future__ import annotations

from collections.abc import Iterator

from attn_cli.lab.statistics import Statistics
from attn_cli.views import BOX, Style
from attn_cli.views.cells import COLUMN_GAP, cell_width, column_blocks
from attn_cli.views.columns import paragraph
from attn_cli.views.statistics.cells import Text, notes, texts, title


def render(found: Statistics, style: Style) -> str:
    """Return the title, the table, and what is to be said of it."""
    columns = texts(found, style.decimals, align=True, width=style.width)
    first = 1 + next((at for at, column in enumerate(columns) if column.words), -1)
    fixed = first if found.per_query else len(found.axes) - 2
    lines = [*paragraph(title(found), style.width), *_blocks(columns, fixed, style.width), ""]
    for note in notes(found):
        lines += paragraph(f"({note})", style.width)
    text = "".join(f"{line}\n" for line in lines)
    return text.replace(BOX, "-") if style.ascii else text


def _blocks(columns: list[Text], fixed: int, width: int | None) -> Iterator[str]:
    """Yield the lines of all blocks; the first columns, which say whose line it is, are in each."""
    labels, rest = columns[:fixed], columns[fixed:]
    label_width = (
        sum(map(_width, labels)) + COLUMN_GAP * (len(labels) - 1) if labels else -COLUMN_GAP
    )
    for start, stop in column_blocks(label_width, [_width(column) for column in rest], width):
        if start:
            yield ""
        yield from _lines([*labels, *rest[start:stop]])


def _lines(columns: list[Text]) -> Iterator[str]:
    gap = " " * COLUMN_GAP
    widths = [_width(column) for column in columns]

    def line(cells: list[str]) -> str:
        padded = (
            _set(cell, column, width)
            for cell, column, width in zip(cells, columns, widths, strict=True)
        )
        return gap.join(padded).rstrip()

    yield line([column.head for column in columns])
    yield BOX * (sum(widths) + COLUMN_GAP * (len(widths) - 1))
    for cells in zip(*(column.cells for column in columns), strict=True):
        yield line(list(cells))


def _width(column: Text) -> int:
    return max(map(cell_width, (column.head, *column.cells)))


def _set(text: str, column: Text, width: int) -> str:
    pad = " " * (width - cell_width(text))
    return text + pad if column.words else pad + text
