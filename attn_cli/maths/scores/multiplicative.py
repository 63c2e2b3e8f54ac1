"""The multiplicative (bilinear) score.

    score(q, k) = q^T W k

Q (n_q x d_q), W (d_q x d_k), K (n_k x d_k) -> (n_q x n_k). Luong et al. 2015 (arXiv 1508.04025)
call it `general`. OpenNMT-py keeps the transpose of this W: it applies a linear layer to the query.
"""

from __future__ import annotations

from attn_cli.arrays import Array
from attn_cli.formula import Formula, Product, Symbol
from attn_cli.maths.parameter import Parameter, Parameters
from attn_cli.maths.scores.base import (
    KEY,
    KEYS,
    QUERIES,
    QUERY,
    Block,
    Gradients,
    Layout,
    Parts,
    ScoreFunction,
    Steps,
    summed,
)

W = Symbol("W")
PRODUCTS = (Product(QUERIES, W, KEYS.T), Product(KEYS.T, W.T, QUERIES))


def factor(Q: Array, p: Parameters) -> Array:
    """Return Q W, of which q^T W k is the product with K."""
    QW: Array = Q @ p["W"]
    return QW


def prepare(Q: Array, K: Array, p: Parameters) -> Block:
    """Return the block function of q^T W k; Q W is computed once."""
    QW = factor(Q, p)

    def block(rows: slice, keys: slice) -> Parts:
        return Parts(products=QW[..., rows, :] @ K[..., keys, :].mT)

    return block


def expression(_: Parameters, layout: Layout) -> Formula:
    """Return the scores as a product of matrices."""
    return PRODUCTS[layout == "columns"]


def backward(Q: Array, K: Array, p: Parameters, _: Steps, dS: Array) -> Gradients:
    """Return dQ = dS K W^T, dK = dS^T Q W and dW = Q^T dS K."""
    W = p["W"]
    return dS @ K @ W.T, dS.mT @ Q @ W, {"W": summed(Q.mT @ dS @ K, 2)}


SCORE = ScoreFunction(
    name="multiplicative",
    formula=Product(QUERY.T, W, KEY),
    reference="Luong et al. 2015, arXiv 1508.04025 (their `general`)",
    explanation=(
        "A matrix between query and key, so that the two may differ in length. W is to the "
        "right of q; a linear layer that is applied to the query stores its transpose."
    ),
    prepare=prepare,
    factor=factor,
    expression=expression,
    parameters=(
        Parameter(name="W", kind="array", axes=("d_q", "d_k"), meaning="between query and key"),
    ),
    products=PRODUCTS,
    equal_depth=False,
    backward=backward,
)
