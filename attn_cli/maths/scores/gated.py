"""The gated score.

    score(q, k) = g * (q.k),   g = sigmoid(W_g [q; k] + b_g)

Q (n_q x d), K (n_k x d), W_g (1 x (d_q + d_k)), b_g (1) -> (n_q x n_k): one gate in (0, 1) a pair.
"Gated attention" has other meanings too: a gate on the output after the weighted sum (Qiu et al.
2025, arXiv 2505.06708), gated pooling without a query (Ilse et al. 2018, arXiv 1802.04712), gates
on values or heads. This is none of those: it gates each score.
"""

from __future__ import annotations

import numpy as np

from attn_cli.arrays import Array
from attn_cli.formula import Call, Dot, Elementwise, Equation, Formula, Remark, Stack, Symbol
from attn_cli.maths.activations import sigmoid
from attn_cli.maths.parameter import Parameter, Parameters
from attn_cli.maths.scores.base import (
    KEY,
    PRODUCTS,
    QUERY,
    Block,
    Gradients,
    Layout,
    Parts,
    ScoreFunction,
    Steps,
    summed,
)


def prepare(Q: Array, K: Array, p: Parameters) -> Block:
    """Return the block function; the query's and the key's half of the gate are computed once."""
    W_g = p["W_g"][0]
    d_q = Q.shape[-1]
    of_query = Q @ W_g[:d_q]
    of_key = K @ W_g[d_q:]
    if p.get("b_g") is not None:
        of_query = of_query + p["b_g"]

    def block(rows: slice, keys: slice) -> Parts:
        products = Q[..., rows, :] @ K[..., keys, :].mT
        gate = sigmoid(of_query[..., rows, None] + of_key[..., None, keys])
        return Parts(products=products, gate=gate)

    return block


def expression(_: Parameters, __: Layout) -> Formula:
    """Return the scores in terms of their two intermediates."""
    return Elementwise(Symbol("gate"), Symbol("products"))


def gate(p: Parameters) -> Formula:
    """Return the gate of one pair, with b_g only if it is given."""
    logit = Symbol("W_g") @ Stack(QUERY, KEY)
    return Call("sigmoid", logit if p.get("b_g") is None else logit + Symbol("b_g"))


def backward(Q: Array, K: Array, p: Parameters, steps: Steps, dS: Array) -> Gradients:
    """Return dQ (n_q, d_q), dK (n_k, d_k), dW_g (1, d_q + d_k) and db_g (1).

    With P = Q K^T, W_g = [w_q; w_k] and z = dS * P * g (1 - g):

        dQ_i = sum_j dS_ij g_ij k_j + (sum_j z_ij) w_q
        dK_j = sum_i dS_ij g_ij q_i + (sum_i z_ij) w_k
        dW_g = [sum_ij z_ij q_i; sum_ij z_ij k_j],   db_g = sum_ij z_ij
    """
    W_g, d_q, g = p["W_g"][0], Q.shape[-1], steps["gate"]
    dP = dS * g
    z = dS * steps["products"] * g * (1 - g)
    of_query, of_key = z.sum(axis=-1, keepdims=True), z.sum(axis=-2)[..., None]
    halves = (summed(of_query.mT @ Q, 2), summed(of_key.mT @ K, 2))
    of_parameters = {"W_g": np.concatenate(halves, axis=1)}
    if p.get("b_g") is not None:
        of_parameters["b_g"] = z.sum()[None]
    dQ = dP @ K + of_query * W_g[:d_q]
    dK = dP.mT @ Q + of_key * W_g[d_q:]
    return dQ, dK, of_parameters


SCORE = ScoreFunction(
    name="gated",
    formula=Remark(Symbol("g") * Dot(QUERY, KEY), Equation(Symbol("g"), gate({"b_g": True}))),
    reference="one of five uses of the word: a gate for each pair of query and key",
    explanation=(
        "A gate between 0 and 1 for every pair decides how much of their dot product counts. Other "
        "texts call `gated` a gate on the output, on the values, or a pooling without a query."
    ),
    prepare=prepare,
    expression=expression,
    parameters=(
        Parameter(name="W_g", kind="array", axes=("1", "d_q + d_k"), meaning="applied to [q; k]"),
        Parameter(
            name="b_g",
            kind="array",
            axes=("1",),
            meaning="bias of the gate",
            optional=True,
            initial=0.0,
        ),
    ),
    products=PRODUCTS,
    gate=gate,
    backward=backward,
)
