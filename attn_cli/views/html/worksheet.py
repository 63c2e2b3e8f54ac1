"""A worksheet as a page to be printed: tables of steps, those of blank steps with room to write.

It has no script, no picture and no data besides its tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from attn_cli import __version__
from attn_cli.views.cells import GAP, HIDDEN, cell_width, column_blocks, sheets, with_gaps
from attn_cli.views.html import assets
from attn_cli.views.html.head import TIMES, chips, title_of
from attn_cli.views.html.markup import element, number, text, token
from attn_cli.views.html.shell import whole
from attn_cli.views.table import WIDE_GAP

if TYPE_CHECKING:
    from attn_cli.lab.worksheet import Worksheet
    from attn_cli.views import Style
    from attn_cli.views.cells import Sheet

PAPER = 82  # characters of a table on A4
ROOM = 6  # of a cell to write into, at least
BESIDE = 2  # of the borders of a cell
WORD = 48  # the width for which words are shortened: to a third of it
NAME = '<p class=name><span>Name</span><i></i><span>Date</span><i class="date"></i></p>'


def render(sheet: Worksheet, style: Style) -> str:
    """Return the page; AttnError if it is larger than it may be."""
    record = sheet.record
    listed = "".join(element("li", text(chip)) for chip in chips(record))
    title = title_of(record)
    made = sheets(record, style, width=WORD)
    body = [
        element(
            "header",
            element("h1", f"<bdi>{text(title)}</bdi>"),
            NAME,
            element("ul", listed, class_="chips"),
        ),
        element("main", *_sections(made)),
        element("footer", f"A worksheet, made by attn {__version__}."),
    ]
    return whole(title, assets.style("worksheet.css", used={}), body, limit=sheet.limit)


def _sections(made: Iterable[Sheet]) -> Iterator[str]:
    """Yield the matrices; below the heading of a head, titles are a level lower."""
    below = False
    for sheet in made:
        below = below or bool(sheet.heading)
        yield _section(sheet, "h3" if below else "h2")


def _section(sheet: Sheet, level: str) -> str:
    """Return one matrix: its title and its tables, as many as the paper is wide enough for."""
    named, _, size = sheet.title.rpartition(WIDE_GAP)
    title = element(
        level,
        element("code", text(named)),
        element("small", text(size.strip("()").replace(" x ", TIMES))),
    )
    heading = element("h2", text(sheet.heading)) if sheet.heading else ""
    tables = "" if sheet.repeats else "".join(_tables(sheet))
    notes = "".join(element("p", _note(note), class_="note") for note in sheet.notes)
    return heading + element("section", title, tables, notes)


def _note(note: str) -> str:
    """Return a note of tables; the sign of a hidden cell is its hatch here."""
    mark, _, rest = note.partition(" ")
    if mark == HIDDEN:
        return f'<i class="key x"></i>{text(rest)}'
    return text(note)


def _tables(sheet: Sheet) -> Iterator[str]:
    label = max((cell_width(word) for word in (*sheet.rows, sheet.corner)), default=0)
    widths = [
        max(cell_width(word), ROOM if sheet.step.blank else 1, *map(len, column)) + BESIDE
        for word, column in zip(sheet.columns, zip(*sheet.cells, strict=True), strict=True)
    ]
    for first, stop in _even(label + BESIDE, widths):
        yield _table(sheet, first, stop)


def _even(label: int, widths: list[int]) -> list[tuple[int, int]]:
    """Return ranges of columns that fit the paper, as few as possible and of like size."""
    found = [*column_blocks(label, widths, PAPER, 0)]
    for paper in range(PAPER - 1, 0, -1):
        fewer = [*column_blocks(label, widths, paper, 0)]
        if len(fewer) > len(found):
            break
        found = fewer
    return found


def _table(sheet: Sheet, first: int, stop: int) -> str:
    inner = [at - first for at in sheet.column_gaps if first < at < stop]
    across, down = (_words(sheet, axis) for axis in (-1, -2))
    heads = with_gaps(across[first:stop], inner, GAP)
    head = "".join(f"<th scope=col>{word}</th>" for word in heads)
    lines = []
    for row, label in enumerate(down):
        cells = [_cell(sheet, row, column) for column in range(first, stop)]
        cells = with_gaps(cells, inner, f"<td>{GAP}</td>")
        lines.append(f"<tr><th scope=row>{label}</th>{''.join(cells)}</tr>")
    empty = f"<tr><th>{GAP}</th>{f'<td>{GAP}</td>' * len(heads)}</tr>"
    lines = with_gaps(lines, sheet.row_gaps, empty)
    table = element(
        "table",
        f"<thead><tr><td>{text(sheet.corner)}</td>{head}</tr></thead>",
        f"<tbody>{''.join(lines)}</tbody>",
        class_="blank" if sheet.step.blank else None,
    )
    return element("figure", table)


def _words(sheet: Sheet, axis: int) -> list[str]:
    """Return the labels of an axis as markup: words as tokens, numbers as they are."""
    numbered = sheet.step.as_matrix().letter_of(axis) is not None
    return [
        text(w) if numbered else token(w) for w in (sheet.columns if axis == -1 else sheet.rows)
    ]


def _cell(sheet: Sheet, row: int, column: int) -> str:
    if sheet.hidden[row, column]:
        return "<td class=x></td>"
    shown = number(sheet.cells[row][column])
    return f"<td><b>{shown}</b></td>" if sheet.largest[row, column] else f"<td>{shown}</td>"
