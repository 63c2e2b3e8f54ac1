"""Normalisers of one row of numbers that take part, rows without a key, two sums of rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tests.conformance.oracle.plain import (
    Axes,
    Heads,
    Vector,
    exp,
    log_sum_exp,
    of_head,
    sigmoid,
    total,
)
from tests.conformance.oracle.stages import Staged

WITH_LSE = {"softmax", "softmax1", "sink_logits"}


def named(problem: dict[str, Any]) -> dict[str, Any]:
    """The normaliser as {function: NAME, ...}."""
    given = problem.get("normalize", "softmax")
    return {"function": given} if isinstance(given, str) else dict(given)


def beside(normaliser: dict[str, Any], h: int) -> list[float]:
    """The logits that take a share of the weight and have no value: e^0 = 1, or a sink."""
    if normaliser["function"] == "softmax1":
        return [0.0]
    if normaliser["function"] == "sink_logits":
        return [normaliser["logits"][h]]
    return []


def softmax(z: Vector, others: Vector = ()) -> list[float]:
    """e^z over the sum of all of them and the others."""
    top = max([*z, *others])
    whole = total(exp(x - top) for x in [*z, *others])
    return [exp(x - top) / whole for x in z]


def entmax(z: Vector, alpha: float) -> list[float]:
    """max((alpha - 1) z - tau, 0)^(1 / (alpha - 1)), with the tau that makes the sum 1.

    sparsemax is alpha = 2 (Martins and Astudillo 2016, arXiv 1602.02068; Peters et al. 2019, arXiv
    1905.05702). From the largest z counted, tau lies between -1 and 0; it is found by halving.
    """
    if alpha == 1:
        return softmax(z)
    top = max(z)
    x = [(alpha - 1) * (s - top) for s in z]

    def weights(tau: float) -> list[float]:
        return [max(s - tau, 0.0) ** (1 / (alpha - 1)) for s in x]

    low, high = -1.0, 0.0
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if total(weights(middle)) >= 1 else (low, middle)
    return weights(low)


def argmax(z: Vector) -> list[float]:
    """One-hot of the first largest."""
    first = list(z).index(max(z))
    return [1.0 if n == first else 0.0 for n in range(len(z))]


def normalised(z: Vector, normaliser: dict[str, Any], h: int) -> list[float]:
    """The weights of the keys that take part."""
    name = normaliser["function"]
    if not z:
        return []
    rules: dict[str, Callable[[], list[float]]] = {
        "softmax": lambda: softmax(z),
        "softmax1": lambda: softmax(z, beside(normaliser, h)),
        "sink_logits": lambda: softmax(z, beside(normaliser, h)),
        "sparsemax": lambda: entmax(z, 2),
        "entmax15": lambda: entmax(z, 1.5),
        "entmax": lambda: entmax(z, normaliser["alpha"]),
        "sigmoid": lambda: [sigmoid(s + normaliser.get("bias", 0.0)) for s in z],
        "relu": lambda: [max(s, 0.0) / normaliser.get("divisor", 1.0) for s in z],
        "none": lambda: list(z),
        "argmax": lambda: argmax(z),
    }
    return rules[name]()


def exponentials(problem: dict[str, Any], axes: Axes, given: Staged) -> dict[str, Any]:
    """The steps exp_scores and exp_sum of the normalisers with LSE, in float64.

    Both are of z - m if m, the largest of z and of the logits beside it, is not in [-700, 700].
    """
    normaliser = named(problem)

    def row(b: int, h: int, i: int) -> tuple[list[float], float]:
        T = of_head(problem.get("temperature", 1.0), h)
        there = [j for j in range(axes.n_k) if not given.gone[b][h][i][j]]
        z = {j: given.final[b][h][i][j] / T for j in there}
        others = beside(normaliser, h)
        m = max([*z.values(), *others], default=0.0)
        m = m if 700 < abs(m) < math.inf else 0.0
        e = [exp(z[j] - m) if j in z else 0.0 for j in range(axes.n_k)]
        return e, total([*e, *(exp(x - m) for x in others)])

    rows = axes.rows(row)
    return {
        "exp_scores": axes.trimmed(axes.rows(lambda b, h, i: rows[b][h][i][0])),
        "exp_sum": axes.trimmed(axes.rows(lambda b, h, i: rows[b][h][i][1])),
    }


def normalise(problem: dict[str, Any], axes: Axes, given: Staged) -> dict[str, Any]:
    """The steps weights, lse and row_sums."""
    normaliser = named(problem)
    instead = {"zero": 0.0, "nan": math.nan, "uniform": 1 / axes.n_k}

    def taking_part(b: int, h: int, i: int) -> list[int]:
        return [j for j in range(axes.n_k) if not given.gone[b][h][i][j]]

    def z(b: int, h: int, i: int) -> list[float]:
        T = of_head(problem.get("temperature", 1.0), h)
        return [given.final[b][h][i][j] / T for j in taking_part(b, h, i)]

    def weights(b: int, h: int, i: int) -> list[float]:
        if "empty_rows" in problem and all(given.codes[b][h][i]):
            return [instead[problem["empty_rows"]]] * axes.n_k
        row = [0.0] * axes.n_k
        for j, w in zip(taking_part(b, h, i), normalised(z(b, h, i), normaliser, h), strict=True):
            row[j] = w
        return row

    W: Heads = axes.rows(weights)
    steps: dict[str, Any] = {"weights": W}
    if normaliser["function"] in WITH_LSE:
        steps["lse"] = axes.rows(lambda b, h, i: log_sum_exp([*z(b, h, i), *beside(normaliser, h)]))
    return {**steps, "row_sums": axes.rows(lambda b, h, i: total(W[b][h][i]))}
