"""A derivation in Markdown: a list of lines, and the row as a table."""

from __future__ import annotations

from collections.abc import Iterator

from attn_cli.lab.derivation.result import Derivation
from attn_cli.views import Style
from attn_cli.views.derivation.layout import Paragraph, paragraphs, remarks, title
from attn_cli.views.markdown import escaped, row


def render(derivation: Derivation, style: Style) -> str:
    """Return a heading, a list of lines, and the table of the row."""
    return "".join(f"{line}\n" for line in _lines(derivation, style))


def _lines(derivation: Derivation, style: Style) -> Iterator[str]:
    yield f"**{escaped(title(derivation, style.decimals))}**"
    if derivation.chosen:
        yield from ("", escaped(f"({derivation.chosen})"))
    yield ""
    for each in paragraphs(derivation, style.decimals):
        yield from _paragraph(each)
        if each.table is not None:
            head, lines = each.table
            yield ""
            yield row([escaped(cell) for cell in head])
            yield row(["---", *["---:"] * (len(head) - 2), "---"])
            yield from (row([escaped(cell) for cell in line]) for line in lines)
            yield ""
    for remark in remarks(derivation, style.decimals):
        yield from ("", escaped(f"({remark})"))


def _paragraph(each: Paragraph) -> Iterator[str]:
    head = f"- {escaped(each.label)}"
    symbols = f" {escaped(each.symbols)}" if each.symbols else ""
    note = f" ({escaped(each.note)})" if each.note else ""
    if len(each.parts) > 1:
        yield f"{head}:{symbols}"
        for word, parts in each.parts:
            yield f"  - {escaped(word)}: {_codes(parts)}"
        return
    codes = "".join(f" {_codes(parts)}" for _, parts in each.parts)
    yield f"{head}:{symbols}{',' if symbols and codes else ''}{codes}{note}"


def _codes(parts: list[str]) -> str:
    """Return arithmetic as code, which needs no escapes: it has numbers, signs and functions."""
    return ", ".join(f"`{part}`" if not part.startswith("(") else escaped(part) for part in parts)
