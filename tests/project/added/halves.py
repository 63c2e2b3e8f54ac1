"""The normaliser that the test of CONTRIBUTING.md adds.

weights_j = s_j / 2
"""

from __future__ import annotations

import numpy as np

from attn_cli.arrays import Array, Bools
from attn_cli.formula import number
from attn_cli.maths.normalizers.base import SCORES, Normalizer
from attn_cli.maths.parameter import Parameters


def normalize(scores: Array, visible: Bools, _: Parameters) -> Array:
    """Return half of each visible score of (rows x keys)."""
    return np.where(visible, scores, 0) / 2


NORMALIZER = Normalizer(
    name="halves",
    formula=SCORES / number(2),
    reference="the test of CONTRIBUTING.md",
    explanation="Half of each score. Only a test has it.",
    normalize=normalize,
)
