"""The score functions: one module each, all with the signature of `base.ScoreFunction`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attn_cli.registry import Registry

if TYPE_CHECKING:
    from attn_cli.maths.scores.base import ScoreFunction

SCORES: Registry[ScoreFunction] = Registry(
    "score function",
    "SCORE",
    {
        "dot": "attn_cli.maths.scores.dot",
        "scaled": "attn_cli.maths.scores.scaled",
        "additive": "attn_cli.maths.scores.additive",
        "multiplicative": "attn_cli.maths.scores.multiplicative",
        "gated": "attn_cli.maths.scores.gated",
        "sparse": "attn_cli.maths.scores.sparse",
        "gaussian": "attn_cli.maths.scores.gaussian",
        "given": "attn_cli.maths.scores.given",
    },
    default="scaled",
    meant={
        "bahdanau": "additive",
        "concat": "additive",
        "mlp": "additive",
        "luong": "multiplicative' (Luong's general) or 'dot",
        "general": "multiplicative",
        "bilinear": "multiplicative",
        "scaled_dot_product": "scaled",
        "scaled_dot_product_attention": "scaled",
        "scaled_dot": "scaled",
        "sdpa": "scaled",
        "softmax": "scaled",
        "dot_product": "dot",
        "dotproduct": "dot",
        "rbf": "gaussian",
        "kernel": "gaussian",
        "cosine": "dot' with 'qk_norm: l2",
        "local": "sparse",
    },
)
