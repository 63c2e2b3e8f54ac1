"""The gradients of the normalisers, from d weights to d scores of a row.

    softmax:  dS_j = w_j (dw_j - sum_l w_l dw_l)
    none:     dS_j = dw_j where the key is visible

`argmax` is not here: it is constant but for its jumps. Nor are the other normalisers, as yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from attn_cli.arrays import Array, Bools


def softmax(weights: Array, visible: Bools, d_weights: Array) -> Array:
    """Return dS (rows, keys); what is hidden weighs 0 and so has none."""
    d = np.where(visible, d_weights, 0)
    d_scores: Array = weights * (d - (weights * d).sum(axis=1, keepdims=True))
    return d_scores


def none(_: Array, visible: Bools, d_weights: Array) -> Array:
    """Return dS (rows, keys)."""
    d_scores: Array = np.where(visible, d_weights, 0)
    return d_scores


NORMALIZER_GRADIENTS: Mapping[str, Callable[[Array, Bools, Array], Array]] = {
    "softmax": softmax,
    "none": none,
}
