"""1.5-entmax, between softmax and sparsemax: alpha-entmax with alpha = 1.5.

    weights_j = max(s_j / 2 - tau, 0)^2,   tau such that they sum to 1

Weights lie in [0, 1]; a key whose score is 2 or more below the largest weighs exactly 0. The exact
algorithm of Peters et al. 2019 sorts the row: if the k largest x = s / 2 have the mean M and the
sum S of squared distances from it, tau = M - sqrt((1 - S) / k) for the largest k with tau <= x_(k).
The entmax package halves the scores before it sorts, as here, so that tau is in units of s / 2.
"""

from __future__ import annotations

import numpy as np

from attn_cli.arrays import Array, Bools
from attn_cli.formula import Call, Words
from attn_cli.maths.normalizers.base import SCORES, Normalizer
from attn_cli.maths.normalizers.simplex import Doubles, below_highest, descending, to_one
from attn_cli.maths.parameter import Parameters


def normalize(scores: Array, visible: Bools, _: Parameters) -> Array:
    """Return the 1.5-entmax of each row of (rows x keys)."""
    x = np.maximum(below_highest(scores, visible) / 2, -1)
    return to_one(np.maximum(x - threshold(x), 0) ** 2, visible, scores.dtype)


def threshold(x: Doubles) -> Doubles:
    """Return tau of each row as (rows x 1); x must lie in [-1, 0], with the largest at 0."""
    ordered = descending(x)
    k = np.arange(1, x.shape[1] + 1)
    sums = ordered.cumsum(axis=1)
    mean = sums / k
    around = (ordered**2).cumsum(axis=1) - sums * mean
    of_k = mean - np.sqrt(np.maximum(1 - around, 0) / k)
    # Over the k that qualify tau grows with k: the largest k has the largest tau.
    tau: Doubles = of_k.max(axis=1, keepdims=True, where=of_k <= ordered, initial=-1)
    # Newton's method corrects the rounding of long running sums; it squares the error. tau
    # stays >= -1, for the squares sum to tau^2 at least.
    for _ in range(2):
        root = np.maximum(x - tau, 0)
        # The roots of weights that sum to 1 sum to 1 at least.
        slope = 2 * np.maximum(root.sum(axis=1, keepdims=True), 1)
        tau = tau + ((root**2).sum(axis=1, keepdims=True) - 1) / slope
    return tau


NORMALIZER = Normalizer(
    name="entmax15",
    formula=Call(Words("1.5-entmax"), SCORES),
    reference="Peters, Niculae and Martins 2019, arXiv 1905.05702",
    explanation=(
        "Between softmax and sparsemax: weights sum to 1, fall smoothly to 0, and are exactly 0 "
        "from 2 below the largest score on, or earlier."
    ),
    normalize=normalize,
)
