"""A graph as a Mermaid flowchart, which Git hosts and notebooks draw."""

from __future__ import annotations

import re
from collections.abc import Iterator

from attn_cli.lab.weights_graph import Graph
from attn_cli.views import Style
from attn_cli.views.graph.parts import entry, left_out, weights
from attn_cli.views.invisible import drawable

# Labels are parsed as Mermaid, Markdown and HTML, so any ASCII punctuation can have a meaning;
# Mermaid itself uses ﬂ and ¶ to write entities.
_SPECIAL = re.compile(r"[!-/:-@\[-`{-~ﬂ¶]")
_NAMES = {'"': "quot", "&": "amp", "<": "lt", ">": "gt"}
SHAPES = {"token": ("([", "])"), "query": ("[", "]"), "key": ("([", "])")}


def render(graph: Graph, style: Style) -> str:
    """Return the flowchart."""
    return "".join(f"{line}\n" for line in _lines(graph, style))


def _lines(graph: Graph, style: Style) -> Iterator[str]:
    yield "flowchart LR"
    note = left_out(graph)
    if note:
        yield f"  %% {note}"
    for node in graph.nodes:
        opening, closing = SHAPES[node.kind]
        yield f'  {node.id}{opening}"{escaped(node.label)}"{closing}'
    for edge, number in zip(graph.edges, weights(graph, style.decimals, align=False), strict=True):
        label = f"{entry(edge)}: {number}" if edge.entry else number
        arrow = "-.->" if edge.weight < 0 else "-->"
        yield f'  {edge.source} {arrow}|"{label}"| {edge.target}'


def escaped(label: str) -> str:
    """Return a label with an entity for every character that could have a meaning.

    >>> escaped('"a" #1.')
    '#quot;a#quot; #35;1#46;'
    """
    lines = (
        _SPECIAL.sub(lambda found: _entity(found[0]), line) for line in drawable(label).split("\n")
    )
    return "<br/>".join(lines) or " "  # an empty label is a syntax error


def _entity(character: str) -> str:
    return f"#{_NAMES.get(character, ord(character))};"
