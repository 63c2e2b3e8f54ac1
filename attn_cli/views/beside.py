"""Several records side by side: the same steps of several phrases, to compare them by eye.

For each phrase: its tokens, below them the weights that each token gives, below them the value
vectors, so that every column belongs to one token.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from attn_cli.dataclass import dataclass
from attn_cli.errors import AttnError, printable
from attn_cli.record import Record, Step
from attn_cli.views import Style
from attn_cli.views.cells import cell_width, cells, column_blocks, pointed
from attn_cli.views.choices import margin

GUTTER = "    "  # between two phrases


@dataclass(frozen=True)
class _Panel:
    """One phrase: rows of label and cells, under a head of tokens."""

    title: str
    head: list[str]
    groups: list[tuple[str, list[tuple[str, list[str]]]]]  # name of the group, its rows
    foot: str


def render(records: Sequence[Record], style: Style) -> str:
    """Return the phrases side by side, as many as fit the width."""
    blocks = [_lines(_panel(record, style), style.width) for record in records]
    out: list[str] = []
    for row in _rows(blocks, style.width):
        height = max(len(block) for block in row)
        for at in range(height):
            parts = [block[at] if at < len(block) else " " * _width(block) for block in row]
            out.append(GUTTER.join(parts).rstrip())
        out.append("")
    return "".join(f"{line}\n" for line in out[:-1])


def _panel(record: Record, style: Style) -> _Panel:
    weights, values = record.steps.get("weights"), record.steps.get("v")
    if weights is None or values is None or len(weights.axes) != 2:
        raise AttnError(
            "phrases are compared by their weights and values, of one head",
            help="compare a model of one head, or compute each phrase by itself",
        )
    tokens = [printable(token) for token in record.key_tokens]
    by_query = _by_key(weights)
    by_dimension = _by_key(values)
    groups = [
        ("weights", _named(by_query, [printable(q) for q in record.query_tokens], style)),
        ("values", _named(by_dimension, [str(d) for d in range(len(by_dimension))], style)),
    ]
    (choice,) = record.choices
    foot = f"-> {printable(choice.answer)}   {margin(choice, style.decimals)}"
    return _Panel(printable(record.title or choice.asked), tokens, groups, foot)


def _by_key(step: Step) -> np.ndarray:
    """Return the values of a step with one column per key."""
    return step.values if step.axes[-1] == "key" else step.values.T


def _named(values: np.ndarray, names: list[str], style: Style) -> list[tuple[str, list[str]]]:
    return list(zip(names, pointed(cells(values, style.decimals)), strict=True))


def _lines(panel: _Panel, width: int | None) -> list[str]:
    """Return the lines of one phrase, all equally wide; too many tokens are split into parts."""
    rows = [row for _, group in panel.groups for row in group]
    label = max(cell_width(name) for name, _ in [*rows, *((name, []) for name, _ in panel.groups)])
    columns = list(zip(panel.head, *(line for _, line in rows), strict=True))
    widths = [max(cell_width(text) for text in column) for column in columns]

    def line(name: str, texts: list[str], part: slice) -> str:
        pairs = zip(texts[part], widths[part], strict=True)
        padded = (" " * (size - cell_width(text)) + text for text, size in pairs)
        return name + " " * (label - cell_width(name)) + "".join(f"   {text}" for text in padded)

    lines = [panel.title]
    for first, last in column_blocks(label, widths, width):
        part = slice(first, last)
        lines += ["", line("", panel.head, part)]
        for name, group in panel.groups:
            lines += [name, *(line(each, texts, part) for each, texts in group)]
    lines += ["", panel.foot]
    widest = max(cell_width(text) for text in lines)
    return [text + " " * (widest - cell_width(text)) for text in lines]


def _width(block: list[str]) -> int:
    return cell_width(block[0])


def _rows(blocks: list[list[str]], width: int | None) -> Iterator[list[list[str]]]:
    """Yield the blocks that fit the width side by side; at least one."""
    row: list[list[str]] = []
    used = 0
    for block in blocks:
        more = _width(block) + len(GUTTER) * bool(row)
        if row and width is not None and used + more > width:
            yield row
            row, used, more = [], 0, _width(block)
        row.append(block)
        used += more
    yield row
