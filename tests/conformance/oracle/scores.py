"""Score functions, and where their scale is applied."""

from __future__ import annotations

import math
from typing import Any

from tests.conformance.oracle.plain import Axes, Heads, Vector, dot, of_head, sigmoid, times, total

BILINEAR = {"dot", "scaled", "multiplicative"}


def inner_score(problem: dict[str, Any]) -> dict[str, Any]:
    """The score function as {function: NAME, ...}; of `sparse` the one inside."""
    score = problem.get("score", "scaled")
    while isinstance(score, dict) and score["function"] == "sparse":
        score = score.get("inside", "dot")
    return {"function": score} if isinstance(score, str) else dict(score)


def raw(score: dict[str, Any], q: Vector, k: Vector) -> float:
    """The score of one pair, before any scale and gate."""
    name = score["function"]
    if name == "additive":
        b = score.get("b", [0.0] * len(score["v"]))
        units = zip(times(score["W1"], q), times(score["W2"], k), b, strict=True)
        return dot(score["v"], [math.tanh(x + y + z) for x, y, z in units])
    if name == "concat":
        first, second = {"query-key": (q, k), "key-query": (k, q)}[score["order"]]
        b = score.get("b", [0.0] * len(score["v"]))
        hidden = zip(times(score["W"], [*first, *second]), b, strict=True)
        return dot(score["v"], [math.tanh(x + y) for x, y in hidden])
    if name == "cosine":
        return dot(q, k) / (math.hypot(*q) * math.hypot(*k)) if any(k) else math.nan
    if name == "multiplicative":
        return dot(q, times(score["W"], k))
    if name == "gaussian":
        square = total((a - b) ** 2 for a, b in zip(q, k, strict=True))
        return float(-square / (2 * score["sigma"] ** 2))
    assert name in {"dot", "scaled", "gated"}
    return dot(q, k)


def factor(problem: dict[str, Any], score: dict[str, Any], d_k: int, h: int) -> float:
    """What scores of query head h are multiplied with."""
    default = 1 / math.sqrt(d_k) if score["function"] == "scaled" else 1.0
    scale = of_head(problem.get("scale"), h)
    return default if scale is None else float(scale)


def placed(problem: dict[str, Any], scale: float) -> tuple[float, float, float]:
    """What q, k and their product are multiplied with: the scale is in one of them, or in two."""
    placement = problem.get("scale_placement")
    if placement == "query":
        return scale, 1.0, 1.0
    if placement == "split":
        return math.sqrt(scale), math.sqrt(scale), 1.0
    return 1.0, 1.0, scale


def scored(problem: dict[str, Any], axes: Axes, q: Heads, k: Heads) -> dict[str, Heads]:
    """The steps products, gate and scores, before `sparse` leaves anything out."""
    score = inner_score(problem)
    d_k = len(k[0][0][0])
    on = [placed(problem, factor(problem, score, d_k, h)) for h in range(axes.heads)]

    def product(b: int, h: int, i: int, j: int) -> float:
        if score["function"] == "given":
            return float(score["scores"][i][j])
        on_q, on_k, _ = on[h]
        x = [on_q * a for a in q[b][h][i]]
        y = [on_k * a for a in k[b][axes.kv(h)][j]]
        return raw(score, x, y)

    products = axes.pairs(product)
    if score["function"] not in BILINEAR | {"gated"}:
        return {"scores": axes.pairs(lambda b, h, i, j: on[h][2] * products[b][h][i][j])}
    whole = problem.get("scale_placement") not in {"query", "split"}
    steps = {"products": products} if whole else {}
    if score["function"] == "gated":
        W, c = score["W_g"][0], score.get("b_g", [0.0])[0]
        gate = axes.pairs(
            lambda b, h, i, j: sigmoid(dot(W, [*q[b][h][i], *k[b][axes.kv(h)][j]]) + c)
        )
        scores = axes.pairs(lambda b, h, i, j: on[h][2] * gate[b][h][i][j] * products[b][h][i][j])
        return {**steps, "gate": gate, "scores": scores}
    return {**steps, "scores": axes.pairs(lambda b, h, i, j: on[h][2] * products[b][h][i][j])}
