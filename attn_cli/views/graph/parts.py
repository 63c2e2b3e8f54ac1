"""Parts that drawings of graphs share: weights as text, strengths, the count of missing edges."""

from __future__ import annotations

from collections.abc import Mapping
from math import isinf

import numpy as np

from attn_cli.lab.weights_graph import Edge, Graph
from attn_cli.views.cells import cells, pointed

EVERY: Mapping[str, int] = {}  # entry: nothing is chosen


def weights(graph: Graph, digits: int, *, align: bool) -> list[str]:
    """Return the weight of each edge as text for people."""
    column = np.array([[edge.weight] for edge in graph.edges]).reshape(-1, 1)
    shown = cells(column, digits)
    return [row[0] for row in (pointed(shown) if align else shown)]


def largest(graph: Graph) -> float:
    """Return the weight of the strongest drawing: 1 (the largest of a softmax), or a larger one."""
    sizes = (abs(edge.weight) for edge in graph.edges)
    return max([1.0, *(size for size in sizes if not isinf(size))])


def strengths(graph: Graph) -> list[float]:
    """Return the strength of each edge, from 0 to 1."""
    most = largest(graph)
    return [min(abs(edge.weight) / most, 1.0) for edge in graph.edges]


def entry(edge: Edge) -> str:
    """Return the batch entry and head of an edge; empty if the weights are one matrix."""
    return ", ".join(f"{axis} {index}" for axis, index in edge.entry.items())


def chosen(graph: Graph, entry: Mapping[str, int] = EVERY) -> str:
    """Return the batch entry and head that were chosen, with those of an entry; empty if none."""
    found = {axis: graph.settings.get(axis) for axis in ("batch", "head")} | dict(entry)
    return ", ".join(f"{axis} {number}" for axis, number in found.items() if number is not None)


def left_out(graph: Graph) -> str:
    """Return the line that counts the edges left out; empty if there are none."""
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
