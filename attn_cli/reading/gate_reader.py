"""The gate on the output, read."""

from __future__ import annotations

import numpy as np

from attn_cli.dataclass import replace
from attn_cli.errors import AttnError, Path, dotted
from attn_cli.maths.gate import OutputGate
from attn_cli.maths.linear import Linear
from attn_cli.maths.problem import Projection
from attn_cli.reading.keys import KEYS
from attn_cli.reading.sources import Sources
from attn_cli.sources.matrices.shapes import shape_text
from attn_cli.sources.matrices.spread import ScoresShape
from attn_cli.sources.text.mappings import mapping


def read_gate(
    sources: Sources, query: Projection | None, shape: ScoresShape, d_v: int
) -> OutputGate | None:
    """Return the gate, from weights applied to X or from logits as given; None without one."""
    node, path = sources.document.tree.get("output_gate"), ("output_gate",)
    if node is None:
        return None
    keys = mapping(node, path, KEYS["output_gate"].inner)
    if ("weights" in keys) == ("logits" in keys):
        problem = "both weights and logits" if "weights" in keys else "neither weights nor logits"
        raise AttnError(
            f"output_gate has {problem}",
            path=path,
            help="write {weights: ..., bias: ...}, applied to what queries are made from, or "
            "{logits: ...}",
        )
    heads = shape.heads or 1
    if "logits" in keys:
        if "bias" in keys:
            raise AttnError(
                "output_gate.bias belongs to weights, and logits are given",
                path=(*path, "bias"),
                at_key=True,
                help="add it to the logits",
            )
        return OutputGate(logits=_logits(sources, keys["logits"], shape, d_v), heads=heads)
    if query is None or not query.letter:
        raise AttnError(
            "output_gate.weights are applied to what queries are made from, and the queries are "
            "given as they are",
            path=(*path, "weights"),
            help="give output_gate: {logits: ...}, or embeddings",
        )
    place: Path = (*path, "weights")
    weight = sources.matrix(keys["weights"], place, ("d_model", "gates"))
    if weight.shape[1] not in (heads, heads * d_v):
        raise AttnError(
            f"output_gate.weights has {weight.shape[1]} gates, expected heads d_v = {heads * d_v}, "
            f"or heads = {heads}",
            path=place,
            help="give one gate for each feature of each head, or one for each head",
        )
    bias = None
    if "bias" in keys:
        bias = sources.array(keys["bias"], (*path, "bias"), ("gates",))
    return OutputGate(linear=Linear(weight, bias), heads=heads)


def _logits(sources: Sources, node: object, shape: ScoresShape, d_v: int) -> np.ndarray:
    """Return logits (batch, heads, n_q, d_v), or with one number per head and query.

    In layout columns they are written (batch, heads, d_v, n_q).
    """
    path: Path = ("output_gate", "logits")
    logits = sources.numbers(node, path)
    at = 2 if shape.columns else 1  # which axis from the last is d_v
    width = logits.shape[-at] if logits.ndim >= at else 0
    if width not in (1, d_v):
        axis = "its last axis but one" if shape.columns else "its last axis"
        raise AttnError(
            f"{dotted(path)} has shape {shape_text(logits.shape)}: {axis} must be "
            f"d_v = {d_v}, or 1",
            path=path,
            help="give one number for each feature, or one for each head and query",
        )
    context = replace(shape, n_k=width, whose="context", last="d_v")
    return context.spread(logits, path)
