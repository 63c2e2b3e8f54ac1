"""Softmax over the visible keys of a row.

    weights_j = exp(s_j) / sum_l exp(s_l)

The largest visible score is taken off first, so that exp cannot overflow. A row without a visible
key gives zeros: PyTorch from 2.5, ONNX and flash-attention do so too; older ones gave NaN, and
those that hide with a finite number give uniform weights.
"""

from __future__ import annotations

import numpy as np

from attn_cli.core.arrays import Array, Bools
from attn_cli.core.normalizers.base import Normalizer


def normalize(scores: Array, visible: Bools) -> Array:
    """Return the softmax of each row of (rows x keys): it sums to 1, or to 0 where it is empty."""
    highest = scores.max(axis=1, keepdims=True, where=visible, initial=-np.inf)
    highest[~visible.any(axis=1)] = 0  # -inf - (-inf) is NaN
    e = np.exp(scores - highest, out=np.zeros_like(scores), where=visible)
    # 65 504 keys of equal score are the most that a sum in float16 can hold.
    total = e.sum(axis=1, keepdims=True, dtype=np.promote_types(e.dtype, np.float32))
    weights: Array = np.divide(e, total, out=e, where=total != 0, casting="same_kind")
    return weights


NORMALIZER = Normalizer(name="softmax", formula="softmax({scores})", normalize=normalize)
