"""The cosine of the angle between query and key.

    score(q, k) = q.k / (|q| |k|)

Q (n_q x d), K (n_k x d) -> (n_q x n_k), within [-1, 1] up to rounding. The content-based addressing
of Graves et al. 2014 (arXiv 1410.5401) multiplies it by a strength beta: that is `scale`. The
length of a vector, which in published word vectors grows with how frequent a word is, does not
count. A zero vector has no direction: it is an error as a query, and hidden as a key. `dot` with
`qk_norm: l2` is the same number for other vectors, with steps of its own; zero vectors score 0.
"""

from __future__ import annotations

import numpy as np

from attn_cli.arrays import Array, Bools
from attn_cli.formula import Dot, Formula, Norm
from attn_cli.maths.parameter import Parameters
from attn_cli.maths.scores.base import (
    KEY,
    QUERY,
    Block,
    Gradients,
    Layout,
    Parts,
    ScoreFunction,
    Steps,
)

ROWS = 1024


def without_direction(x: Array) -> Bools:
    """Return (..., n): True for each row of x (..., n, d) that is zero."""
    zero: Bools = np.logical_not(x.any(axis=-1))
    return zero


def directions(x: Array) -> tuple[Array, Array]:
    """Return the rows of x (n, d) divided by their lengths, and the lengths (n, 1); 0 / 0 is 0.

    Squares may overflow or vanish though the row does not: each row is multiplied by a power of
    two first, which is exact.
    """
    unit, lengths = np.empty_like(x), np.empty((*x.shape[:-1], 1), dtype=x.dtype)
    for start in range(0, x.shape[-2], ROWS):  # few at a time: x may be large
        rows = (..., slice(start, start + ROWS), slice(None))
        with np.errstate(all="ignore"):
            largest = np.abs(x[rows]).max(axis=-1, keepdims=True, initial=0)
            _, exponent = np.frexp(largest)
            near_one = np.ldexp(x[rows], -exponent)
            length = np.sqrt((near_one * near_one).sum(axis=-1, keepdims=True))
            unit[rows] = near_one / np.where(length == 0, x.dtype.type(1), length)
            lengths[rows] = np.ldexp(length, exponent)
    return unit, lengths


def normed(x: Array) -> Array:
    """Return the directions alone."""
    return directions(x)[0]


def prepare(Q: Array, K: Array, _: Parameters) -> Block:
    """Return the block function; the directions of queries and keys are computed once."""
    of_queries, of_keys = normed(Q), normed(K)

    def block(rows: slice, keys: slice) -> Parts:
        return Parts(score=of_queries[..., rows, :] @ of_keys[..., keys, :].mT)

    return block


COSINE = Dot(QUERY, KEY) / (Norm(QUERY) @ Norm(KEY))


def expression(_: Parameters, __: Layout) -> Formula:
    """Return the score of one pair."""
    return COSINE


def backward(Q: Array, K: Array, _: Parameters, __: Steps, dS: Array) -> Gradients:
    """Return dQ (n_q, d) and dK (n_k, d).

    With a_i = q_i / |q_i| and b_j = k_j / |k_j|, a change of q along itself changes nothing:

        dA = dS B,     dQ_i = (dA_i - (a_i . dA_i) a_i) / |q_i|
        dB = dS^T A,   dK_j = (dB_j - (b_j . dB_j) b_j) / |k_j|

    A key that is zero has no gradient: dS is 0 there.
    """
    (A, of_query), (B, of_key) = directions(Q), directions(K)
    return _along(A, of_query, dS @ B), _along(B, of_key, dS.mT @ A), {}


def _along(unit: Array, length: Array, d: Array) -> Array:
    """Return the gradient of rows from that of their directions."""
    across: Array = d - (unit * d).sum(axis=-1, keepdims=True) * unit
    return across / np.where(length == 0, 1, length)


SCORE = ScoreFunction(
    name="cosine",
    formula=COSINE,
    reference="Graves et al. 2014, arXiv 1410.5401, equation 6",
    explanation=(
        "The cosine of the angle between query and key: the lengths of the vectors do not count. "
        "`scale` multiplies it. A zero vector is an error as a query, and hidden as a key."
    ),
    prepare=prepare,
    expression=expression,
    undefined=without_direction,
    normed=normed,
    backward=backward,
)
