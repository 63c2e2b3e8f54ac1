"""One matrix each of queries, keys and values, without conventions, and the next word."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tests.conformance.oracle import attention
from tests.conformance.oracle.normalise import softmax
from tests.conformance.oracle.plain import Matrix, Vector, project, total


def single(
    Q: Matrix,
    K: Matrix,
    V: Matrix,
    score: str | dict[str, Any] = "scaled",
    *,
    scale: float | None = None,
    sees: Callable[[int, int], bool] = lambda i, j: True,
    added: Callable[[int, int], float] = lambda i, j: 0.0,
    normalize: str = "softmax",
) -> dict[str, Any]:
    """The steps of `attention`; visible keys and biases are one mask of numbers."""
    problem: dict[str, Any] = {"query": Q, "key": K, "value": V, "score": score}
    problem |= {"normalize": normalize} | ({} if scale is None else {"scale": scale})
    problem["mask"] = [
        [added(i, j) if sees(i, j) else -math.inf for j in range(len(K))] for i in range(len(Q))
    ]
    return attention(problem)


def next_word(
    rows: Matrix, W: Matrix, b: Vector | None = None, row: int | None = None
) -> dict[str, list[float]]:
    """logits and probabilities of one row, or of the mean of all."""
    pooled = [total(column) / len(rows) for column in zip(*rows, strict=True)]
    logits = project([pooled if row is None else rows[row]], W, b)[0]
    return {"logits": logits, "probabilities": softmax(logits)}
