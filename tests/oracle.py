"""Attention as a loop over plain numbers: slow, and sharing no code with the package.

Every function takes and gives lists. What is hidden is None in a row of scores.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

Vector = Sequence[float]
Matrix = Sequence[Vector]


def dot(q: Vector, k: Vector) -> float:
    """q.k."""
    return math.fsum(a * b for a, b in zip(q, k, strict=True))


def matvec(W: Matrix, x: Vector) -> list[float]:
    """W x."""
    return [dot(row, x) for row in W]


def project(X: Matrix, W: Matrix | None, b: Vector | None = None) -> list[list[float]]:
    """X W + b."""
    rows = []
    for x in X:
        y = list(x) if W is None else [dot(x, column) for column in zip(*W, strict=True)]
        rows.append(y if b is None else [u + v for u, v in zip(y, b, strict=True)])
    return rows


def raw_score(name: str, q: Vector, k: Vector, p: dict[str, Any]) -> float:
    """The score of one pair, before any scale."""
    if name in {"dot", "scaled"}:
        return dot(q, k)
    if name == "additive":
        b = p.get("b") or [0.0] * len(p["v"])
        hidden = zip(matvec(p["W1"], q), matvec(p["W2"], k), b, strict=True)
        return dot(p["v"], [math.tanh(x + y + z) for x, y, z in hidden])
    if name == "multiplicative":
        return dot(q, matvec(p["W"], k))
    if name == "gated":
        g: float = dot(p["W_g"][0], [*q, *k]) + p.get("b_g", [0.0])[0]
        return dot(q, k) / (1 + math.exp(-g))
    if name == "gaussian":
        square = math.fsum((a - b) ** 2 for a, b in zip(q, k, strict=True))
        return -square / (2 * float(p["sigma"]) ** 2)
    raise AssertionError(name)


def selected(i: int, j: int, p: dict[str, Any]) -> bool:
    """Whether a selection of sparse attention other than top_k takes (i, j)."""
    return (
        [i, j] in [list(pair) for pair in p.get("pairs", [])]
        or ("window" in p and abs(i - j) <= p["window"])
        or ("stride" in p and (i - j) % p["stride"] == 0)
        or ("block" in p and i // p["block"] == j // p["block"])
        or ("global_tokens" in p and min(i, j) < p["global_tokens"])
    )


def softmax(row: Sequence[float | None]) -> list[float]:
    """Softmax of what is visible; zeros where nothing is."""
    seen = [s for s in row if s is not None]
    if not seen:
        return [0.0] * len(row)
    top = max(seen)
    e = [0.0 if s is None else math.exp(s - top) for s in row]
    return [x / math.fsum(e) for x in e]


def none(row: Sequence[float | None]) -> list[float]:
    """The scores themselves."""
    return [0.0 if s is None else s for s in row]


def argmax(row: Sequence[float | None]) -> list[float]:
    """One-hot of the first largest."""
    seen = [s for s in row if s is not None]
    if not seen:
        return [0.0] * len(row)
    first = next(j for j, s in enumerate(row) if s == max(seen))
    return [1.0 if j == first else 0.0 for j in range(len(row))]


NORMALIZERS = {"softmax": softmax, "none": none, "argmax": argmax}


def attention(
    Q: Matrix,
    K: Matrix,
    V: Matrix,
    score: str,
    parameters: dict[str, Any] | None = None,
    *,
    scale: float | None = None,
    sees: Callable[[int, int], bool] = lambda i, j: True,
    added: Callable[[int, int], float] = lambda i, j: 0.0,
    normalize: str = "softmax",
) -> dict[str, list[list[float]]]:
    """scores (-inf where not selected), weights and context of one matrix of queries."""
    p = parameters or {}
    inside, inner = (score, p) if score != "sparse" else p.get("inside", ("dot", {}))
    default = 1 / math.sqrt(len(K[0])) if inside == "scaled" else 1.0
    factor = default if scale is None else scale
    result: dict[str, list[list[float]]] = {"scores": [], "weights": [], "context": []}
    for i, q in enumerate(Q):
        row = [factor * raw_score(inside, q, k, inner) for k in K]
        keep = [True] * len(K)
        if score == "sparse":
            keep = [selected(i, j, p) for j in range(len(K))]
            if "top_k" in p:
                seen = sorted((s for j, s in enumerate(row) if sees(i, j)), reverse=True)
                for j, s in enumerate(row):
                    limit = seen[: p["top_k"]]
                    keep[j] = keep[j] or (sees(i, j) and bool(limit) and s >= limit[-1])
        result["scores"].append([s if k else -math.inf for s, k in zip(row, keep, strict=True)])
        masked = [s + added(i, j) if keep[j] and sees(i, j) else None for j, s in enumerate(row)]
        weights = NORMALIZERS[normalize](masked)
        result["weights"].append(weights)
        columns = zip(*V, strict=True)
        result["context"].append(
            [math.fsum(w * v for w, v in zip(weights, c, strict=True) if w) for c in columns]
        )
    return result


def next_word(
    rows: Matrix, W: Matrix, b: Vector | None = None, row: int | None = None
) -> dict[str, list[float]]:
    """logits and probabilities of one row, or of the mean of all."""
    pooled = [math.fsum(column) / len(rows) for column in zip(*rows, strict=True)]
    logits = project([pooled if row is None else rows[row]], W, b)[0]
    return {"logits": logits, "probabilities": softmax(logits)}
