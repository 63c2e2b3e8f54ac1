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
        "concat": "attn_cli.maths.scores.concat",
        "multiplicative": "attn_cli.maths.scores.multiplicative",
        "gated": "attn_cli.maths.scores.gated",
        "sparse": "attn_cli.maths.scores.sparse",
        "gaussian": "attn_cli.maths.scores.gaussian",
        "cosine": "attn_cli.maths.scores.cosine",
        "given": "attn_cli.maths.scores.given",
    },
    default="scaled",
    meant={
        "mlp": "additive",
        "bilinear": "multiplicative",
        "scaled_dot_product_attention": "scaled",
        "scaled_dot": "scaled",
        "sdpa": "scaled",
        "softmax": "scaled",
        "dot_product": "dot",
        "dotproduct": "dot",
        "rbf": "gaussian",
        "kernel": "gaussian",
        "cosine_similarity": "cosine",
        "cos": "cosine",
        "local": "sparse",
    },
    aliases={
        "bahdanau": ("additive", "the score of Bahdanau et al. 2015"),
        "luong": (
            "multiplicative",
            "the `general` of Luong et al. 2015; theirs are dot and concat, too",
        ),
        "general": ("multiplicative", "Luong et al. 2015 call it `general`"),
        "scaled_dot_product": ("scaled", "the scaled dot product of Vaswani et al. 2017"),
    },
)
