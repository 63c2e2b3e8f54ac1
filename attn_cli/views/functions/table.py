"""Score functions and normalisers for people: one paragraph each, or one in detail."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from attn_cli.lists import FunctionInfo, Functions
from attn_cli.views import Style
from attn_cli.views.columns import paragraph

ROOM = 16  # columns of the names


def render(shown: Functions, style: Style) -> str:
    """Return the text of all functions, or of one."""
    if not shown.explained:
        return "\n".join(_summary(entry, style.width) for entry in shown.entries)
    (entry,) = shown.entries
    return "".join(f"{line}\n" for line in _explained(entry, shown.key))


def _summary(entry: FunctionInfo, width: int | None) -> str:
    """Return name, formula, parameters and reference, one per line; say which is the default."""
    mark = "   (default)" if entry.default else ""
    lines = paragraph(f"{entry.formula}{mark}", width, f"{entry.name:{ROOM}}")
    for text in (*(p.signature for p in entry.parameters), f"[{entry.reference}]"):
        lines += paragraph(text, width, " " * ROOM)
    return "\n".join(lines) + "\n"


def _explained(entry: FunctionInfo, key: str) -> Iterator[str]:
    """Yield the lines that explain a function."""
    yield from (f"{entry.name}: {entry.formula}", "")
    if entry.default:
        yield from (f"The default: used if a problem has no {key}.", "")
    yield from (*textwrap.wrap(entry.explanation, 80), "")
    if entry.parameters:
        width = max(len(p.signature) for p in entry.parameters) + 2
        yield from (f"  {p.signature:{width}}{p.meaning}" for p in entry.parameters)
        yield ""
    yield f"In a problem file:  {entry.written}"
    yield f"Reference: {entry.reference}"
