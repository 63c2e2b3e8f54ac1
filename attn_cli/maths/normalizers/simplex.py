"""Common parts of the normalisers whose rows are points of the simplex with exact zeros.

sparsemax, entmax15 and entmax have the form

    p_j = max((alpha - 1) s_j - tau, 0)^(1 / (alpha - 1)),   tau such that sum_j p_j = 1

A shift of a row changes tau and no weight, so the largest visible score is subtracted first:
nothing overflows, and tau lies in [-1, 0). A key with (alpha - 1) (s_j - max s) <= -1 has weight
0. tau is found in float64 for all types of the scores; the weights are rounded to that type once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from attn_cli.arrays import Array, Bools

Doubles = NDArray[np.float64]


def below_highest(scores: Array, visible: Bools) -> Doubles:
    """Return s_j - max_l s_l, at most 0, of each row of (rows x keys); -inf for hidden keys."""
    highest = scores.max(axis=1, keepdims=True, where=visible, initial=-np.inf)
    below: Doubles = np.full(scores.shape, -np.inf)
    np.subtract(scores, highest, out=below, where=visible, dtype=np.float64)
    return below


def descending(x: Doubles) -> Doubles:
    """Return each row sorted, the largest first."""
    return np.sort(x, axis=1)[:, ::-1]


def to_one(p: Doubles, visible: Bools, dtype: np.dtype[Any]) -> Array:
    """Return the rows of `p`, which is 0 for hidden keys, divided by their sums."""
    total = p.sum(axis=1, keepdims=True)
    weights: Array = np.divide(p, total, out=np.zeros(p.shape), where=visible)
    return weights.astype(dtype, copy=False)
