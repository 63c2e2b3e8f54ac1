"""What the drawings of a graph have in common: weights as text, strengths, what is left out."""

from __future__ import annotations

from math import isinf

import numpy as np

from attn_cli.lab.weights_graph import Edge, Graph
from attn_cli.views.cells import cells, pointed


def weights(graph: Graph, digits: int, *, align: bool) -> list[str]:
    """Return the weight of each edge as people read it."""
    column = np.array([[edge.weight] for edge in graph.edges]).reshape(-1, 1)
    shown = cells(column, digits)
    return [row[0] for row in (pointed(shown) if align else shown)]


def largest(graph: Graph) -> float:
    """Return the weight that is drawn strongest: 1, the most that a softmax gives, or a larger."""
    sizes = (abs(edge.weight) for edge in graph.edges)
    return max([1.0, *(size for size in sizes if not isinf(size))])


def strengths(graph: Graph) -> list[float]:
    """Return each edge's part, from 0 to 1, of what is drawn strongest."""
    most = largest(graph)
    return [min(abs(edge.weight) / most, 1.0) for edge in graph.edges]


def entry(edge: Edge) -> str:
    """Return which batch entry and head an edge is of; empty where the weights are one matrix."""
    return ", ".join(f"{axis} {index}" for axis, index in edge.entry.items())


def left_out(graph: Graph) -> str:
    """Return the line that counts what is left out; empty where that is nothing."""
    counts = (
        (graph.left_out.below, f"below {graph.threshold:.15g}"),
        (graph.left_out.beyond, f"beyond the first {graph.top}"),
        (graph.left_out.nan, "with weight NaN"),
    )
    parts = [f"{count} {why}" for count, why in counts if count]
    if not parts:
        return "" if graph.edges else "no edges: every weight is 0"
    first, _, rest = parts[0].partition(" ")
    parts[0] = f"{first} {'edge' if first == '1' else 'edges'} {rest}"
    return f"left out: {', '.join(parts)}"
