"""What weights are for: dropout, context, output gate, heads side by side, projection."""

from __future__ import annotations

from typing import Any

from tests.conformance.oracle.inputs import made_from
from tests.conformance.oracle.plain import Axes, Heads, dot, element, project, sigmoid, total
from tests.conformance.oracle.stages import Staged


def dropped(problem: dict[str, Any], axes: Axes, weights: Heads) -> Heads:
    """weights * mask / (1 - p)."""
    mask, p = problem["dropout"]["mask"], problem["dropout"].get("p", 0.0)
    return axes.pairs(
        lambda b, h, i, j: (
            weights[b][h][i][j] * float(element(mask, axes.index(b, h, i, j))) / (1 - p)
        )
    )


def context(problem: dict[str, Any], axes: Axes, given: Staged, weights: Heads, v: Heads) -> Heads:
    """The weighted sum of values; one that takes no part and weighs 0 may hold anything.

    In a row without a key that is to be uniform all take part, in one that is to be zero none.
    """
    given_to_empty = problem.get("empty_rows")

    def row(b: int, h: int, i: int) -> list[float]:
        pairs = zip(weights[b][h][i], given.gone[b][h][i], v[b][axes.kv(h)], strict=True)
        named = given_to_empty if all(given.codes[b][h][i]) else None
        counted = [
            (w, x)
            for w, g, x in pairs
            if named != "zero" and (named == "uniform" or w != 0 or not g)
        ]
        return [total(w * x[n] for w, x in counted) for n in range(len(v[0][0][0]))]

    return axes.rows(row)


def gated(problem: dict[str, Any], axes: Axes, heads: Heads) -> Heads:
    """context * sigmoid(X W_g + b_g): a gate for each number, or one for each head."""
    given = problem["output_gate"]
    d_v = len(heads[0][0][0])

    def logit(b: int, h: int, i: int, n: int) -> float:
        if "logits" in given:
            return float(element(given["logits"], axes.index(b, h, i, n)))
        per_head = len(given["weights"][0]) == axes.heads
        column = h if per_head else h * d_v + n
        bias = given.get("bias")
        product = dot(made_from(problem)[b][i], [row[column] for row in given["weights"]])
        return product + (0.0 if bias is None else bias[column])

    return axes.rows(
        lambda b, h, i: [x * sigmoid(logit(b, h, i, n)) for n, x in enumerate(heads[b][h][i])]
    )


def output(problem: dict[str, Any], axes: Axes, heads: Heads) -> dict[str, Any]:
    """The steps concat and output, with the axes that they have."""
    if axes.has_heads and not axes.packed:
        if problem.get("axes") == "bshd":
            return {"output": [[list(r) for r in zip(*entry, strict=True)] for entry in heads]}
        return {"output": heads}
    beside = [[[x for rows in entry for x in rows[i]] for i in range(axes.n_q)] for entry in heads]
    W = problem.get("weights", {}).get("output")
    b = problem.get("biases", {}).get("output")
    steps = {"concat": beside} if axes.packed else {}
    steps["output"] = [project(rows, W, b) for rows in beside]
    return {name: entries if axes.has_batch else entries[0] for name, entries in steps.items()}


def after(
    problem: dict[str, Any], axes: Axes, given: Staged, weights: Heads, v: Heads
) -> dict[str, Any]:
    """The steps from dropped to output, with the axes that the problem has."""
    steps: dict[str, Heads] = {}
    if "dropout" in problem:
        weights = steps["dropped"] = dropped(problem, axes, weights)
    heads = steps["context"] = context(problem, axes, given, weights, v)
    if "output_gate" in problem:
        heads = steps["gated"] = gated(problem, axes, heads)
    trimmed = {name: axes.trimmed(step) for name, step in steps.items()}
    return {**trimmed, **output(problem, axes, heads)}
