"""A judged sheet in Markdown: a list of the steps, then tables of those that are wrong."""

from __future__ import annotations

from collections.abc import Iterator

from attn_cli.errors import printable
from attn_cli.lab.answers.judgement import Graded, Judged
from attn_cli.views import Style
from attn_cli.views.answers.parts import grids, reasons, solved, verdict
from attn_cli.views.markdown import escaped, row


def render(judged: Judged | Graded, style: Style) -> str:
    """Return the judgement of a sheet, or of several, each under its name."""
    if isinstance(judged, Judged):
        return "".join(f"{line}\n" for line in _lines(judged, style))
    parts = []
    for sheet in judged.sheets:
        head = f"## {escaped(printable(sheet.sheet.name))}\n\n"
        parts.append(head + "".join(f"{line}\n" for line in _lines(sheet, style)))
    return "\n".join(parts)


def _lines(judged: Judged, style: Style) -> Iterator[str]:
    for each in judged.judgements:
        yield f"- **{escaped(each.answer.step)}**: {escaped(verdict(each))}"
        more = [*reasons(each)]
        weights = solved(each, style.decimals)
        if weights is not None and not each.right:
            more.append(weights)
        yield from (f"  - {escaped(reason)}" for reason in more)
    for each in judged.judgements:
        if not each.wrong.any() or each.right:
            continue
        for grid in grids(each, style.decimals):
            heading = f", {grid.heading}" if grid.heading else ""
            yield from ("", f"**{escaped(each.answer.step + heading)}**", "")
            yield row([escaped(grid.corner), *map(escaped, grid.columns)])
            yield row(["---", *["---:"] * len(grid.columns)])
            for name, cells, wrong in zip(grid.rows, grid.cells, grid.wrong, strict=True):
                shown = [
                    f"**{escaped(cell)}**" if off else escaped(cell)
                    for cell, off in zip(cells, wrong, strict=True)
                ]
                yield row([escaped(name), *shown])
        yield from ("", "A number that differs is bold, with the expected one in brackets.")
