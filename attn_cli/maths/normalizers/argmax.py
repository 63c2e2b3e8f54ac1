"""Hard attention: all weight on the largest score.

weights_j = 1 where s_j is the largest visible score of the row, the first on a tie; else 0

It has no gradient: it is constant except for its jumps.
"""

from __future__ import annotations

import numpy as np

from attn_cli.arrays import Array, Bools
from attn_cli.formula import Call, Words
from attn_cli.maths.normalizers.base import SCORES, Normalizer
from attn_cli.maths.parameter import Parameters


def normalize(scores: Array, visible: Bools, _: Parameters) -> Array:
    """Return one-hot rows; a row without a visible key is all 0."""
    weights = np.zeros_like(scores)
    # If all visible scores are -inf, the first visible key wins, not the first key.
    hidden_last = np.where(visible, np.maximum(scores, np.finfo(scores.dtype).min), -np.inf)
    rows = np.flatnonzero(visible.any(axis=1))
    if rows.size:  # a block may have no key at all
        weights[rows, hidden_last[rows].argmax(axis=1)] = 1
    return weights


NORMALIZER = Normalizer(
    name="argmax",
    formula=Call(Words("one-hot argmax"), SCORES),
    reference="hard attention: Xu et al. 2015, arXiv 1502.03044, section 4.1, without its sampling",
    explanation=("All weight on the largest visible score, the first on a tie."),
    normalize=normalize,
)
