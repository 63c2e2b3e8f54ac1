"""ReLU attention: the positive part of each score.

    weights_j = max(s_j, 0) / divisor,   divisor > 0

Weights are 0 or more, without an upper bound; the rows do not sum to 1. Wortsman et al. 2023 (arXiv
2309.08586) divide by the length of the sequence, which is `divisor` here and 1 by default.
"""

from __future__ import annotations

import numpy as np

from attn_cli.arrays import Array, Bools
from attn_cli.formula import Call, Symbol, number
from attn_cli.maths.normalizers.base import SCORES, Normalizer
from attn_cli.maths.parameter import Parameter, Parameters


def normalize(scores: Array, visible: Bools, p: Parameters) -> Array:
    """Return the positive part of each visible score of (rows x keys), over the divisor."""
    divisor = scores.dtype.type(p["divisor"])
    taken = visible & ~(scores <= 0)  # NaN too
    return np.divide(scores, divisor, out=np.zeros_like(scores), where=taken)


NORMALIZER = Normalizer(
    name="relu",
    formula=Call("max", SCORES, number(0)) / Symbol("divisor"),
    reference="Wortsman et al. 2023, arXiv 2309.08586",
    explanation="The positive scores themselves, over a divisor; the others weigh nothing.",
    normalize=normalize,
    parameters=(
        Parameter(
            name="divisor",
            kind="positive",
            default=1.0,
            optional=True,
            meaning="the divisor of the weights; in the paper the number of keys",
        ),
    ),
)
