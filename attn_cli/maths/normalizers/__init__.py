"""The normalisers: from the scores of a row to its weights. One module each, one signature.

    weights = normalize(scores, visible, parameters)   # (rows x keys) -> (rows x keys)

`scores` is -inf where `visible` is False, and the weights there are exactly 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attn_cli.registry import Registry

if TYPE_CHECKING:
    from attn_cli.maths.normalizers.base import Normalizer

NORMALIZERS: Registry[Normalizer] = Registry(
    "normaliser",
    "NORMALIZER",
    {
        "softmax": "attn_cli.maths.normalizers.softmax",
        "softmax1": "attn_cli.maths.normalizers.softmax1",
        "sink_logits": "attn_cli.maths.normalizers.sink_logits",
        "sparsemax": "attn_cli.maths.normalizers.sparsemax",
        "entmax15": "attn_cli.maths.normalizers.entmax15",
        "entmax": "attn_cli.maths.normalizers.entmax",
        "sigmoid": "attn_cli.maths.normalizers.sigmoid",
        "relu": "attn_cli.maths.normalizers.relu",
        "none": "attn_cli.maths.normalizers.none",
        "argmax": "attn_cli.maths.normalizers.argmax",
    },
    default="softmax",
    meant={
        "sparse_max": "sparsemax",
        "hardmax": "argmax",
        "hard": "argmax",
        "linear": "none",
        "identity": "none",
        "softmax_one": "softmax1",
        "quiet_softmax": "softmax1",
        "sinks": "sink_logits",
    },
)
