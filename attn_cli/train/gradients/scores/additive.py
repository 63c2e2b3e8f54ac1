"""The gradient of v . tanh(W1 q + W2 k + b).

With t_ijh = tanh((W1 q_i)_h + (W2 k_j)_h + b_h) and z_ijh = dS_ij v_h (1 - t_ijh^2):

    dv_h = sum_ij dS_ij t_ijh,   dA_ih = sum_j z_ijh,   dB_jh = sum_i z_ijh
    dW1 = dA^T Q,   dW2 = dB^T K,   db = sum_i dA_i,   dQ = dA W1,   dK = dB W2
"""

from __future__ import annotations

import numpy as np

from attn_cli.arrays import Array
from attn_cli.maths.parameter import Parameters
from attn_cli.train.gradients.scores.base import Gradients, ScoreGradient, Steps


def backward(Q: Array, K: Array, p: Parameters, _: Steps, dS: Array) -> Gradients:
    """Return dQ (n_q, d_q), dK (n_k, d_k), dW1 (h, d_q), dW2 (h, d_k), dv (h) and db (h).

    The sum over h runs in a loop, as it does forward.
    """
    W1, W2, v = p["W1"], p["W2"], p["v"]
    A, B = Q @ W1.T, K @ W2.T
    if p.get("b") is not None:
        A = A + p["b"]
    dA, dB, dv = np.zeros_like(A), np.zeros_like(B), np.zeros_like(v)
    for h in range(len(v)):
        t = np.tanh(A[:, h, None] + B[None, :, h])
        z = dS * v[h] * (1 - t**2)
        dv[h] = (dS * t).sum()
        dA[:, h] = z.sum(axis=1)
        dB[:, h] = z.sum(axis=0)
    found = {"W1": dA.T @ Q, "W2": dB.T @ K, "v": dv}
    if p.get("b") is not None:
        found["b"] = dA.sum(axis=0)
    return Gradients(dA @ W1, dB @ W2, found)


GRADIENT = ScoreGradient(backward, initial={"b": 0.0})
