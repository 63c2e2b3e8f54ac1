"""The dot product.

    score(q, k) = q.k

Q (n_q x d), K (n_k x d) -> (n_q x n_k). Luong et al. 2015 (arXiv 1508.04025) call it `dot`; it is
`scaled` without the 1/sqrt(d_k).
"""

from __future__ import annotations

from attn_cli.arrays import Array
from attn_cli.formula import Dot, Formula
from attn_cli.maths.parameter import Parameters
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
)


def factor(Q: Array, _: Parameters) -> Array:
    """Return Q, of which q.k is the product with K."""
    return Q


def prepare(Q: Array, K: Array, _: Parameters) -> Block:
    """Return the block function of q.k."""

    def block(rows: slice, keys: slice) -> Parts:
        return Parts(products=Q[..., rows, :] @ K[..., keys, :].mT)

    return block


def expression(_: Parameters, layout: Layout) -> Formula:
    """Return the scores as a product of matrices."""
    return PRODUCTS[layout == "columns"]


def backward(Q: Array, K: Array, _: Parameters, __: Steps, dS: Array) -> Gradients:
    """Return dQ = dS K and dK = dS^T Q."""
    return dS @ K, dS.mT @ Q, {}


SCORE = ScoreFunction(
    name="dot",
    formula=Dot(QUERY, KEY),
    reference="Luong et al. 2015, arXiv 1508.04025 (their `dot`)",
    explanation="The products of every query with every key, unscaled.",
    prepare=prepare,
    factor=factor,
    expression=expression,
    products=PRODUCTS,
    backward=backward,
)
