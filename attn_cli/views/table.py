"""Tables for people: in columns, on a terminal with colours; large sheets (`--full`) are plain."""

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
    pointed,
    sheets,
    verdict,
    with_gaps,
)

Line = list[tuple[str, str]]  # pieces of text, each behind a code of the terminal: empty if none

WIDE_GAP = "   "  # in a title, between formula and size
PLAIN_FROM = 1000  # a sheet of more cells is for a pager or a program, and has no colours
BOLD, BAD, GOOD, RESET = "\x1b[1m", "\x1b[1;31m", "\x1b[1;32m", "\x1b[0m"


def render(record: Record, style: Style) -> str:
    """Return all steps as tables, one below the other."""
    out = StringIO()
    write = _coloured(out) if style.colour else _uncoloured(out)
    if record.title:
        write([(f"{BOX * 3} {printable(record.title)} {BOX * 3}", BOLD)])
        write([])
    for sheet in sheets(record, style, width=style.width):
        if sheet.heading:
            write([(f"{BOX * 3} {sheet.heading} {BOX * 3}", BOLD)])
            write([])
        _write_sheet(sheet, style, write)
        write([])
    if record.choices:
        from attn_cli.views.choices import lines

        for line in (*lines(record, style), ""):
            _write_wrapped(line, style, write)
    for each in record.comparisons:
        _write_wrapped(verdict(each, style.first), style, write, "" if each.agrees else BAD)
        write([])
    if style.verbose:
        from attn_cli.views import settings

        out.writelines(f"{printable(line)}\n" for line in (*settings.lines(record), ""))
    text = out.getvalue()
    if not style.several:
        text = text.removesuffix("\n")
    return text.replace(BOX, "-") if style.ascii else text


def _write_sheet(sheet: Sheet, style: Style, write: Callable[[Line], None]) -> None:
    _write_wrapped(sheet.title, style, write, BOLD)
    if not sheet.repeats:
        for line in _table(sheet, style):
            write(line)
    for note in sheet.notes:
        _write_wrapped(f"({note})", style, write)


def _write_wrapped(
    sentence: str, style: Style, write: Callable[[Line], None], code: str = ""
) -> None:
    """Write a sentence in lines that fit the terminal, if it goes to one."""
    for line in fitted(sentence, style.width):
        write([(line, code)])


def fitted(sentence: str, width: int | None) -> list[str]:
    """Return a sentence in lines of a width; None: in one.

    What is behind a wide gap, the size in a title, is on a line of its own if it does not fit.
    """
    if width is None or cell_width(sentence) <= width:
        return [sentence]
    import textwrap

    first, *others = sentence.split(WIDE_GAP)
    lines = []
    for indent, part in (("", first), *(("  ", other) for other in others)):
        lines += textwrap.wrap(
            part,
            width,
            initial_indent=indent,
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    return lines


def _uncoloured(out: StringIO) -> Callable[[Line], None]:
    """Return a writer of lines that leaves their codes out."""

    def write(line: Line) -> None:
        out.write("".join(text for text, _ in line).rstrip(" ") + "\n")

    return write


def _coloured(out: StringIO) -> Callable[[Line], None]:
    """Return a writer of lines with their codes, each of which ends before its line does."""

    def write(line: Line) -> None:
        while line and not line[-1][1] and not line[-1][0].strip(" "):
            line = line[:-1]
        parts = [f"{code}{text}{RESET}" if code else text for text, code in line]
        out.write("".join(parts).rstrip(" ") + "\n")

    return write


def _table(sheet: Sheet, style: Style) -> Iterator[Line]:
    """Yield the lines of a sheet: as many tables as the width asks for, each with some columns.

    The mark of a largest weight takes the first column of the gap behind its number.
    """
    marked = bool(sheet.largest.any())
    large = sheet.values.size > PLAIN_FROM
    texts = pointed(sheet.cells, sheet.largest.tolist() if marked else None)
    names = [name + " " * marked for name in sheet.columns]
    gap = COLUMN_GAP - marked
    rows: list[str] = with_gaps(sheet.rows, sheet.row_gaps, GAP)
    label_width = max(map(cell_width, (*rows, sheet.corner))) + marked
    widths = [
        max(cell_width(name), *map(len, column))
        for name, column in zip(names, zip(*texts, strict=True), strict=True)
    ]
    wide = [w + (len(GAP) + COLUMN_GAP) * (at in sheet.column_gaps) for at, w in enumerate(widths)]
    codes = _codes(sheet, style) if style.colour and not large else None
    for number, (first, last) in enumerate(column_blocks(label_width, wide, style.width, gap)):
        if number:
            yield []
            yield [(f"{printable(sheet.step.name)}, continued", BOLD)]
        inner = [at - first for at in sheet.column_gaps if first < at < last]
        sizes = with_gaps(widths[first:last], inner, len(GAP) + marked)

        def line(
            label: str, cells: Line, sizes: list[int] = sizes, inner: list[int] = inner
        ) -> Line:
            return _line(
                label, label_width, with_gaps(cells, inner, (GAP + " " * marked, "")), sizes, gap
            )

        yield line(sheet.corner, [(name, "") for name in names[first:last]])
        if not large:
            yield [(BOX * (label_width + sum(sizes) + gap * len(sizes)), "")]
        for at, label in enumerate(sheet.rows):
            if at in sheet.row_gaps:
                dots = [(GAP + " " * marked, "")] * len(sizes)
                yield _line(GAP, label_width, dots, sizes, gap)
            shades = [""] * (last - first) if codes is None else codes[at][first:last]
            yield line(label, list(zip(texts[at][first:last], shades, strict=True)))


def _line(label: str, label_width: int, cells: Line, sizes: list[int], gap: int) -> Line:
    """Return one line of a table: the label on the left of its column, cells on the right.

    A shade begins one column before its number.
    """
    line = [(label + " " * (label_width - cell_width(label)), "")]
    for (text, code), size in zip(cells, sizes, strict=True):
        blanks = size - cell_width(text)
        if code:
            line += [(" " * (gap - 1), ""), (" " * (blanks + 1) + text, code)]
        else:
            line.append((" " * (gap + blanks) + text, ""))
    return line


def _codes(sheet: Sheet, style: Style) -> list[list[str]] | None:
    """Return the code of each weight's shade, empty for a hidden key; None without shades.

    All heads and batch entries of a step have one scale: from 0 to the largest weight, or on both
    sides of 0 if there are negative ones.
    """
    if not sheet.weighs:
        return None
    from attn_cli.views.colour import levels, shades

    whole = sheet.step.values
    diverging = bool((whole < 0).any())
    found = shades(diverging=diverging, light=style.light, colours=style.colours)
    if found is None:
        return None
    peaks = sheet.step.peaks if sheet.step.peaks is not None and not diverging else np.abs(whole)
    high = float(np.max(peaks, where=np.isfinite(peaks), initial=0.0)) or 1.0
    shares = np.divide(sheet.values, high, dtype=np.float64)
    plain = sheet.hidden | np.isnan(shares)
    places = levels((shares + 1) / 2 if diverging else shares).tolist()
    return [
        ["" if none else found.cell[at] for at, none in zip(row, nones, strict=True)]
        for row, nones in zip(places, plain.tolist(), strict=True)
    ]
