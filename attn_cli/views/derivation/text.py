"""A derivation as text, for a terminal or a pipe."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from attn_cli.lab.derivation.result import Derivation
from attn_cli.views import Style
from attn_cli.views.cells import COLUMN_GAP, cell_width, column_blocks
from attn_cli.views.columns import paragraph
from attn_cli.views.derivation.layout import (
    WORD,
    Paragraph,
    Part,
    Table,
    clipped,
    in_brackets,
    paragraphs,
    remarks,
    title,
)

_BREAKS = re.compile(r" (?=[-+=/(] )|(?<=[^-+=/]) (?=\()|(?<=,) ")  # before a sign, after a comma
INDENT = "  "
GAP, PART = "   ", "    "  # after a label, and between parts
SYMBOLS = 10  # columns of symbols that are aligned
WIDTH = 120  # columns of lines that no terminal limits
LEAST_WORD = 8  # columns of a word on a narrow terminal


def render(derivation: Derivation, style: Style) -> str:
    """Return the lines, none wider than the style's width."""
    return "".join(f"{line}\n" for line in _lines(derivation, style))


def _lines(derivation: Derivation, style: Style) -> Iterator[str]:
    width = style.width or WIDTH
    word = partial(clipped, width=max(LEAST_WORD, min(WORD, width // 6)))
    shown = list(paragraphs(derivation, style.decimals, word))
    labels = max((cell_width(each.label) for each in shown), default=0)
    symbols = [cell_width(each.symbols) for each in shown if each.parts and each.symbols]
    aligned = max((width for width in symbols if width <= SYMBOLS), default=0)
    yield from _wrapped("", [title(derivation, style.decimals, word)], width)
    if derivation.chosen:
        yield from paragraph(f"({derivation.chosen})", style.width, INDENT)
    for each in shown:
        yield from _paragraph(each, labels, aligned, width)
    for remark in remarks(derivation, style.decimals):
        yield from paragraph(f"({remark})", style.width, INDENT)


def _paragraph(each: Paragraph, labels: int, aligned: int, width: int) -> Iterator[str]:
    head = f"{INDENT}{_padded(each.label, labels)}{GAP}"
    if each.symbols:
        head += _padded(each.symbols, aligned) + (PART if each.parts else "")
    words = max((cell_width(part.word) for part in each.parts), default=0)
    beside = cell_width(head) + (words + len(GAP) if words else 0)  # where the parts would begin
    longest = max((cell_width(text) for part in each.parts for text in part.texts), default=0)
    narrow = beside > width // 2 and beside + longest > width
    if each.parts and (cell_width(head) > width // 2 or narrow):  # they go below the symbols
        yield from paragraph(head.strip(), width, INDENT)
        head = INDENT * 2
    for part in each.parts or [Part("", [], "")]:
        lead = f"{head}{_padded(part.word, words)}{GAP}" if words else head
        note = [in_brackets(part.note)] if part.note else []
        yield from _wrapped(lead, [*part.texts, *note], width, below=not words)
        head = " " * cell_width(head)
    if each.table is not None:
        yield from _table(each.table, width)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - cell_width(text))


def _wrapped(head: str, parts: list[str], width: int, *, below: bool = True) -> Iterator[str]:
    """Yield a head and parts; a part that has no room begins a line, or is broken at spaces.

    `below`: parts are on lines of their own if the head fills half of a line.
    """
    indent = cell_width(head)
    if below and indent > width // 2:
        yield from paragraph(head.strip(), width, INDENT)
        if not parts:
            return
        head, indent = " " * (2 * len(INDENT)), 2 * len(INDENT)
    line, fresh = head, True
    for part in parts:
        room = width - cell_width(line) - (0 if fresh else len(PART))
        if cell_width(part) <= room:
            line += part if fresh else PART + part
            fresh = False
            continue
        if not fresh:
            yield line.rstrip()
            line = " " * indent
        for word in _pieces(part, width - indent - len(INDENT)):
            gap = "" if not line.strip() or line == head else " "
            if cell_width(line) + len(gap) + cell_width(word) > width and line.strip():
                yield line.rstrip()
                line, gap = " " * (indent + len(INDENT)), ""
            line += gap + word
        fresh = False
    yield line.rstrip()


def _pieces(part: str, room: int) -> Iterator[str]:
    """Yield the smallest parts of a line: a term, or words if that is too long."""
    for piece in _BREAKS.split(part):
        if cell_width(piece) <= room:
            yield piece
        else:
            yield from piece.split(" ")


def _table(table: Table, width: int) -> Iterator[str]:
    head, lines = table
    every = [head, *lines]
    widths = [max(cell_width(line[at]) for line in every) for at in range(len(head))]
    indent = INDENT * 2
    mark = widths[-1] + 2
    room = width - mark
    for start, stop in column_blocks(len(indent) + widths[0], widths[1:-1], room):
        for line in every:
            text = indent + _padded(line[0], widths[0])
            for at in range(start + 1, stop + 1):
                text += " " * (COLUMN_GAP + widths[at] - cell_width(line[at])) + line[at]
            last = stop == len(widths) - 2
            yield (f"{text}  {line[-1]}" if last else text).rstrip()
