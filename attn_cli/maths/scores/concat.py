"""The concat score: the additive score with one matrix for query and key, side by side.

    score(q, k) = v . tanh(W [q; k] + b)      order: query-key
    score(q, k) = v . tanh(W [k; q] + b)      order: key-query

Q (n_q x d_q), K (n_k x d_k), W (h x (d_q + d_k)), v (h), b (h) -> (n_q x n_k). Luong et al. 2015
(arXiv 1508.04025) write W_a [h_t; h_s], the query first, without b. Code in use joins the two in
either order, and if d_q = d_k, W fits both: hence `order` must be given. With W = [W1 W2], or
[W2 W1], this is `additive`.
"""

from __future__ import annotations

import numpy as np

from attn_cli.arrays import Array
from attn_cli.formula import Call, Dot, Formula, Stack, Symbol
from attn_cli.maths.parameter import Parameter, Parameters
from attn_cli.maths.scores import additive
from attn_cli.maths.scores.base import (
    KEY,
    QUERY,
    Block,
    Gradients,
    Layout,
    ScoreFunction,
    Steps,
)

QUERY_KEY, KEY_QUERY = ORDERS = ("query-key", "key-query")


def split(Q: Array, p: Parameters) -> Parameters:
    """Return the parameters of the additive score: W1, applied to the query, and W2, to the key."""
    W, d_q = p["W"], Q.shape[-1]
    if p["order"] == QUERY_KEY:
        W1, W2 = W[:, :d_q], W[:, d_q:]
    else:
        d_k = W.shape[1] - d_q
        W1, W2 = W[:, d_k:], W[:, :d_k]
    return {"W1": W1, "W2": W2, "v": p["v"], "b": p.get("b")}


def prepare(Q: Array, K: Array, p: Parameters) -> Block:
    """Return the block function of the additive score."""
    return additive.prepare(Q, K, split(Q, p))


def by_tiles(Q: Array, K: Array, p: Parameters) -> Block:
    """Return the block function by the exponential form of tanh: see `additive.by_tiles`."""
    return additive.by_tiles(Q, K, split(Q, p))


def expression(p: Parameters, _: Layout) -> Formula:
    """Return the score of one pair, with b only if it is given."""
    pair = Stack(QUERY, KEY) if p["order"] == QUERY_KEY else Stack(KEY, QUERY)
    inner = Symbol("W") @ pair
    if p.get("b") is not None:
        inner = inner + Symbol("b")
    return Dot(Symbol("v"), Call("tanh", inner))


def backward(Q: Array, K: Array, p: Parameters, steps: Steps, dS: Array) -> Gradients:
    """Return dQ (n_q, d_q), dK (n_k, d_k), dW (h, d_q + d_k), dv (h) and db (h).

    Those of the additive score, dW1 and dW2 side by side in the same order.
    """
    dQ, dK, of_parameters = additive.backward(Q, K, split(Q, p), steps, dS)
    found = dict(of_parameters)
    parts = found.pop("W1"), found.pop("W2")
    dW = np.concatenate(parts if p["order"] == QUERY_KEY else parts[::-1], axis=1)
    return dQ, dK, {"W": dW, **found}


SCORE = ScoreFunction(
    name="concat",
    formula=expression({"order": QUERY_KEY, "b": True}, "rows"),
    reference="Luong et al. 2015, arXiv 1508.04025 (their `concat`)",
    explanation=(
        "The additive score with one matrix W for query and key, side by side. Luong et al. put "
        "the query first (order: query-key) and have no b; other code puts the key first. If d_q = "
        "d_k, W fits both, so the order must be given. Keras' score_mode='concat' is something "
        "else: a number times the sum of tanh(q + k)."
    ),
    prepare=prepare,
    by_tiles=by_tiles,
    backward=backward,
    expression=expression,
    parameters=(
        Parameter(
            name="W", kind="array", axes=("h", "d_q + d_k"), meaning="applied to query and key"
        ),
        Parameter(name="v", kind="array", axes=("h",), meaning="weighs the hidden units"),
        Parameter(
            name="order",
            kind="choice",
            choices=ORDERS,
            meaning="which of the two the first columns of W are applied to",
        ),
        Parameter(
            name="b",
            kind="array",
            axes=("h",),
            meaning="bias of the hidden units",
            optional=True,
            initial=0.0,
        ),
    ),
    equal_depth=False,
)
