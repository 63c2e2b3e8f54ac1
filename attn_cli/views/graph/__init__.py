"""Views of a graph: a graph -> text. One module a format, all with one signature.

    render(graph, style) -> str

Like every view they get what they show and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from attn_cli.registry import Registry
from attn_cli.views import Format, Style

if TYPE_CHECKING:
    from attn_cli.lab.weights_graph import Graph

GRAPH_FORMATS = {
    "text": Format(
        module="attn_cli.views.graph.text", suffixes=(".txt",), options=("digits",), drawn=True
    ),
    "dot": Format(module="attn_cli.views.graph.dot", suffixes=(".dot", ".gv"), options=("digits",)),
    "mermaid": Format(
        module="attn_cli.views.graph.mermaid", suffixes=(".mmd", ".mermaid"), options=("digits",)
    ),
    "json": Format(module="attn_cli.views.graph.json", suffixes=(".json",)),
}

RenderGraph = Callable[["Graph", Style], str]
GRAPH_RENDERERS: Registry[RenderGraph] = Registry(
    "format", "render", {name: form.module for name, form in GRAPH_FORMATS.items()}
)
