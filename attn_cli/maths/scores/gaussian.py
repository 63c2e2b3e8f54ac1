"""The Gaussian similarity, as a score.

    score(q, k) = -|q - k|^2 / (2 sigma^2)

Q (n_q x d), K (n_k x d) -> (n_q x n_k), all <= 0. Softmax of it is the kernel regression of
Nadaraya and Watson (1964) with a Gaussian kernel of width sigma > 0, in the units of q and k.
"""

from __future__ import annotations

from math import frexp

import numpy as np

from attn_cli.arrays import Array
from attn_cli.formula import Formula, Norm, Symbol, number
from attn_cli.maths.parameter import Parameter, Parameters
from attn_cli.maths.scores.base import (
    KEY,
    QUERY,
    Block,
    Gradients,
    Layout,
    Parts,
    ScoreFunction,
    Steps,
    pairs_of,
    zeros_of,
)


def prepare(Q: Array, K: Array, p: Parameters) -> Block:
    """Return the block function.

    The squares are summed dimension by dimension: |q|^2 + |k|^2 - 2 q.k would be faster, and would
    lose all digits if q and k are close together and far from 0.
    """
    # The squares of distances and of sigma may overflow though their ratio does not. Both are
    # made smaller by a power of two, which is exact, so that equal distances stay equal.
    _, exponent = frexp(p["sigma"])
    largest = np.finfo(Q.dtype).maxexp - 2
    unit = Q.dtype.type(2.0 ** -min(max(exponent, -largest), largest))
    sigma = p["sigma"] * float(unit)

    def block(rows: slice, keys: slice) -> Parts:
        q, k = Q[..., rows, :], K[..., keys, :]
        distance = np.zeros(pairs_of(q, k), dtype=Q.dtype)
        for d in range(q.shape[-1]):
            distance += ((q[..., d, None] - k[..., None, :, d]) * unit) ** 2
        return Parts(score=-distance / (2 * sigma**2))

    return block


DISTANCE = Norm(QUERY - KEY)


def expression(p: Parameters, _: Layout) -> Formula:
    """Return the score of one pair, with sigma as a number."""
    return -(DISTANCE**2 / (2 * number(float(p["sigma"])) ** 2))


def backward(Q: Array, K: Array, p: Parameters, _: Steps, dS: Array) -> Gradients:
    """Return dQ (n_q, d), dK (n_k, d) and dsigma (a single number).

        dQ_i = -sum_j dS_ij (q_i - k_j) / sigma^2,   dK_j = sum_i dS_ij (q_i - k_j) / sigma^2
        dsigma = sum_ij dS_ij |q_i - k_j|^2 / sigma^3

    Dimension by dimension, because sums of q minus sums of k lose the digits of their difference.
    """
    sigma = p["sigma"]
    lead = dS.shape[:-2]
    dQ, dK, squares = zeros_of(Q, lead), zeros_of(K, lead), 0.0
    for d in range(Q.shape[-1]):
        ratio = (Q[..., d, None] - K[..., None, :, d]) / sigma
        part = dS * ratio
        dQ[..., d] = -part.sum(axis=-1) / sigma
        dK[..., d] = part.sum(axis=-2) / sigma
        squares += (part * ratio).sum()
    return dQ, dK, {"sigma": np.asarray(squares / sigma)}


SCORE = ScoreFunction(
    name="gaussian",
    formula=-(DISTANCE**2 / (2 @ Symbol("sigma") ** 2)),
    reference="Nadaraya 1964, Watson 1964: kernel regression with a Gaussian kernel",
    explanation=(
        "The nearer the key, the larger its weight; sigma is the distance, in the units of q and "
        "k, that counts as near."
    ),
    prepare=prepare,
    expression=expression,
    parameters=(
        Parameter(name="sigma", kind="positive", meaning="width of the kernel", initial=1.0),
    ),
    backward=backward,
)
