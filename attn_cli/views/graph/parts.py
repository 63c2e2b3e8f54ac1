"""What the drawings of a graph have in common: weights as text, strengths, what is left out."""

from __future__ import annotations

import re
from math import isinf

import numpy as np

from attn_cli.lab.weights_graph import Edge, Graph
from attn_cli.views.cells import cells
from attn_cli.views.invisible import backslashed, made_visible

# Joiners between letters or pictures of other scripts, which are drawn otherwise without them.
_JOINED = re.compile("(?<=[^\0-\x7f\u200b-\u200f])([\u200c\u200d])(?=[^\0-\x7f\u200b-\u200f])")


def weights(graph: Graph, digits: int, *, align: bool) -> list[str]:
    """Return the weight of each edge as people read it."""
    column = np.array([[edge.weight] for edge in graph.edges]).reshape(-1, 1)
    return [row[0] for row in cells(column, digits, align=align)]


def strengths(graph: Graph) -> list[float]:
    """Return each edge's part, from 0 to 1, of what is drawn strongest.

    That is a weight of 1, the most that a softmax gives, or the strongest where it is above 1.
    """
    sizes = [abs(edge.weight) for edge in graph.edges]
    most = max([1.0, *(size for size in sizes if not isinf(size))])
    return [min(size / most, 1.0) for size in sizes]


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


def drawable(label: str) -> str:
    r"""Return a label in which what no picture can show is written out; lines stay lines.

    >>> drawable("a\x1b")
    'a\\x1b'
    """
    parts = _JOINED.split(label.replace("\r\n", "\n"))  # every second one is a joiner
    text = "".join(
        part if at % 2 else made_visible(part, kept="\n") for at, part in enumerate(parts)
    )
    return "".join(backslashed(c) if ord(c) & 0xFFFE == 0xFFFE else c for c in text)  # not XML
