"""Tables for people: in columns, on a terminal in the colours of Rich; what --full brings is plain.

Rich has tables too, but a word or a number needs nothing of what they can do, and they take longer
than the computation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import StringIO

import numpy as np

from attn_cli.errors import printable
from attn_cli.record import Record
from attn_cli.views import BOX, Style
from attn_cli.views.cells import (
    COLUMN_GAP,
    GAP,
    Sheet,
    cell_width,
    column_blocks,
    sheets,
    verdict,
    with_gaps,
)

Line = list[tuple[str, str]]  # pieces of text, each with its style: empty where it has none

PLAIN_FROM = 1000  # a sheet of more cells is for a pager or a program, and has no colours
MARK = "*"  # stands behind the largest weight of each query


def render(record: Record, style: Style) -> str:
    """Return all steps as tables, one below the other."""
    out = StringIO()
    write, shades = _coloured(out) if style.colour else (_uncoloured(out), False)
    if record.title:
        write([(f"{BOX * 3} {printable(record.title)} {BOX * 3}", "bold")])
        write([])
    for sheet in sheets(record, style.decimals, align=True):
        if sheet.heading:
            write([(f"{BOX * 3} {sheet.heading} {BOX * 3}", "bold")])
            write([])
        write([(sheet.title, "bold")])
        if sheet.values.size > PLAIN_FROM:
            out.writelines(_plain(sheet, style.width))
        else:
            for line in _table(sheet, style, shades):
                write(line)
        out.writelines(f"\n({note})\n" for note in sheet.notes)
        out.write("\n")
    if record.choices:
        from attn_cli.views.choices import lines

        out.writelines(f"{line}\n" for line in (*lines(record, style), ""))
    out.writelines(f"{_wrapped(verdict(each), style)}\n\n" for each in record.comparisons)
    if style.verbose:
        from attn_cli.views import settings

        out.writelines(f"{printable(line)}\n" for line in (*settings.lines(record), ""))
    text = out.getvalue()
    if not style.several:
        text = text.removesuffix("\n")
    return text.replace(BOX, "-") if style.ascii else text


def _wrapped(sentence: str, style: Style) -> str:
    """Return a sentence in lines that fit the terminal, if it goes to one."""
    if style.width is None or cell_width(sentence) <= style.width:
        return sentence
    import textwrap

    lines = textwrap.wrap(
        sentence,
        style.width,
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines)


def _uncoloured(out: StringIO) -> Callable[[Line], None]:
    """Return a writer of lines that leaves their styles out."""

    def write(line: Line) -> None:
        out.write("".join(text for text, _ in line) + "\n")

    return write


def _coloured(out: StringIO) -> tuple[Callable[[Line], None], bool]:
    """Return a writer of lines with their styles as this terminal has them, and whether it shades.

    Rich knows how. A terminal of 16 colours, or of nobody knows how many, gets no shades.
    """
    from rich.console import Console
    from rich.text import Text

    console = Console(file=out, force_terminal=True, legacy_windows=False, no_color=False)
    if console.color_system is None:  # TERM=dumb, and colours are asked for all the same
        console = Console(
            file=out,
            force_terminal=True,
            legacy_windows=False,
            no_color=False,
            color_system="standard",
        )

    def write(line: Line) -> None:
        console.print(Text.assemble(*line), soft_wrap=True)

    return write, console.color_system in {"256", "truecolor"}


def _table(sheet: Sheet, style: Style, shades: bool) -> Iterator[Line]:
    """Yield the lines of a sheet: as many tables as the width asks for, each with some columns."""
    row_gaps, column_gaps = sheet.row_gaps, sheet.column_gaps
    marked = bool(sheet.largest.any())
    rows: list[str] = with_gaps(sheet.rows, row_gaps, GAP)
    label_width = max(cell_width(text) for text in (*rows, sheet.corner))
    widths: list[int] = [
        max(cell_width(name), *(len(row[at]) + marked for row in sheet.cells))
        + (len(GAP) + COLUMN_GAP) * (at in column_gaps)
        for at, name in enumerate(sheet.columns)
    ]
    for first, last in column_blocks(label_width, widths, style.width):
        inner = [gap - first for gap in column_gaps if first < gap < last]
        head: Line = with_gaps([(n, "") for n in sheet.columns[first:last]], inner, (GAP, ""))
        lines = [
            with_gaps(
                _cells(sheet, at, slice(first, last), style if shades else None), inner, (GAP, "")
            )
            for at in range(len(sheet.rows))
        ]
        sizes = [
            max(cell_width(text) for text, _ in column) for column in zip(head, *lines, strict=True)
        ]
        blank = [(GAP, "")] * len(head)
        yield _set(sheet.corner, head, label_width, sizes)
        yield [(BOX * (label_width + sum(sizes) + COLUMN_GAP * len(sizes)), "")]
        for name, line in zip(rows, with_gaps(lines, row_gaps, blank), strict=True):
            yield _set(name, line, label_width, sizes)


def _set(label: str, cells: Line, label_width: int, sizes: list[int]) -> Line:
    """Return one line of a table: the label on the left of its column, cells on the right."""
    line = [(label + " " * (label_width - cell_width(label)), "")]
    for (text, style), size in zip(cells, sizes, strict=True):
        shown = text.rstrip()
        line += [(" " * COLUMN_GAP, ""), (" " * (size - cell_width(shown)) + shown, style)]
    return line


def _cells(sheet: Sheet, row: int, columns: slice, style: Style | None) -> Line:
    """Return the cells of one row, marked if the step has a largest, shaded if there is a style."""
    marked = sheet.largest.any()
    cells = []
    for at in range(columns.start, columns.stop):
        mark = (MARK if sheet.largest[row, at] else " ") if marked else ""
        shade = _shade(float(sheet.values[row, at]), style.light) if sheet.weighs and style else ""
        cells.append((sheet.cells[row][at] + mark, shade))
    return cells


def _shade(weight: float, light: bool) -> str:
    """Return the style of a weight in [0, 1]: a background, and black or white on it."""
    from attn_cli.views.colour import hex_of, levels, ramp, text_on

    colour = ramp(diverging=False, light=light).colours[int(levels(np.array(weight)))]
    return f"{hex_of(text_on(colour))} on {hex_of(colour)}"


def _plain(sheet: Sheet, width: int | None) -> Iterator[str]:
    """Yield the lines of a large sheet, in blocks of columns where the width asks for it."""

    def padded(text: str, size: int) -> str:
        return text + " " * (size - cell_width(text))

    marked = bool(sheet.largest.any())
    rows = [
        [cell + (MARK if mark else " ") for cell, mark in zip(cells, marks, strict=True)]
        if marked
        else cells
        for cells, marks in zip(sheet.cells, sheet.largest, strict=True)
    ]
    label_width = max(cell_width(text) for text in (*sheet.rows, sheet.corner))
    columns = zip(sheet.columns, *rows, strict=True)
    widths = [max(cell_width(name), *map(len, cells)) for name, *cells in columns]
    for first, last in column_blocks(label_width, widths, width):
        names = sheet.columns[first:last]
        head = (
            " " * (w - cell_width(n)) + n for n, w in zip(names, widths[first:last], strict=True)
        )
        yield f"{padded(sheet.corner, label_width)}   {'   '.join(head)}".rstrip() + "\n"
        for name, row in zip(sheet.rows, rows, strict=True):
            cells = map(str.rjust, row[first:last], widths[first:last])
            yield f"{padded(name, label_width)}   {'   '.join(cells)}".rstrip() + "\n"
