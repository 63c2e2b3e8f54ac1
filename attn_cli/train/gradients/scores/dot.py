"""The gradient of q.k.

dQ = dS K,   dK = dS^T Q
"""

from __future__ import annotations

from attn_cli.arrays import Array
from attn_cli.maths.parameter import Parameters
from attn_cli.train.gradients.scores.base import Gradients, ScoreGradient, Steps


def backward(Q: Array, K: Array, _: Parameters, __: Steps, dS: Array) -> Gradients:
    """Return dQ (n_q, d) and dK (n_k, d)."""
    return Gradients(dS @ K, dS.T @ Q)


GRADIENT = ScoreGradient(backward)
