"""Learning which key is attended to: the loss by its formula, its gradients by differences."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from attn_cli import compute
from attn_cli.sources.matrices.document import from_mapping
from attn_cli.train.learning import measured
from attn_cli.train.training_reader import read_training
from tests.unit.train.test_gradients import arrays, normal

CONTEXT = ["Paris", "is", "old"]
EXAMPLES: dict[str, list[Any]] = {
    "one": [["when was", "is"], ["was old when", "old"]],
    "all": [["when was", ["is", "Paris"]], ["was", ["old"]]],
}
WORDS = ["when", "was", *CONTEXT]
HEADS, D = 2, 4


def _problem(read: str, **more: Any) -> dict[str, Any]:
    learnt = {"query": normal(1, D, 6), "key": normal(2, D, 6), "value": normal(3, D, 2)}
    return {
        "embeddings": {word: normal(10 + at, D) for at, word in enumerate(WORDS)},
        "memory": {"tokens": CONTEXT},
        "weights": learnt,
        "biases": {"query": normal(4, 6)},
        "heads": HEADS,
        "answer": {"read": "attended", "query": "all" if read == "all" else 0},
        **more,
    }


def _loss(problem: dict[str, Any], examples: list[Any]) -> float:
    """The mean over examples and queries of -log of the mean weight of the target."""
    total = 0.0
    for tokens, answers in examples:
        weights = compute({**problem, "tokens": tokens.split()}, steps=["weights"])["weights"]
        mean = weights.mean(axis=0)
        keys = [answers] if isinstance(answers, str) else answers
        each = [-math.log(mean[row, CONTEXT.index(key)]) for row, key in enumerate(keys)]
        total += math.fsum(each) / len(each)
    return total / len(examples)


@pytest.mark.parametrize("read", ["one", "all"])
@pytest.mark.parametrize("score", ["scaled", "additive"])
def test_loss_and_gradients(read: str, score: str) -> None:
    parameters = {"W1": normal(5, 3, 3), "W2": normal(6, 3, 3), "v": normal(7, 3)}
    function = {"function": score, **(parameters if score == "additive" else {})}
    problem = _problem(read, score=function)
    names = ["embeddings", "weights.query", "weights.key", "biases.query"]
    train = {"examples": EXAMPLES[read], "start": "file", "parameters": names}
    training = read_training(from_mapping({**problem, "train": train}))
    found = measured(training, training.start, 0)
    assert found.loss == pytest.approx(_loss(problem, EXAMPLES[read]), rel=1e-12)
    held = [array for name in names for array in arrays(problem, name)]
    gradient = np.concatenate([found.gradients[name].ravel() for name in names])
    direction = np.random.default_rng(8).normal(size=gradient.size)
    at = []
    for step in (-1e-5, 2e-5):
        moved = step * direction
        for array in held:
            np.add(array, moved[: array.size].reshape(array.shape), out=array)
            moved = moved[array.size :]
        at.append(_loss(problem, EXAMPLES[read]))
    slope = (at[1] - at[0]) / 2e-5
    assert abs(gradient @ direction - slope) < 1e-6 * np.linalg.norm(gradient)


def test_an_example_is_right_if_its_key_has_the_largest_weight_among_those_that_can_be_meant() -> (
    None
):
    """Of both examples the key "is" has the largest weight, and "old" more than "Paris"."""
    rows = {"Paris": [0.0], "is": [9.0], "old": [3.0], "when": [1.0]}
    problem = {
        "embeddings": rows,
        "memory": {"tokens": CONTEXT},
        "weights": {"query": [[1.0]]},
        "train": {"examples": [["when", "is"], ["when", "old"]], "start": "file"},
    }
    answer: dict[str, Any] = {"read": "attended", "query": "when"}
    for among, right in (({}, 1), ({"among": ["old", "is"]}, 1)):
        training = read_training(from_mapping({**problem, "answer": {**answer, **among}}))
        assert measured(training, training.start, 0).right == right
    only = {**answer, "among": ["old", "Paris"]}
    asked = {**problem, "train": {"examples": [["when", "old"]], "start": "file"}, "answer": only}
    training = read_training(from_mapping(asked))
    assert measured(training, training.start, 0).right == 1


def test_values_have_no_part_in_what_is_attended_to() -> None:
    """They are not learnt by default."""
    problem = {**_problem("one"), "train": {"examples": EXAMPLES["one"]}}
    training = read_training(from_mapping(problem))
    assert sorted(training.parameters) == ["biases.query", "weights.key", "weights.query"]
