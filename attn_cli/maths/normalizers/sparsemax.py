"""Sparsemax: the point of the simplex that is nearest to the scores.

    weights = argmin_p |p - s|^2 over p >= 0, sum_j p_j = 1
            = max(s_j - tau, 0),   tau = (sum of the k largest s - 1) / k,   k keys weigh above 0

Weights lie in [0, 1] and sum to 1; a key whose score is 1 or more below the largest weighs
exactly 0. The exact algorithm of Martins and Astudillo 2016 sorts the row and takes the largest k
with 1 + k s_(k) > the sum of the k largest. That is the k at which (sum of the k largest - 1) / k
is largest, since one key more raises it just as long as its score is above it.
"""

from __future__ import annotations

import numpy as np

from attn_cli.arrays import Array, Bools
from attn_cli.formula import Call
from attn_cli.maths.normalizers.base import SCORES, Normalizer
from attn_cli.maths.normalizers.simplex import Doubles, below_highest, descending, to_one
from attn_cli.maths.parameter import Parameters


def normalize(scores: Array, visible: Bools, _: Parameters) -> Array:
    """Return the projection of each row of (rows x keys) onto the simplex."""
    x = np.maximum(below_highest(scores, visible), -1)
    return to_one(np.maximum(x - threshold(x), 0), visible, scores.dtype)


def threshold(x: Doubles) -> Doubles:
    """Return tau of each row as (rows x 1); x must lie in [-1, 0], with the largest at 0."""
    k = np.arange(1, x.shape[1] + 1)
    tau = ((descending(x).cumsum(axis=1) - 1) / k).max(axis=1, keepdims=True, initial=-1)
    # One step of Newton's method corrects the rounding of a long running sum. tau stays >= -1,
    # because p sums to -tau at least.
    p = np.maximum(x - tau, 0)
    support = np.maximum(np.count_nonzero(p, axis=1, keepdims=True), 1)
    better: Doubles = tau + (p.sum(axis=1, keepdims=True) - 1) / support
    return better


NORMALIZER = Normalizer(
    name="sparsemax",
    formula=Call("sparsemax", SCORES),
    reference="Martins and Astudillo 2016, arXiv 1602.02068",
    explanation=(
        "The point of the simplex nearest to the scores: weights sum to 1, and those of small "
        "scores are exactly 0."
    ),
    normalize=normalize,
)
