"""Columns of text, each as wide as it needs to be, or as the width allows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap

from attn_cli.views import BOX

GAP = "   "
WORD = 24  # longer words are broken if there is too little room


def columns(rows: Sequence[Sequence[str]], width: int | None) -> Iterator[str]:
    """Yield the lines of a table whose first row is its head.

    If not even single words fit side by side, the table is split into parts, one below the other,
    each with the first column.
    """
    least = [
        min(WORD, max(len(word) for cell in column for word in (*cell.split(), "")))
        for column in zip(*rows, strict=True)
    ]
    for number, part in enumerate(_parts(least, width)):
        if number:
            yield ""
        chosen = [[row[at] for at in part] for row in rows]
        yield from _lines(chosen, [least[at] for at in part], width)


def paragraph(text: str, width: int | None, lead: str = "") -> list[str]:
    """Return a text after `lead`, with further lines indented to the text."""
    if width is None:
        return [lead + text]
    room = max(width - len(lead), 8)
    lines = wrap(text, room, break_on_hyphens=False)
    return [(" " * len(lead) if at else lead) + line for at, line in enumerate(lines)]


def _parts(least: list[int], width: int | None) -> Iterator[list[int]]:
    """Yield the columns of each part, the first column in all of them."""
    part = [0]
    for at in range(1, len(least)):
        together = sum(least[c] + len(GAP) for c in (*part, at)) - len(GAP)
        if width is not None and together > width and len(part) > 1:
            yield part
            part = [0]
        part.append(at)
    yield part


def _lines(rows: list[list[str]], least: list[int], width: int | None) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if width is not None:
        room = width - len(GAP) * (len(widths) - 1)
        while sum(widths) > room and any(w > m for w, m in zip(widths, least, strict=True)):
            spare = [w if w > m else 0 for w, m in zip(widths, least, strict=True)]
            widths[spare.index(max(spare))] -= 1
    for number, row in enumerate(rows):
        cells = [
            wrap(cell, max(w, 1), break_on_hyphens=False) or [""]
            for cell, w in zip(row, widths, strict=True)
        ]
        for at in range(max(map(len, cells))):
            texts = (cell[at] if at < len(cell) else "" for cell in cells)
            line = GAP.join(text.ljust(w) for text, w in zip(texts, widths, strict=True))
            yield line.rstrip()
        if number == 0:
            yield BOX * (sum(widths) + len(GAP) * (len(widths) - 1))
