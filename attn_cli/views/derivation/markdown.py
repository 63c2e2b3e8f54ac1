"""A derivation in Markdown: a list of lines, and the row as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from attn_cli.lab.derivation.result import Derivation
from attn_cli.views import Style
from attn_cli.views.derivation.layout import Paragraph, in_brackets, paragraphs, remarks, title
from attn_cli.views.derivation.written import TEX, TEXT
from attn_cli.views.markdown import escaped, row
from attn_cli.views.markdown_math import between_dollars


def render(derivation: Derivation, style: Style) -> str:
    """Return a heading, a list of lines, and the table of the row."""
    return "".join(f"{line}\n" for line in _lines(derivation, style))


def _lines(derivation: Derivation, style: Style) -> Iterator[str]:
    yield f"**{escaped(title(derivation, style.decimals))}**"
    if derivation.chosen:
        yield from ("", escaped(f"({derivation.chosen})"))
    yield ""
    for each in paragraphs(derivation, style.decimals, medium=TEX if style.math else TEXT):
        yield from _paragraph(each, between_dollars if style.math else _code)
        if each.table is not None:
            head, lines = each.table
            yield ""
            yield row([escaped(cell) for cell in head])
            yield row(["---", *["---:"] * (len(head) - 2), "---"])
            yield from (row([escaped(cell) for cell in line]) for line in lines)
            yield ""
    for remark in remarks(derivation, style.decimals):
        yield from ("", escaped(f"({remark})"))


def _paragraph(each: Paragraph, written: Callable[[str], str]) -> Iterator[str]:
    """Yield an item of the list; `written` makes arithmetic Markdown."""
    head = f"- {escaped(each.label)}:"
    symbols = f" {escaped(each.symbols)}" if each.symbols else ""
    parts = [
        ", ".join(map(written, part.texts))
        + (f" {escaped(in_brackets(part.note))}" if part.note else "")
        for part in each.parts
    ]
    if len(parts) > 1:
        yield f"{head}{symbols}"
        for part, text in zip(each.parts, parts, strict=True):
            yield f"  - {escaped(part.word)}: {text}"
        return
    texts = "".join(f" {text}" for text in parts)
    yield f"{head}{symbols}{',' if symbols and texts else ''}{texts}"


def _code(text: str) -> str:
    """Return arithmetic as code, which needs no escapes: it has numbers, signs and functions."""
    return f"`{text}`"
