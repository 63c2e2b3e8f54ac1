"""Tables for people: Rich for what fits a screen, plain text for what --full brings."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from typing import TYPE_CHECKING

from attn_cli.errors import printable
from attn_cli.record import Record
from attn_cli.views import BOX, Style
from attn_cli.views.cells import COLUMN_GAP, GAP, Sheet, column_blocks, sheets, verdict, with_gaps

if TYPE_CHECKING:
    from rich.console import Console

RICH_CELLS = 1000  # Rich sets about 8 000 cells a second
UNCUT = 1_000_000  # a width that no table reaches
MARK = "*"  # stands behind the largest weight of each query

# Eleven stops of the viridis colour map (van der Walt and Smith, 2015): lightness grows evenly.
_STOPS = (
    (68, 1, 84), (72, 36, 117), (65, 68, 135), (53, 95, 141), (42, 120, 142), (33, 145, 140),
    (34, 168, 132), (68, 191, 112), (122, 209, 81), (189, 223, 38), (253, 231, 37),
)  # fmt: skip


def render(record: Record, style: Style) -> str:
    """Return all steps as tables, one below the other."""
    out = StringIO()
    console = _console(out, colour=style.colour)
    if record.title:
        _heading(console, f"{BOX * 3} {printable(record.title)} {BOX * 3}")
        out.write("\n")
    for sheet in sheets(record, style.digits, align=True):
        if sheet.heading:
            _heading(console, f"{BOX * 3} {sheet.heading} {BOX * 3}")
            out.write("\n")
        _heading(console, sheet.title)
        if sheet.values.size > RICH_CELLS:
            out.writelines(_plain(sheet, style.width))
        else:
            _rich(console, sheet, style)
        out.writelines(f"\n({note})\n" for note in sheet.notes)
        out.write("\n")
    if record.choices:
        from attn_cli.views.choices import lines

        out.writelines(f"{line}\n" for line in (*lines(record, style), ""))
    out.writelines(f"{verdict(comparison)}\n\n" for comparison in record.comparisons)
    if style.verbose:
        from attn_cli.views import settings

        out.writelines(f"{printable(line)}\n" for line in (*settings.lines(record), ""))
    text = out.getvalue()
    if not style.several:
        text = text.removesuffix("\n")
    return text.replace(BOX, "-") if style.ascii else text


def _console(out: StringIO, *, colour: bool) -> Console:
    """Return a console that cuts nothing: the width is shared out in `column_blocks`."""
    from rich.console import Console

    return Console(
        file=out,
        width=UNCUT,
        height=100,
        force_terminal=colour,
        color_system="auto" if colour else None,
        markup=False,
        emoji=False,
        highlight=False,
        legacy_windows=False,
    )


def _heading(console: Console, text: str) -> None:
    console.print(text, style="bold", soft_wrap=True)


def _rich(console: Console, sheet: Sheet, style: Style) -> None:
    """Print a sheet as Rich tables: as many as the width asks for, each with some columns."""
    from rich.box import SIMPLE_HEAD
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    row_gaps, column_gaps = sheet.row_gaps, sheet.column_gaps
    marked = bool(sheet.largest.any())
    rows: list[str] = with_gaps(sheet.rows, row_gaps, GAP)
    label_width = max(cell_len(text) for text in (*rows, sheet.corner))
    widths: list[int] = [
        max(cell_len(name), *(len(row[at]) + marked for row in sheet.cells))
        + (len(GAP) + COLUMN_GAP) * (at in column_gaps)
        for at, name in enumerate(sheet.columns)
    ]
    for first, last in column_blocks(label_width, widths, style.width):
        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="")
        table.add_column(Text(sheet.corner), no_wrap=True)
        inner = [gap - first for gap in column_gaps if first < gap < last]
        for name in with_gaps(sheet.columns[first:last], inner, GAP):
            table.add_column(Text(name), justify="right", no_wrap=True)
        lines = [
            with_gaps(_cells(sheet, at, slice(first, last), style, Text), inner, Text(GAP))
            for at in range(len(sheet.rows))
        ]
        blank = [Text(GAP)] * (last - first + len(inner))
        for name, line in zip(rows, with_gaps(lines, row_gaps, blank), strict=True):
            table.add_row(Text(name), *line)
        console.print(table, crop=False, no_wrap=True)


def _cells(sheet: Sheet, row: int, columns: slice, style: Style, text: type) -> list[object]:
    """Return the cells of one row, shaded and marked where the step has a largest."""
    marked = sheet.largest.any()
    cells = []
    for at in range(columns.start, columns.stop):
        mark = (MARK if sheet.largest[row, at] else " ") if marked else ""
        shade = _shade(float(sheet.values[row, at])) if sheet.weighs and style.colour else ""
        cells.append(text(sheet.cells[row][at] + mark, style=shade))
    return cells


def _shade(weight: float) -> str:
    """Return the style of a weight in [0, 1]: a background, and black or white on it."""
    place = min(max(weight, 0.0), 1.0) * (len(_STOPS) - 1) if weight == weight else 0.0
    at = min(int(place), len(_STOPS) - 2)
    red, green, blue = (
        round(a + (b - a) * (place - at)) for a, b in zip(_STOPS[at], _STOPS[at + 1], strict=True)
    )
    # Black from the relative luminance on at which it has more contrast than white (WCAG 2).
    light = sum(
        w * (c / 255) ** 2.2
        for w, c in zip((0.2126, 0.7152, 0.0722), (red, green, blue), strict=True)
    )
    return f"{'black' if light > 0.179 else 'white'} on rgb({red},{green},{blue})"


def _plain(sheet: Sheet, width: int | None) -> Iterator[str]:
    """Yield the lines of a sheet without Rich, in blocks of columns where the width asks for it."""
    from rich.cells import cell_len

    def padded(text: str, size: int) -> str:
        return text + " " * (size - cell_len(text))

    marked = bool(sheet.largest.any())
    rows = [
        [cell + (MARK if mark else " ") for cell, mark in zip(cells, marks, strict=True)]
        if marked
        else cells
        for cells, marks in zip(sheet.cells, sheet.largest, strict=True)
    ]
    label_width = max(cell_len(text) for text in (*sheet.rows, sheet.corner))
    columns = zip(sheet.columns, *rows, strict=True)
    widths = [max(cell_len(name), *map(len, cells)) for name, *cells in columns]
    for first, last in column_blocks(label_width, widths, width):
        names = sheet.columns[first:last]
        head = (" " * (w - cell_len(n)) + n for n, w in zip(names, widths[first:last], strict=True))
        yield f"{padded(sheet.corner, label_width)}   {'   '.join(head)}".rstrip() + "\n"
        for name, row in zip(sheet.rows, rows, strict=True):
            cells = map(str.rjust, row[first:last], widths[first:last])
            yield f"{padded(name, label_width)}   {'   '.join(cells)}".rstrip() + "\n"
