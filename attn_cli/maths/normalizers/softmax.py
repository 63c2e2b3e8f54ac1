"""Softmax over the visible keys of a row.

    weights_j = exp(s_j) / sum_l exp(s_l),   lse = log(sum_l exp(s_l))

The largest visible score is taken off first, so that exp cannot overflow. A row without a visible
key gives zeros: PyTorch from 2.5, ONNX and flash-attention do so too; older ones gave NaN, and
those that hide with a finite number give uniform weights.
"""

from __future__ import annotations

import numpy as np

from attn_cli.arrays import Array, Bools, every
from attn_cli.formula import Call
from attn_cli.maths.normalizers.base import SCORES, Normalizer
from attn_cli.maths.parameter import Parameters

NONE: Parameters = {}


def normalize(scores: Array, visible: Bools, _: Parameters = NONE) -> Array:
    """Return the softmax of rows (..., rows, keys): each sums to 1, or to 0 if it sees no key."""
    if every(visible):  # faster without `where`
        e: Array = scores - scores.max(axis=-1, keepdims=True, initial=-np.inf)
        np.exp(e, out=e)
        np.divide(e, row_sums(e), out=e, casting="same_kind")
        return e
    highest = scores.max(axis=-1, keepdims=True, where=visible, initial=-np.inf)
    # -inf - (-inf) is NaN
    highest = np.where(visible.any(axis=-1, keepdims=True), highest, highest.dtype.type(0))
    e = np.exp(scores - highest, out=np.zeros_like(scores), where=visible)
    weights: Array = np.divide(e, row_sums(e), out=e, where=visible, casting="same_kind")
    return weights


def row_sums(e: Array) -> Array:
    """Return the sum of each row of (..., rows, keys) as (..., rows, 1), in float32 at least.

    65 504 keys of equal score are the most that a sum in float16 can hold.
    """
    total: Array = e.sum(axis=-1, keepdims=True, dtype=np.promote_types(e.dtype, np.float32))
    return total


def log_sum(scores: Array, visible: Bools, _: Parameters = NONE) -> Array:
    """Return log(sum_l exp(s_l)) of each row, -inf if no key is visible."""
    highest = scores.max(axis=1, where=visible, initial=-np.inf)
    finite = np.where(np.isfinite(highest), highest, 0)
    e = np.exp(scores - finite[:, None], out=np.zeros_like(scores), where=visible)
    total: Array = finite + np.log(row_sums(e)[:, 0])
    return total


def backward(weights: Array, visible: Bools, d_weights: Array) -> Array:
    """Return dS_j = w_j (dw_j - sum_l w_l dw_l) of each row; 0 for hidden keys, which weigh 0."""
    d = np.where(visible, d_weights, 0)
    d_scores: Array = weights * (d - (weights * d).sum(axis=-1, keepdims=True))
    return d_scores


NORMALIZER = Normalizer(
    name="softmax",
    formula=Call("softmax", SCORES),
    reference="Bridle 1990; Vaswani et al. 2017, arXiv 1706.03762",
    explanation=(
        "Positive weights that sum to 1; a difference of two scores is the logarithm of "
        "the ratio of their weights."
    ),
    normalize=normalize,
    sinks=lambda _: (),
    log_sum=log_sum,
    lse=Call("log", Call("sum", Call("exp", SCORES))),
    backward=backward,
)
