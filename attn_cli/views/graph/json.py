"""A graph as a JSON document `attn/1`, one line per node and edge."""

from __future__ import annotations

from math import isfinite
from typing import Any

from attn_cli.lab.weights_graph import Edge, Graph
from attn_cli.views import Style
from attn_cli.views.json import FORMAT, leaf, rounded


def render(graph: Graph, style: Style) -> str:
    """Return the document."""
    document: dict[str, Any] = {
        "format": FORMAT,
        "command": graph.command,
        "settings": graph.settings,
        "nodes": [vars(node) for node in graph.nodes],
        "edges": [_edge(edge, style.digits) for edge in graph.edges],
        "left_out": vars(graph.left_out),
        "warnings": list(graph.warnings),
    }
    items = (f"  {leaf(key)}: {_block(value)}" for key, value in document.items())
    return "{\n" + ",\n".join(items) + "\n}\n"


def _edge(edge: Edge, digits: int | None) -> dict[str, object]:
    """Return an edge; an infinite weight is a string, as JSON has no such number."""
    weight = rounded(edge.weight, digits) if isfinite(edge.weight) else str(edge.weight)
    return {"source": edge.source, "target": edge.target, "weight": weight, **edge.entry}


def _block(value: Any) -> str:
    """Return a mapping or a list of mappings with one line per item, other values on one line."""
    if value and isinstance(value, dict):
        opening, closing = "{}"
        lines = [f"{leaf(key)}: {leaf(item)}" for key, item in value.items()]
    elif value and isinstance(value, list) and isinstance(value[0], dict):
        opening, closing = "[]"
        lines = [leaf(item) for item in value]
    else:
        return leaf(value)
    return opening + ",".join(f"\n    {line}" for line in lines) + f"\n  {closing}"
