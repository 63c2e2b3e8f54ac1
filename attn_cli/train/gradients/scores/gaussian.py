"""The gradient of -|q - k|^2 / (2 sigma^2).

dQ_i = -sum_j dS_ij (q_i - k_j) / sigma^2,   dK_j = sum_i dS_ij (q_i - k_j) / sigma^2
dsigma = sum_ij dS_ij |q_i - k_j|^2 / sigma^3
"""

from __future__ import annotations

import numpy as np

from attn_cli.arrays import Array
from attn_cli.maths.parameter import Parameters
from attn_cli.train.gradients.scores.base import Gradients, ScoreGradient, Steps


def backward(Q: Array, K: Array, p: Parameters, _: Steps, dS: Array) -> Gradients:
    """Return dQ (n_q, d), dK (n_k, d) and dsigma (a single number).

    Dimension by dimension, because sums of q less sums of k lose the digits of their difference.
    """
    sigma = p["sigma"]
    dQ, dK, squares = np.zeros_like(Q), np.zeros_like(K), 0.0
    for d in range(Q.shape[1]):
        ratio = (Q[:, d, None] - K[None, :, d]) / sigma
        part = dS * ratio
        dQ[:, d] = -part.sum(axis=1) / sigma
        dK[:, d] = part.sum(axis=0) / sigma
        squares += (part * ratio).sum()
    return Gradients(dQ, dK, {"sigma": np.asarray(squares / sigma)})


GRADIENT = ScoreGradient(backward, initial={"sigma": 1.0}, positive=("sigma",))
