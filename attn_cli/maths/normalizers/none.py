"""No normaliser: the scores themselves weigh the values.

    weights_j = s_j

This is linear attention without a kernel, and the look-up by one-hot keys.
"""

from __future__ import annotations

import numpy as np

from attn_cli.arrays import Array, Bools
from attn_cli.formula import Remark
from attn_cli.maths.normalizers.base import SCORES, Normalizer
from attn_cli.maths.parameter import Parameters


def normalize(scores: Array, visible: Bools, _: Parameters) -> Array:
    """Return the scores, with 0 for hidden keys."""
    weights: Array = np.where(visible, scores, scores.dtype.type(0))
    return weights


def backward(_: Array, visible: Bools, d_weights: Array) -> Array:
    """Return dS_j = dw_j for visible keys, 0 for hidden ones."""
    d_scores: Array = np.where(visible, d_weights, 0)
    return d_scores


NORMALIZER = Normalizer(
    name="none",
    formula=Remark(SCORES, "as they are"),
    reference="linear attention without a kernel",
    explanation=("The visible scores themselves are the weights."),
    normalize=normalize,
    backward=backward,
)
