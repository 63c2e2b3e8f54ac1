"""A graph in Graphviz's language, DOT."""

from __future__ import annotations

from collections.abc import Iterator

from attn_cli.lab.weights_graph import Graph
from attn_cli.views import Style
from attn_cli.views.graph.parts import entry, left_out, strengths, weights
from attn_cli.views.invisible import drawable

THIN, THICK = 0.5, 5.0  # points
SHAPES = {"token": "ellipse", "query": "box", "key": "ellipse"}


def render(graph: Graph, style: Style) -> str:
    """Return a digraph that Graphviz draws without changes."""
    return "".join(f"{line}\n" for line in _lines(graph, style))


def _lines(graph: Graph, style: Style) -> Iterator[str]:
    yield "digraph attention {"
    note = left_out(graph)
    if note:
        yield f"  // {note}"
    yield '  graph [rankdir=LR, charset="UTF-8"];'
    for node in graph.nodes:
        yield f"  {node.id} [label={quoted(node.label)}, shape={SHAPES[node.kind]}];"
    for kind in ("query", "key"):  # two columns
        ids = [node.id for node in graph.nodes if node.kind == kind]
        if ids:
            yield f"  {{ rank=same; {'; '.join(ids)}; }}"
    numbers = weights(graph, style.decimals, align=False)
    for edge, number, strength in zip(graph.edges, numbers, strengths(graph), strict=True):
        label = f"{entry(edge)}: {number}" if edge.entry else number
        pen = THIN + (THICK - THIN) * strength
        dashed = ", style=dashed" if edge.weight < 0 else ""
        yield f'  {edge.source} -> {edge.target} [label="{label}", penwidth={pen:.2f}{dashed}];'
    yield "}"


def quoted(label: str) -> str:
    r"""Return a label as a quoted string that Graphviz shows as it was.

    It reads such a string three times: for the quotes, for escapes such as \N (the name of the
    node) and for entities as in HTML.

    >>> print(quoted('"\\N" &amp;'))
    "\"\\N\" &amp;amp;"
    """
    escapes = str.maketrans({"&": "&amp;", "\\": "\\\\", '"': '\\"', "\n": "\\n"})
    return f'"{drawable(label).translate(escapes)}"'
