"""The gradient of q^T W k.

dQ = dS K W^T,   dK = dS^T Q W,   dW = Q^T dS K
"""

from __future__ import annotations

from attn_cli.arrays import Array
from attn_cli.maths.parameter import Parameters
from attn_cli.train.gradients.scores.base import Gradients, ScoreGradient, Steps


def backward(Q: Array, K: Array, p: Parameters, _: Steps, dS: Array) -> Gradients:
    """Return dQ (n_q, d_q), dK (n_k, d_k) and dW (d_q, d_k)."""
    W = p["W"]
    return Gradients(dS @ K @ W.T, dS.T @ Q @ W, {"W": Q.T @ dS @ K})


GRADIENT = ScoreGradient(backward)
