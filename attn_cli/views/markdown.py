"""Tables in Markdown, for notes and issues."""

from __future__ import annotations

import re
from collections.abc import Iterator

from attn_cli.errors import printable
from attn_cli.record import Record, Step
from attn_cli.views import Style, settings
from attn_cli.views.cells import GAP, Sheet, sheets, size_of, verdict, with_gaps
from attn_cli.views.choices import decided_by, margin
from attn_cli.views.markdown_math import between_dollars

_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~&])")


def render(record: Record, style: Style) -> str:
    """Return every step as a heading and a table."""
    return "\n".join(_lines(record, style)) + ("\n\n" if style.several else "\n")


def _lines(record: Record, style: Style) -> Iterator[str]:
    if record.title:
        yield from (f"## {escaped(printable(record.title))}", "")
    for at, sheet in enumerate(sheets(record, style)):
        if at:
            yield ""
        if sheet.heading:
            yield from (f"### {escaped(sheet.heading)}", "")
        if style.math:
            yield from _with_math(sheet.step)
        else:
            yield f"**{escaped(sheet.title)}**"
        if not sheet.repeats:
            yield from ("", *_table(sheet))
        for note in sheet.notes:
            yield from ("", escaped(note))
    for choice in record.choices:
        yield ""
        chosen = f"{printable(choice.asked)} -> {printable(choice.answer)}"
        yield escaped(f"{chosen}   {margin(choice, style.decimals)}".rstrip())
        if choice.attention and choice.alone is None:
            yield from ("", escaped(decided_by(choice, style.decimals)))
    for comparison in record.comparisons:
        yield ""
        yield escaped(verdict(comparison, style.first))
    if style.verbose:
        yield from ("", "```", *map(printable, settings.lines(record)), "```")


def _with_math(step: Step) -> Iterator[str]:
    """Yield the title of a step, with its formula as LaTeX in a paragraph of its own."""
    size = size_of(step, beyond=max(len(step.axes) - 2, 0))
    yield f"**{escaped(step.name)}** ({escaped(size)})"
    yield from ("", between_dollars(step.expression.latex()))


def _table(sheet: Sheet) -> Iterator[str]:
    columns = with_gaps([escaped(c) for c in sheet.columns], sheet.column_gaps, GAP)
    yield row([escaped(sheet.corner), *columns])
    yield row(["---", *["---:"] * len(columns)])
    rows = [
        row([escaped(name), *with_gaps(cells, sheet.column_gaps, GAP)])
        for name, cells in zip(sheet.rows, sheet.cells, strict=True)
    ]
    yield from with_gaps(rows, sheet.row_gaps, row([GAP] * (len(columns) + 1)))


def row(cells: list[str]) -> str:
    """Return a line of a table."""
    return f"| {' | '.join(cells)} |"


def escaped(text: str) -> str:
    """Return text with escapes for Markdown's markup."""
    return _SPECIAL.sub(r"\\\1", text)
