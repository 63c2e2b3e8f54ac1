"""Sigmoid attention: the weight of each key depends on its own score alone.

    weights_j = 1 / (1 + exp(-(s_j + bias)))

Each weight lies in [0, 1]; a row sums to anything from 0 to the number of keys. Ramapuram et al.
2024 (arXiv 2409.04431) take bias = -log n for n keys, so that a row sums to about 1 at the start of
training; it is not the default here, which is 0.
"""

from __future__ import annotations

import numpy as np

from attn_cli.arrays import Array, Bools
from attn_cli.formula import Call, Symbol
from attn_cli.maths.normalizers.base import SCORES, Normalizer
from attn_cli.maths.parameter import Parameter, Parameters


def normalize(scores: Array, visible: Bools, p: Parameters) -> Array:
    """Return the sigmoid of each visible score of (rows x keys)."""
    x = scores + scores.dtype.type(p["bias"])
    e = np.exp(-np.abs(x))  # at most 1, on both sides of 0
    weights: Array = np.zeros_like(scores)
    np.divide(np.where(x < 0, e, 1), 1 + e, out=weights, where=visible)
    return weights


NORMALIZER = Normalizer(
    name="sigmoid",
    formula=Call("sigmoid", SCORES + Symbol("bias")),
    reference="Ramapuram et al. 2024, arXiv 2409.04431",
    explanation="Each weight is between 0 and 1 by itself; the rows do not sum to 1.",
    normalize=normalize,
    parameters=(
        Parameter(
            name="bias",
            kind="number",
            default=0.0,
            optional=True,
            meaning="added to every score; the paper has -log of the number of keys",
        ),
    ),
)
