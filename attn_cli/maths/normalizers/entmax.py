"""alpha-entmax, for any alpha >= 1: softmax at 1, 1.5-entmax at 1.5, sparsemax at 2.

    weights_j = max((alpha - 1) s_j - tau, 0)^(1 / (alpha - 1)),   tau such that they sum to 1

Weights lie in [0, 1]; from 1 / (alpha - 1) below the largest score on they are exactly 0. With
alpha towards infinity the largest scores share all weight alike. The entmax package takes alpha > 1
alone, halves the range of tau 50 times (`n_iter`), and then divides the weights by their sum.

Here u, the weight of the largest score, takes the place of tau: with t = u^(alpha - 1) = -tau,

    weights_j = u (1 + x_j / t)^(1 / (alpha - 1)),   x_j = (alpha - 1) (s_j - max s)

whose logarithm keeps its digits for alpha near 1, where tau has lost them. All weights grow with u,
so that u is found by bisection: between 1 / keys and 1, until two neighbouring numbers enclose it.
"""

from __future__ import annotations

import numpy as np

from attn_cli.arrays import Array, Bools
from attn_cli.formula import Call, Symbol, Words
from attn_cli.maths.normalizers import softmax
from attn_cli.maths.normalizers.base import SCORES, Normalizer
from attn_cli.maths.normalizers.simplex import Doubles, below_highest, descending, to_one
from attn_cli.maths.parameter import Parameter, Parameters

TINY = np.finfo(np.float64).tiny


def normalize(scores: Array, visible: Bools, p: Parameters) -> Array:
    """Return the alpha-entmax of each row of (rows x keys)."""
    beta = float(p["alpha"]) - 1
    if beta == 0:
        return softmax.normalize(scores, visible)
    with np.errstate(over="ignore", divide="ignore"):  # far below is -inf, and the log of 0 too
        x = beta * below_highest(scores, visible)
        lower, upper = (weights(x, v, beta) for v in enclose(x, beta))
    # Each weight is between those of the two neighbours. For alpha > 2 the smallest ones differ
    # much from one to the other, and are as far along the way as makes the sum 1.
    least, most = (w.sum(axis=1, keepdims=True) for w in (lower, upper))
    way = np.divide(1 - least, most - least, out=np.zeros_like(least), where=most > least)
    # `least` can be above 1 by its last bit, for `enclose` sums in another order.
    return to_one(lower + np.clip(way, 0, 1) * (upper - lower), visible, scores.dtype)


def weights(x: Doubles, v: Doubles, beta: float) -> Doubles:
    """Return the weights of (rows x keys) for the u of each row; v = u^max(beta, 1)."""
    u = v ** (1 / max(beta, 1))
    t = v ** min(beta, 1)
    return u * np.exp(np.log1p(np.maximum(x / t, -1)) / beta)


def enclose(x: Doubles, beta: float) -> tuple[Doubles, Doubles]:
    """Return neighbouring numbers as (rows x 1) with weights that sum to 1 at most and at least.

    They are v = u^max(beta, 1): u itself or t, whichever has the finer steps. Numbers above 0 have
    the order of their bits as whole numbers, which are halved here: at most 62 times.
    """
    kept = np.count_nonzero(x > -1, axis=1, keepdims=True)  # the others weigh 0 for any u
    top = descending(x)[:, : kept.max(initial=0)]
    low = np.maximum(np.maximum(kept, 1.0) ** -max(beta, 1), TINY).view(np.int64)
    high = np.ones(kept.shape).view(np.int64)
    while (high - low > 1).any():
        middle = low + (high - low) // 2
        enough = weights(top, middle.view(np.float64), beta).sum(axis=1, keepdims=True) >= 1
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return low.view(np.float64), high.view(np.float64)


NORMALIZER = Normalizer(
    name="entmax",
    formula=Call(Words(Symbol("alpha"), "-entmax"), SCORES),
    reference="Peters, Niculae and Martins 2019, arXiv 1905.05702",
    explanation=(
        "Softmax at alpha = 1, sparsemax at 2; the larger alpha, the more weights are exactly 0."
    ),
    normalize=normalize,
    parameters=(
        Parameter(
            name="alpha", kind="number", least=1, meaning="how sparse: 1 is softmax, 2 sparsemax"
        ),
    ),
)
