"""Every step of attention, from the mapping that `attn_cli.compute` takes.

Arithmetic is in float64. Presets, precisions, positions that are added to embeddings, and what
comes after the output are not here.
"""

from __future__ import annotations

from typing import Any

from tests.conformance.oracle.after import after
from tests.conformance.oracle.hidden import Hidden, selects
from tests.conformance.oracle.inputs import each_row, inputs, joined
from tests.conformance.oracle.normalise import WITH_LSE, exponentials, named, normalise
from tests.conformance.oracle.plain import Axes, Heads
from tests.conformance.oracle.rope import Angles, rotated
from tests.conformance.oracle.scores import scored
from tests.conformance.oracle.stages import staged


def turned(
    problem: dict[str, Any], axes: Axes, q: Heads, k: Heads
) -> tuple[Heads, Heads, dict[str, Heads]]:
    """Queries and keys turned as at their positions, and the steps of that.

    The keys of a past that is turned already join those that are turned here.
    """
    rope = problem.get("rope", False)
    if rope is False:
        return q, k, {}
    angles = Angles(problem, axes)
    q = each_row(q, lambda b, i, x: rotated(rope, x, angles.query(b, i)))
    k = each_row(k, lambda b, n, x: rotated(rope, x, angles.key(b, n)))
    steps = {"q_rotated": q, "k_rotated": k}
    if problem.get("past", {}).get("rotated"):
        k = steps["present_key"] = joined(problem["past"]["key"], k)
    return q, k, steps


def attention(problem: dict[str, Any]) -> dict[str, Any]:
    """Every step that applies, by name and in the order computed, as nested lists."""
    return attention_with_named(problem)[0]


def attention_with_named(problem: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The steps of `attention`, and those that come only if they are named."""
    axes, steps = inputs(problem)
    v = steps.get("present_value", steps["v"])
    q = steps.get("q_normed", steps["q"])
    k = steps.get("present_key", steps.get("k_normed", steps["k"]))
    q, k, rotations = turned(problem, axes, q, k)
    products = scored(problem, axes, q, k)
    given = staged(problem, axes, products["scores"])
    there = named(problem)["function"] in WITH_LSE
    by_name = exponentials(problem, axes, given) if there else {}
    normalised = normalise(problem, axes, given)
    X = {"embeddings": problem["embeddings"]} if "embeddings" in problem else {}
    heads: dict[str, Any] = {**steps, **rotations, **products, **given.steps}
    if Hidden(problem, axes).by_mask or "top_k" in problem or selects(problem):
        heads["visible"] = given.codes
    heads |= normalised
    trimmed = {name: axes.trimmed(step) for name, step in heads.items()}
    followed = after(problem, axes, given, normalised["weights"], v)
    return {**X, **trimmed, **followed}, by_name
