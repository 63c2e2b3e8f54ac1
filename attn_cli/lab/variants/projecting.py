"""Usual mistakes with Q, K and V: matrices transposed, exchanged, or their biases left out."""

from __future__ import annotations

from functools import partial
from typing import Literal

import numpy as np

from attn_cli.arrays import AnyArray
from attn_cli.dataclass import replace
from attn_cli.lab.altered import with_steps
from attn_cli.lab.variants.variant import Base, Variant
from attn_cli.maths.linear import Linear
from attn_cli.maths.problem import Problem, Projection

Side = Literal["query", "key", "value"]
SIDES: tuple[Side, ...] = ("query", "key", "value")


def _projected(problem: Problem, side: Side) -> Projection | None:
    """Return the projection of a side, if it has a matrix."""
    found: Projection | None = getattr(problem, side)
    return found if found is not None and found.linear.weight is not None else None


def _transposed(side: Projection) -> Projection | None:
    weight = side.linear.weight
    if weight is None or weight.shape[-1] != weight.shape[-2]:
        return None
    return replace(side, linear=Linear(weight.swapaxes(-1, -2), side.linear.bias))


def _weights_transposed(sides: tuple[Side, ...], base: Base) -> Problem | None:
    changed: dict[str, Projection] = {}
    for side in sides:
        projection = _projected(base.problem, side)
        turned = None if projection is None else _transposed(projection)
        if turned is None:
            return None
        changed[side] = turned
    return replace(base.problem, **changed)  # type: ignore[arg-type]


def _exchanged(base: Base) -> Problem | None:
    """Return the problem with q and k in each other's place."""
    if not {"q", "k"} <= base.specs.keys() or base.problem.cross or _same_rows(base.problem):
        return None
    q, k = base.step("q"), base.step("k")
    return with_steps(base.problem, {"q": k, "k": q}) if q.shape == k.shape else None


def _same_rows(problem: Problem) -> bool:
    """Return whether queries and keys are the same rows, whatever their numbers are."""
    query, key = problem.query, problem.key
    if query is None or key is None or query.inputs is not key.inputs:
        return False
    return query.linear.weight is key.linear.weight and query.linear.bias is key.linear.bias


def _not_transposed(base: Base) -> Problem | None:
    """Return the problem whose products are Q K instead of Q K^T."""
    problem = base.problem
    if "products" not in base.specs or "k" not in base.specs:
        return None
    Q, K = _meeting(base)
    if K.shape[-1] != K.shape[-2] or Q.shape[:-2] != K.shape[:-2]:
        return None
    innermost, _ = problem.score.innermost(problem.parameters)
    if innermost.name not in {"dot", "scaled"}:
        return None
    return with_steps(problem, {"products": Q @ K})


def _meeting(base: Base) -> tuple[AnyArray, AnyArray]:
    q, k = base.specs["products"].reads
    return base.step(q), base.step(k)


def _values_from(side: Side, base: Base) -> Problem | None:
    """Return the problem whose values were projected with the matrix of Q or K."""
    problem, name = base.problem, {"query": "q", "key": "k"}[side]
    if _projected(problem, side) is None or name not in base.specs or problem.past is not None:
        return None
    v, other = base.step("v"), base.step(name)
    same = v.shape == other.shape and _inputs(problem, "value") is _inputs(problem, side)
    return with_steps(problem, {"v": other}) if same else None


def _inputs(problem: Problem, side: Side) -> object:
    found: Projection | None = getattr(problem, side)
    return None if found is None else found.inputs


def _without_projection(side: Side, base: Base) -> Problem | None:
    """Return the problem whose rows of a side are the embeddings themselves."""
    projection = _projected(base.problem, side)
    if projection is None or projection.depth != projection.inputs.shape[-1]:
        return None
    return replace(base.problem, **{side: replace(projection, linear=Linear())})  # type: ignore[arg-type]


def _without_biases(sides: tuple[Side, ...], base: Base) -> Problem | None:
    changed = {}
    for side in sides:
        found: Projection | None = getattr(base.problem, side)
        if found is not None and found.linear.bias is not None:
            changed[side] = replace(found, linear=Linear(found.linear.weight))
    return replace(base.problem, **changed) if changed else None  # type: ignore[arg-type]


def _score_transposed(base: Base) -> Problem | None:
    """Return the problem with W^T instead of W between query and key."""
    W = base.problem.parameters.get("W")
    if base.problem.score.name != "multiplicative" or W is None or W.shape[-1] != W.shape[-2]:
        return None
    turned = {**base.problem.parameters, "W": W.swapaxes(-1, -2)}
    return replace(base.problem, parameters=turned)


def _projected_states(base: Base) -> Problem | None:
    """Return the problem whose values are W2 k, as the additive score projects the keys."""
    problem = base.problem
    if problem.score.name != "additive" or "k" not in base.specs or problem.past is not None:
        return None
    states = base.step("k") @ np.swapaxes(problem.parameters["W2"], -1, -2)
    return with_steps(problem, {"v": states}) if states.shape == base.step("v").shape else None


def _reversed(base: Base) -> Problem | None:
    """Return the problem whose tokens are in the reverse order."""
    if "embeddings" not in base.specs or base.problem.cross or base.problem.past is not None:
        return None
    X = base.step("embeddings")
    return with_steps(base.problem, {"embeddings": X[::-1]}) if len(X) > 1 else base.problem


def _keys_as_values(base: Base) -> Problem | None:
    """Return the problem with V = K."""
    if "k" not in base.specs or base.problem.past is not None:
        return None
    k, v = base.step("k"), base.step("v")
    key, value = base.problem.key, base.problem.value
    if k.shape != v.shape or key is None or key.linear.weight is not None:
        return None  # values that are projected with W_k are the same
    if key.inputs is value.inputs and value.linear.weight is None:
        return None  # they are the same rows here
    return with_steps(base.problem, {"v": k})


PROJECTING = (
    Variant(
        "all-weights-transposed",
        "W x was computed instead of x W: W_q, W_k and W_v were transposed",
        partial(_weights_transposed, SIDES),
        ("probml/pml-book#707", "probml/pml2-book#228"),
    ),
    Variant("W_q-transposed", "W_q was transposed", partial(_weights_transposed, ("query",))),
    Variant("W_k-transposed", "W_k was transposed", partial(_weights_transposed, ("key",))),
    Variant("W_v-transposed", "W_v was transposed", partial(_weights_transposed, ("value",))),
    Variant(
        "q-and-k-exchanged",
        "q and k changed places",
        _exchanged,
        ("neetcode-gh/leetcode#5169",),
    ),
    Variant(
        "k-not-transposed",
        "Q K was computed instead of Q K^T",
        _not_transposed,
        ("ttsugriy, common mistakes, 3", "whitead/dmol-book#237"),
    ),
    Variant(
        "values-with-W_k",
        "the values were projected with W_k instead of W_v",
        partial(_values_from, "key"),
        ("yflyzhang/AnnotatedTransformer#1",),
    ),
    Variant(
        "values-with-W_q",
        "the values were projected with W_q instead of W_v",
        partial(_values_from, "query"),
    ),
    Variant("values-are-keys", "the keys were taken as values", _keys_as_values),
    Variant("no-W_q", "the queries were not projected", partial(_without_projection, "query")),
    Variant("no-W_k", "the keys were not projected", partial(_without_projection, "key")),
    Variant("no-W_v", "the values were not projected", partial(_without_projection, "value")),
    Variant("no-bias", "the biases of q, k and v were left out", partial(_without_biases, SIDES)),
    Variant("no-b_q", "the bias of q was left out", partial(_without_biases, ("query",))),
    Variant("no-b_k", "the bias of k was left out", partial(_without_biases, ("key",))),
    Variant("no-b_v", "the bias of v was left out", partial(_without_biases, ("value",))),
    Variant(
        "score-W-transposed",
        "the matrix W between query and key was transposed",
        _score_transposed,
        ("probml/pml-book#707",),
    ),
    Variant(
        "values-are-projected-states",
        "the context is of the keys as the score projects them, W2 k, instead of the values",
        _projected_states,
        ("microsoft/CNTK#2083",),
        needs="as many hidden units as a value has numbers",
    ),
    Variant("tokens-reversed", "the tokens were taken in the reverse order", _reversed),
)
