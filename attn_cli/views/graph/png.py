"""A graph as PNG: its SVG, drawn at twice the size."""

from __future__ import annotations

from attn_cli.lab.weights_graph import Graph
from attn_cli.views import Style
from attn_cli.views.graph import svg
from attn_cli.views.pictures.resvg import as_png, check_fonts

check, check_size = check_fonts, svg.check_size


def render(graph: Graph, style: Style) -> bytes:
    """Return the picture."""
    return as_png(svg.render(graph, style))
