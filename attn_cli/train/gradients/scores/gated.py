"""The gradient of g (q.k), g = sigmoid(W_g [q; k] + b_g).

With P = Q K^T and z = dS * P * g (1 - g), W_g = [w_q; w_k]:

    dQ_i = sum_j dS_ij g_ij k_j + (sum_j z_ij) w_q,   dK_j = sum_i dS_ij g_ij q_i + (sum_i z_ij) w_k
    dW_g = [sum_ij z_ij q_i; sum_ij z_ij k_j],   db_g = sum_ij z_ij
"""

from __future__ import annotations

import numpy as np

from attn_cli.arrays import Array
from attn_cli.maths.parameter import Parameters
from attn_cli.train.gradients.scores.base import Gradients, ScoreGradient, Steps


def backward(Q: Array, K: Array, p: Parameters, steps: Steps, dS: Array) -> Gradients:
    """Return dQ (n_q, d), dK (n_k, d), dW_g (1, d_q + d_k) and db_g (1)."""
    W_g, d_q, gate = p["W_g"][0], Q.shape[1], steps["gate"]
    dP = dS * gate
    z = dS * steps["products"] * gate * (1 - gate)
    of_query, of_key = z.sum(axis=1), z.sum(axis=0)
    found = {"W_g": np.concatenate((of_query @ Q, of_key @ K))[None, :]}
    if p.get("b_g") is not None:
        found["b_g"] = z.sum()[None]
    dQ = dP @ K + np.outer(of_query, W_g[:d_q])
    dK = dP.T @ Q + np.outer(of_key, W_g[d_q:])
    return Gradients(dQ, dK, found)


GRADIENT = ScoreGradient(backward, initial={"b_g": 0.0})
