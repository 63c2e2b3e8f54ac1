"""The additive score.

    score(q, k) = v . tanh(W1 q + W2 k + b)

Q (n_q x d_q), W1 (h x d_q), K (n_k x d_k), W2 (h x d_k), v (h), b (h) -> (n_q x n_k).
Bahdanau et al. 2015 (arXiv 1409.0473), without b. OpenNMT-py's `mlp` has a bias on the query's
projection: that is b. Keras' AdditiveAttention has neither W1 nor W2; `concat` of Luong et al.
is this function with W_a = [W1 W2].
"""

from __future__ import annotations

from collections.abc import Iterator
from math import log

import numpy as np

from attn_cli.arrays import Array
from attn_cli.formula import Call, Dot, Formula, Symbol
from attn_cli.maths.parameter import Parameter, Parameters
from attn_cli.maths.scores.base import (
    KEY,
    QUERY,
    Block,
    Gradients,
    Layout,
    Parts,
    ScoreFunction,
    Steps,
    pairs_of,
    summed,
    zeros_of,
)

IN_CACHE = 1 << 17  # bytes
TOGETHER = 8  # hidden units that are summed before they are added to the others: for digits
DIGITS_LOST = 16.0  # rounding errors may grow by this factor for a several times faster sum


def prepare(Q: Array, K: Array, p: Parameters) -> Block:
    """Return the block function; W1 q + b and W2 k are computed once.

    The sum over h runs in a loop, so that no array of queries x keys x h is ever made.
    """
    A = Q @ p["W1"].T
    B = K @ p["W2"].T
    if p.get("b") is not None:
        A = A + p["b"]
    v = p["v"]

    def block(rows: slice, keys: slice) -> Parts:
        a, b = A[..., rows, :], B[..., keys, :]
        score = np.zeros(pairs_of(a, b), dtype=A.dtype)
        for h in range(len(v)):
            score += v[h] * np.tanh(a[..., h, None] + b[..., None, :, h])
        return Parts(score=score)

    return block


def by_tiles(Q: Array, K: Array, p: Parameters, *, together: int = TOGETHER) -> Block:
    """Return the block function by the exponential form of tanh, which is several times as fast.

        v . tanh(a + b) = sum_h v_h - sum_h 2 v_h / (1 + e^(2 a_h) e^(2 b_h))

    The exponentials are of queries or keys alone: a pair costs one division per hidden unit. Each
    unit equals its tanh to about 2 units in the last digit of 1; if a product overflows or
    vanishes, its tanh is 1 or -1. Hidden units of which one exponential alone could do so keep
    their tanh. If large v amplify a tanh near 0, `prepare` is used.
    """
    A, B, v = Q @ p["W1"].T, K @ p["W2"].T, p["v"]
    if p.get("b") is not None:
        A = A + p["b"]
    a_most, b_most, weights = np.abs(A).max(axis=0), np.abs(B).max(axis=0), np.abs(v)
    reached = weights @ np.tanh(a_most + b_most)  # as far as each unit goes
    if not weights.sum() < DIGITS_LOST * max(1.0, float(reached)):
        return prepare(Q, K, p)
    exact = ~(2 * np.maximum(a_most, b_most) < -log(float(np.finfo(A.dtype).tiny)))
    EA = np.where(exact, A, np.exp(2 * A))
    EB = np.ascontiguousarray(np.where(exact, B, np.exp(2 * B)).T)
    whole = v[~exact].sum()

    def add_unit(a: Array, b: Array, h: int, total: Array, unit: Array) -> None:
        """Add the difference between a hidden unit's largest value (0 if exact) and its value."""
        if exact[h]:
            np.add(a[:, h, None], b[None, h], out=unit)
            np.multiply(np.tanh(unit, out=unit), -v[h], out=unit)
        else:
            np.multiply(a[:, h, None], b[None, h], out=unit)
            unit += 1
            np.divide(2 * v[h], unit, out=unit)
        total += unit

    def block(rows: slice, keys: slice) -> Parts:
        a, b = EA[rows], EB[:, keys]
        lacks = np.zeros((len(a), b.shape[1]), dtype=A.dtype)
        for some in in_cache(lacks):
            unit, few = np.empty_like(lacks[some]), np.empty_like(lacks[some])
            for first in range(0, len(v), together):
                few[:] = 0
                with np.errstate(over="ignore"):
                    for h in range(first, min(first + together, len(v))):
                        add_unit(a[some], b, h, few, unit)
                lacks[some] += few
        return Parts(score=np.subtract(whole, lacks, out=lacks))

    return block


def in_cache(score: Array, size: int = IN_CACHE) -> Iterator[slice]:
    """Yield slices of rows that stay in the cache while the sum over h runs."""
    height = max(1, size // max(score[:1].nbytes, 1))
    return (slice(start, start + height) for start in range(0, len(score), height))


def expression(p: Parameters, _: Layout) -> Formula:
    """Return the score of one pair, with b only if it is given."""
    inner = Symbol("W1") @ QUERY + Symbol("W2") @ KEY
    if p.get("b") is not None:
        inner = inner + Symbol("b")
    return Dot(Symbol("v"), Call("tanh", inner))


def backward(Q: Array, K: Array, p: Parameters, _: Steps, dS: Array) -> Gradients:
    """Return dQ (n_q, d_q), dK (n_k, d_k), dW1 (h, d_q), dW2 (h, d_k), dv (h) and db (h).

    With t_ijh = tanh((W1 q_i)_h + (W2 k_j)_h + b_h) and z_ijh = dS_ij v_h (1 - t_ijh^2):

        dv_h = sum_ij dS_ij t_ijh,   dA_ih = sum_j z_ijh,   dB_jh = sum_i z_ijh
        dW1 = dA^T Q,   dW2 = dB^T K,   db = sum_i dA_i,   dQ = dA W1,   dK = dB W2

    The sum over h runs in a loop, as it does forward.
    """
    W1, W2, v = p["W1"], p["W2"], p["v"]
    A, B = Q @ W1.T, K @ W2.T
    if p.get("b") is not None:
        A = A + p["b"]
    lead = dS.shape[:-2]
    dA, dB, dv = zeros_of(A, lead), zeros_of(B, lead), np.zeros_like(v)
    for h in range(len(v)):
        t = np.tanh(A[..., h, None] + B[..., None, :, h])
        z = dS * v[h] * (1 - t**2)
        dv[h] = (dS * t).sum()
        dA[..., h] = z.sum(axis=-1)
        dB[..., h] = z.sum(axis=-2)
    of_parameters = {"W1": summed(dA.mT @ Q, 2), "W2": summed(dB.mT @ K, 2), "v": dv}
    if p.get("b") is not None:
        of_parameters["b"] = summed(dA, 1)
    return dA @ W1, dB @ W2, of_parameters


SCORE = ScoreFunction(
    name="additive",
    formula=expression({"b": True}, "rows"),
    reference="Bahdanau et al. 2015, arXiv 1409.0473",
    explanation=(
        "A small network with one hidden layer of h units looks at query and key together. "
        "Bahdanau et al. have no b; Keras' AdditiveAttention has neither W1 nor W2."
    ),
    prepare=prepare,
    by_tiles=by_tiles,
    backward=backward,
    expression=expression,
    parameters=(
        Parameter(name="W1", kind="array", axes=("h", "d_q"), meaning="applied to the query"),
        Parameter(name="W2", kind="array", axes=("h", "d_k"), meaning="applied to the key"),
        Parameter(name="v", kind="array", axes=("h",), meaning="weighs the hidden units"),
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
