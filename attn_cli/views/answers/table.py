"""A judged sheet for people: a line per step, then the steps that are wrong with their numbers."""

from __future__ import annotations

from collections.abc import Iterator

from attn_cli.errors import printable
from attn_cli.lab.answers.judgement import Graded, Judged, Judgement
from attn_cli.views import BOX, Style
from attn_cli.views.answers.parts import Grid, grids, reasons, solved, verdict
from attn_cli.views.cells import COLUMN_GAP, cell_width, column_blocks, title_of
from attn_cli.views.columns import paragraph
from attn_cli.views.table import BAD, BOLD, GOOD, RESET, fitted


def render(judged: Judged | Graded, style: Style) -> str:
    """Return the judgement of a sheet, or of several, each under its name."""
    lines: list[str] = []
    if isinstance(judged, Graded):
        for at, sheet in enumerate(judged.sheets):
            name = f"{BOX * 3} {printable(sheet.sheet.name)} {BOX * 3}"
            lines += [*([""] if at else []), name, "", *_lines(sheet, style)]
    else:
        lines += _lines(judged, style)
    text = "".join(f"{line.rstrip()}\n" for line in lines)
    return text.replace(BOX, "-") if style.ascii else text


def _lines(judged: Judged, style: Style) -> Iterator[str]:
    width = max(len(each.answer.step) for each in judged.judgements)
    for each in judged.judgements:
        lead = f"{each.answer.step:{width}}   "
        first, *rest = paragraph(verdict(each), style.width, lead)
        if style.colour:
            colour = GOOD if each.right or each.follows else BAD
            first = f"{lead}{colour}{first[len(lead) :]}{RESET}"
        yield from (first, *rest)
        for reason in reasons(each):
            yield from paragraph(reason, style.width, " " * (width + 3))
        weights = solved(each, style.decimals)
        if weights is not None and not each.right:
            yield from paragraph(weights, style.width, " " * (width + 3))
    for each in judged.judgements:
        if each.wrong.any() and not each.right:
            yield from _tables(each, style)


def _tables(judgement: Judgement, style: Style) -> Iterator[str]:
    title = title_of(judgement.step)
    for at, grid in enumerate(grids(judgement, style.decimals, style.width)):
        yield ""
        if at == 0:
            yield from (_coloured(line, BOLD, style.colour) for line in fitted(title, style.width))
        if grid.heading:
            yield grid.heading
        yield from _grid(grid, judgement.answer.step, style)
    yield from fitted("(a number that differs has the expected one in brackets)", style.width)


def _grid(grid: Grid, step: str, style: Style) -> Iterator[str]:
    label = max(map(cell_width, (grid.corner, *grid.rows)))
    widths = [
        max(cell_width(name), *(cell_width(row[at]) for row in grid.cells))
        for at, name in enumerate(grid.columns)
    ]
    gap = " " * COLUMN_GAP
    for number, (start, stop) in enumerate(column_blocks(label, widths, style.width)):
        if number:
            yield from ("", _coloured(f"{step}, continued", BOLD, style.colour))
        chosen = range(start, stop)
        yield _padded(grid.corner, label) + "".join(
            gap + _right(grid.columns[at], widths[at]) for at in chosen
        )
        yield BOX * (label + sum(widths[at] + COLUMN_GAP for at in chosen))
        for name, cells, wrong in zip(grid.rows, grid.cells, grid.wrong, strict=True):
            shown = (
                _coloured(_right(cells[at], widths[at]), BAD, style.colour and wrong[at])
                for at in chosen
            )
            yield _padded(name, label) + "".join(gap + cell for cell in shown)


def _coloured(text: str, code: str, wanted: bool) -> str:
    return f"{code}{text}{RESET}" if wanted else text


def _padded(text: str, width: int) -> str:
    return text + " " * (width - cell_width(text))


def _right(text: str, width: int) -> str:
    return " " * (width - cell_width(text)) + text
