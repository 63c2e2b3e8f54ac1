"""The gradients of the score functions: one module each, all with the signature of `base`.

A score function that is not listed here has no gradient, and `attn train` says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attn_cli.registry import Registry

if TYPE_CHECKING:
    from attn_cli.train.gradients.scores.base import ScoreGradient

SCORE_GRADIENTS: Registry[ScoreGradient] = Registry(
    "score function with a gradient",
    "GRADIENT",
    {
        "dot": "attn_cli.train.gradients.scores.dot",
        "scaled": "attn_cli.train.gradients.scores.dot",  # the scale is applied outside
        "additive": "attn_cli.train.gradients.scores.additive",
        "multiplicative": "attn_cli.train.gradients.scores.multiplicative",
        "gated": "attn_cli.train.gradients.scores.gated",
        "sparse": "attn_cli.train.gradients.scores.sparse",
        "gaussian": "attn_cli.train.gradients.scores.gaussian",
        "given": "attn_cli.train.gradients.scores.given",
    },
)
