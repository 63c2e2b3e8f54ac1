"""The names of what can be learnt: arrays, their replacements and gradients have the same."""

from __future__ import annotations

from typing import Any

import numpy as np

from attn_cli.maths.problem import Problem
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.document import from_mapping
from attn_cli.train.learnt import arrays_of, with_arrays
from attn_cli.train.loss import Stack, loss_and_gradients
from attn_cli.train.objective import objective_of
from tests.helpers.many import for_each
from tests.unit.train.test_gradients import D_K, D_V, D, base, normal

H = 7
NAMES = {
    "embeddings", "positions.learned", "memory.embeddings",
    "weights.query", "weights.key", "weights.value", "weights.output",
    "biases.query", "biases.key", "biases.value", "biases.output",
    "layer_norm.gamma", "layer_norm.beta",
    "feed_forward.W1", "feed_forward.b1", "feed_forward.W2", "feed_forward.b2",
    "feed_forward.layer_norm.gamma", "feed_forward.layer_norm.beta",
    "next_word.weights", "next_word.bias",
}  # fmt: skip
ADDITIVE = {
    "function": "additive",
    "W1": normal(1, H, D_K), "W2": normal(2, H, D_K), "v": normal(3, H), "b": normal(4, H),
}  # fmt: skip
SCORES: dict[str, tuple[Any, set[str]]] = {
    "scaled": ("scaled", set()),
    "gaussian": ({"function": "gaussian", "sigma": 1.7}, {"score.sigma"}),
    "additive": (ADDITIVE, {f"score.{name}" for name in ("W1", "W2", "v", "b")}),
    "sparse": (
        {"function": "sparse", "window": 1, "inside": ADDITIVE},
        {f"score.inside.{name}" for name in ("W1", "W2", "v", "b")},
    ),
}


def everything(score: Any, *, heads: bool, seed: int = 0) -> Problem:
    """A problem that has all arrays that can be learnt, of two heads or of none."""
    count = 2 if heads else 1
    norm = {"gamma": normal(seed + 5, D), "beta": normal(seed + 6, D)}
    problem = base(
        seed + 7,
        score=score,
        positions={"learned": normal(seed + 8, 13, D)},
        memory={"tokens": ["so", "do"]},
        output=D,
        residual=True,
        layer_norm=norm,
        feed_forward={
            "W1": normal(seed + 9, D, H), "b1": normal(seed + 10, H), "W2": normal(seed + 11, H, D),
            "b2": normal(seed + 12, D), "layer_norm": norm,
        },
    )  # fmt: skip
    depths = {"query": D_K, "key": D_K, "value": D_V}
    for at, (side, depth) in enumerate(depths.items()):
        problem["weights"][side] = normal(seed + 13 + at, D, count * depth)
        problem["biases"][side] = normal(seed + 16 + at, count * depth)
    problem["weights"]["output"] = normal(seed + 19, count * D_V, D)
    return read_problem(from_mapping(problem | ({"heads": 2} if heads else {})))


@for_each("heads", [False, True])
@for_each("name", SCORES)
def test_arrays_and_gradients_have_the_same_names_and_shapes(name: str, heads: bool) -> None:
    score, parameters = SCORES[name]
    problem = everything(score, heads=heads)
    assert problem.embeddings is not None
    stack = Stack(problem, problem.embeddings[None], 1, objective_of(problem))
    arrays, (_, gradients) = arrays_of(problem), loss_and_gradients(stack, np.array([0]))
    assert set(arrays) == set(gradients) == NAMES | parameters
    for key, array in arrays.items():
        lead = (1,) if key == "embeddings" else ()  # one example
        assert gradients[key].shape == (*lead, *array.shape), key


@for_each("heads", [False, True])
@for_each("name", SCORES)
def test_each_array_is_replaced_alone(name: str, heads: bool) -> None:
    problem = everything(SCORES[name][0], heads=heads)
    before = arrays_of(problem)
    for key, array in before.items():
        changed = with_arrays(problem, {key: array + 1})
        assert arrays_of(problem)[key] is not arrays_of(changed)[key]
        for other, now in arrays_of(changed).items():
            expected = before[other] + 1 if other == key else before[other]
            np.testing.assert_array_equal(now, expected, err_msg=f"{other} after {key}")


def test_all_arrays_replaced_give_the_problem_that_is_read_with_them() -> None:
    problem, other = (everything(ADDITIVE, heads=True, seed=seed) for seed in (0, 100))
    before, expected = arrays_of(problem), arrays_of(other)
    # The score has the same numbers in both.
    assert all((before[key] != expected[key]).all() for key in NAMES)
    changed = with_arrays(problem, expected)
    for key, array in arrays_of(changed).items():
        np.testing.assert_array_equal(array, expected[key], err_msg=key)
    for side in ("query", "key", "value"):
        ours, theirs = (getattr(each, side).inputs for each in (changed, other))
        np.testing.assert_array_equal(ours, theirs, err_msg=side)
