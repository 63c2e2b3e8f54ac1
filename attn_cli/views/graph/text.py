"""A graph as lines, one per edge: `love -> coding   0.4223  ████`."""

from __future__ import annotations

from collections import Counter

from attn_cli.lab.weights_graph import Graph, Node
from attn_cli.views import Style
from attn_cli.views.bars import bars, padded
from attn_cli.views.cells import LABEL_WIDTH, cell_width, short_word
from attn_cli.views.graph.parts import entry, left_out, strengths, weights

BAR_CELLS = 10  # of the strongest bar
LEAST_WORD = 8  # columns of a word on a narrow terminal


def render(graph: Graph, style: Style) -> str:
    """Return one line per edge, and a last one that counts the edges left out."""
    lines = _lines(graph, style)
    note = left_out(graph)
    if note:
        lines += ["", note] if lines else [note]
    return "".join(f"{line}\n" for line in lines)


def _lines(graph: Graph, style: Style) -> list[str]:
    numbers = weights(graph, style.decimals, align=True)
    width = max(map(len, numbers), default=0)
    entries = padded([f"{entry(edge)}   " if edge.entry else "" for edge in graph.edges])
    names = _names(graph.nodes, _room(style, max(map(len, entries), default=0) + width))
    sources = padded([names[edge.source] for edge in graph.edges])
    targets = padded([names[edge.target] for edge in graph.edges])
    heads = [
        f"{lead}{source} -> {target}   {number:>{width}}"
        for lead, source, target, number in zip(entries, sources, targets, numbers, strict=True)
    ]
    return [
        f"{head}  {bar}".rstrip()
        for head, bar in zip(heads, _bars(graph, heads, style), strict=True)
    ]


def _bars(graph: Graph, heads: list[str], style: Style) -> list[str]:
    """Return a bar for each edge, as long as the width allows."""
    room = BAR_CELLS
    if style.width is not None:
        used = max(map(cell_width, heads), default=0)
        room = max(0, min(room, style.width - used - 2))
    return bars(list(strengths(graph)), room, ascii=style.ascii)


def _room(style: Style, used: int) -> int:
    """Return the columns of a word: two fit on a line, beside what is used, the arrow and gaps."""
    if style.width is None:
        return LABEL_WIDTH
    return max(LEAST_WORD, min(LABEL_WIDTH, (style.width - used - len(" ->    ")) // 2))


def _names(nodes: tuple[Node, ...], room: int) -> dict[str, str]:
    """Return id -> the word of a node, with its position if the word occurs twice."""
    words = {node.id: short_word(node.label, room) for node in nodes}
    count = Counter((node.kind, words[node.id]) for node in nodes)
    return {
        node.id: f"{words[node.id]} ({node.position})"
        if count[node.kind, words[node.id]] > 1
        else words[node.id]
        for node in nodes
    }
