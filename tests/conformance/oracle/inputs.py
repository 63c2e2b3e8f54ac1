"""Where Q, K and V come from: projections, heads, packing, axes, norms, and the past."""

from __future__ import annotations

import math
from typing import Any

from tests.conformance.oracle.plain import Axes, Heads, axes_of, project, total

SOURCES = ("query", "key", "value")


def source(problem: dict[str, Any], name: str) -> Any:
    """What Q, K or V is before it is split into heads: as given, or X W + b.

    X of keys and values are the embeddings of the memory, if the problem has one.
    """
    if name in problem:
        return problem[name]
    memory = problem if name == "query" else problem.get("memory", problem)
    X: Any = memory["embeddings"]
    W = problem.get("weights", {}).get(name)
    return project(X, W, problem.get("biases", {}).get(name))


def made_from(problem: dict[str, Any]) -> list[list[list[float]]]:
    """X as [batch][query][feature]: what queries are made from."""
    X: Any = problem["embeddings"]
    return [X] if axes_of(X) == 2 else list(X)


def split(rows: list[list[float]], heads: int) -> list[list[list[float]]]:
    """[row][heads * d] as [head][row][d], head after head."""
    d = len(rows[0]) // heads
    return [[row[h * d : (h + 1) * d] for row in rows] for h in range(heads)]


def in_heads(values: Any, heads: int, layout: str) -> Heads:
    """Values of 2, 3 or 4 axes as [batch][head][row][feature]."""
    if axes_of(values) == 4:
        if layout == "bhsd":
            return [list(entry) for entry in values]
        return [[list(rows) for rows in zip(*entry, strict=True)] for entry in values]
    entries = [values] if axes_of(values) == 2 else values
    return [split(rows, heads) for rows in entries]


def norm(problem: dict[str, Any], x: list[float], gain: str) -> list[float]:
    """x / sqrt(mean(x^2) + eps) or x / max(|x|, eps), times a gain for each feature."""
    given = problem["qk_norm"]
    given = {"function": given} if isinstance(given, str) else given
    square = total(a * a for a in x)
    if given["function"] == "rms":
        size = math.sqrt(square / len(x) + given.get("eps", 1e-6))
    else:
        size = max(math.sqrt(square), given.get("eps", 1e-12))
    return [a / size * g for a, g in zip(x, given.get(gain, [1.0] * len(x)), strict=True)]


def each_row(heads: Heads, change: Any) -> Heads:
    """change(b, row number, row) of every row."""
    return [
        [[change(b, n, row) for n, row in enumerate(rows)] for rows in entry]
        for b, entry in enumerate(heads)
    ]


def joined(past: Heads, new: Heads) -> Heads:
    """The past rows of each head, then the new ones."""
    return [
        [[*before, *after] for before, after in zip(*entries, strict=True)]
        for entries in zip(past, new, strict=True)
    ]


def inputs(problem: dict[str, Any]) -> tuple[Axes, dict[str, Heads]]:
    """The axes, and the steps from q to present_value.

    No present_key if the keys of the past are turned already: the new ones are yet to be turned.
    """
    given = {name: source(problem, name) for name in SOURCES}
    H = problem.get("heads", 1)
    count = {"query": H, "key": problem.get("kv_heads", H), "value": problem.get("kv_heads", H)}
    layout = problem.get("axes", "bhsd")
    q, k, v = (in_heads(given[name], count[name], layout) for name in SOURCES)
    steps = {"q": q, "k": k, "v": v}
    if "qk_norm" in problem:
        steps["q_normed"] = each_row(q, lambda b, n, x: norm(problem, x, "query_gain"))
        steps["k_normed"] = each_row(k, lambda b, n, x: norm(problem, x, "key_gain"))
    past = problem.get("past")
    if past is not None and not past.get("rotated"):
        steps["present_key"] = joined(past["key"], steps.get("k_normed", k))
    if past is not None:
        steps["present_value"] = joined(past["value"], v)
    four = axes_of(given["query"]) == 4
    grouping = problem.get("grouping")
    before = 0 if past is None else len(past["key"][0][0])
    axes = Axes(
        batch=len(q),
        heads=len(q[0]),
        kv_heads=len(k[0]),
        n_q=len(q[0][0]),
        past=before,
        n_k=before + len(k[0][0]),
        has_batch=axes_of(given["query"]) > 2,
        has_heads=four or "heads" in problem,
        packed="heads" in problem and not four,
        tile=grouping == "tile",
        mapped=grouping if isinstance(grouping, list) else (),
    )
    return axes, steps
