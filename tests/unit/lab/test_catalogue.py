"""The usual mistakes of people: each is named on an exercise that shows it, and hidden on another.

The rows are those of the collected public cases, and of the mistakes that are typical without one.
`hidden` is what is changed of the exercise so that the mistake gives the right numbers; None: where
it can be made at all, it changes numbers.
"""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest

from attn_cli.lab.answers.judging import judge_all
from attn_cli.lab.answers.parting import Exercise
from attn_cli.lab.answers.sheet_reader import sheet_of
from attn_cli.lab.answers.showing import mistakes
from attn_cli.lab.variants import Base, variants_of
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.document import Document, from_mapping
from tests.helpers.many import check_each

pytestmark = pytest.mark.slow

X = [[1, 0, 2], [0, 1, 1], [3, 1, 0], [1, 1, 1], [2, 0, 1]]
W = {
    "query": [[1, 0, 1], [0, 2, 0], [1, 1, 0]],
    "key": [[0, 1, 1], [1, 0, 0], [2, 0, 1]],
    "value": [[1, 2, 0], [0, 1, 3], [1, 0, 1]],
}
NARROW = {**W, "query": [[1, 0], [0, 2], [1, 1]], "key": [[0, 1], [1, 0], [2, 1]]}
ONE = {**W, "query": [[1], [0], [2]], "key": [[0], [1], [2]]}  # d_k = 1
HEADS = {
    "query": [[1, 0, 1, 2], [0, 2, 0, 1], [1, 1, 0, 0]],
    "key": [[0, 1, 1, 0], [1, 0, 0, 2], [2, 0, 1, 1]],
    "value": [[1, 2, 0, 1], [0, 1, 3, 0], [1, 0, 1, 2]],
}
BIASES = {"query": [1, 2, 3], "key": [2, 0, 1], "value": [1, 1, 2]}
MASK = [[1, 0, 1, 1, 0], [1, 1, 0, 1, 1], [0, 1, 1, 0, 1], [1, 1, 1, 1, 0], [1, 0, 0, 1, 1]]
SYMMETRIC = [[1, 1, 0, 1, 0], [1, 1, 1, 0, 1], [0, 1, 1, 1, 1], [1, 0, 1, 1, 0], [0, 1, 1, 0, 1]]
EYE3, ONES = np.eye(3).tolist(), [[1, 1, 1]] * 5
MATRICES = {"query": EYE3, "key": EYE3, "value": EYE3}
TIED = {"score": {"function": "given", "scores": [[2, 2, 1], [1, 3, 3]]},
        "value": [[1, 2], [3, 5], [7, 11]],
        "embeddings": None, "weights": None}  # fmt: skip
UNTIED = {**TIED, "score": {"function": "given", "scores": [[2, 3, 1], [1, 5, 3]]}}
SINES = {"positions": "sinusoidal", "embeddings": [[1, 0, 2, 1], [0, 1, 1, 3], [3, 1, 0, 2]],
         "weights": None}  # fmt: skip
ALONE = {**SINES, "embeddings": [[1, 0, 2, 1]]}  # position 0 alone: sines are 0, cosines 1


def masked(rows: Any) -> dict[str, Any]:
    return {"mask": {"values": rows, "true_means": "attend"}}


class Row(NamedTuple):
    """A mistake, the keys with which it can be seen, and those with which it cannot."""

    name: str
    shown: dict[str, Any]
    hidden: dict[str, Any] | None


ADDITIVE = {"score": {"function": "additive", "W1": [[1, 0, 1], [0, 1, 1]], "W2": [[1, 1, 0],
            [0, 1, 2]], "v": [1, 2]}, "query": [[1, 0, 2], [0, 1, 1]], "key": X,
            "value": [[1, 2], [0, 3], [5, 1], [2, 2], [1, 7]], "embeddings": None,
            "weights": None}  # fmt: skip
SYMMETRIC_W = {"score": {"function": "multiplicative", "W": [[1, 2, 0], [2, 1, 3], [0, 3, 1]]}}
OTHER_W = {"score": {"function": "multiplicative", "W": [[1, 2, 0], [0, 1, 3], [5, 3, 1]]}}

CATALOGUE = [
    Row("no-scale", {}, {"weights": ONE}),
    Row("divided-by-sqrt-d_model", {"weights": NARROW}, {}),
    Row("divided-by-d_k", {}, {"weights": ONE}),
    Row("scaled-twice", {}, {"weights": ONE}),
    Row("multiplied-by-sqrt-d_k", {}, {"weights": ONE}),
    Row("scaled-after-softmax", {}, {"weights": ONE}),
    Row("scaled-anyway", {"score": "dot"}, {"score": "dot", "weights": ONE}),
    Row("softmax-over-queries", {}, {"embeddings": EYE3, "weights": MATRICES}),
    Row("softmax-over-heads", {"weights": HEADS, "heads": 2}, None),
    Row("softmax-over-batch", {}, {"embeddings": X[:1]}),
    Row("softmax-over-matrix", {}, {"embeddings": X[:1]}),
    Row("no-exponential", {}, {"embeddings": ONES}),
    Row("not-normalised", {}, None),
    Row("not-divided", {}, None),
    Row("mask-after-softmax", masked(MASK), None),
    Row("masked-with-0", masked(MASK), None),
    Row("mask-inverted", masked(MASK), None),
    Row("mask-transposed", masked(MASK), masked(SYMMETRIC)),
    Row("causal-itself-hidden", {"causal": "top-left"}, None),
    Row("causal-next-visible", {"causal": "top-left"}, {"causal": "top-left", "embeddings": X[:1]}),
    Row("no-causal", {"causal": "top-left"}, {"causal": "top-left", "embeddings": X[:1]}),
    Row("no-mask", masked(MASK), None),
    Row("heads-split-by-reshape", {"weights": HEADS, "heads": 2},
        {"weights": HEADS, "heads": 2, "embeddings": X[:1]}),
    Row("heads-joined-by-reshape", {"weights": HEADS, "heads": 2},
        {"weights": HEADS, "heads": 2, "embeddings": X[:1]}),
    Row("heads-averaged", {"weights": {**HEADS, "output": [[1, 0], [0, 1], [2, 1], [1, 3]]},
        "heads": 2}, None),
    Row("values-with-W_k", {}, {"weights": {**W, "value": W["key"]}}),
    Row("values-with-W_q", {}, {"weights": {**W, "value": W["query"]}}),
    Row("q-and-k-exchanged", {}, {"weights": {**W, "key": W["query"]}}),
    Row("all-weights-transposed", {}, {"weights": MATRICES}),
    Row("W_q-transposed", {}, {"weights": MATRICES}),
    Row("W_k-transposed", {}, {"weights": MATRICES}),
    Row("W_v-transposed", {}, {"weights": MATRICES}),
    Row("W_o-transposed", {"weights": {**W, "output": W["query"]}},
        {"weights": {**W, "output": EYE3}}),
    Row("score-W-transposed", OTHER_W, SYMMETRIC_W),
    Row("k-not-transposed", {"embeddings": X[:3]},
        {"embeddings": EYE3, "weights": {**W, "key": EYE3}}),
    Row("values-are-projected-states", ADDITIVE,
        {**ADDITIVE, "value": (np.array(X) @ [[1, 0], [1, 1], [0, 2]]).tolist()}),
    Row("no-bias", {"biases": BIASES}, {"biases": {"query": [0] * 3}}),
    Row("no-b_q", {"biases": BIASES}, {"biases": {**BIASES, "query": [0] * 3}}),
    Row("no-b_k", {"biases": BIASES}, {"biases": {**BIASES, "key": [0] * 3}}),
    Row("no-b_v", {"biases": BIASES}, {"biases": {**BIASES, "value": [0] * 3}}),
    Row("no-residual", {"residual": True}, None),
    Row("no-W_o", {"weights": {**W, "output": W["query"]}}, {"weights": {**W, "output": EYE3}}),
    Row("no-W_q", {}, {"weights": MATRICES}),
    Row("no-positions", SINES, None),
    Row("positions-concatenated", SINES, None),
    Row("positions-from-1", SINES, None),
    Row("positions-base-100", SINES, ALONE),
    Row("positions-base-1000", SINES, ALONE),
    Row("positions-cos-2(i+1)", SINES, ALONE),
    Row("positions-i-for-2i", SINES, ALONE),
    Row("positions-4i-for-2i", SINES, ALONE),
    Row("positions-sines-first", SINES, None),
    Row("positions-other-layout", SINES, None),
    Row("temperature-multiplied", {"temperature": 2}, {"temperature": 1}),
    Row("window-left-one-more", {"window": {"left": 1, "right": 0}},
        {"window": {"left": 9, "right": 0}}),
    Row("window-left-one-less", {"window": {"left": 1, "right": 0}},
        {"window": {"left": 9, "right": 0}}),
    Row("window-right-one-more", {"window": {"left": 1, "right": 1}},
        {"window": {"left": 1, "right": 9}}),
    Row("window-right-one-less", {"window": {"left": 1, "right": 1}},
        {"window": {"left": 1, "right": 9}}),
    Row("last-of-equals", {**TIED, "normalize": "argmax"}, {**UNTIED, "normalize": "argmax"}),
    Row("first-of-equal-top-k", {**TIED, "top_k": 1}, {**UNTIED, "top_k": 1}),
    Row("last-of-equal-top-k", {**TIED, "top_k": 1}, {**UNTIED, "top_k": 1}),
    Row("tokens-reversed", {}, {"embeddings": ONES}),
    Row("uniform-weights", {}, {"embeddings": ONES}),
]  # fmt: skip
BY_NAME = {row.name: row for row in CATALOGUE}


def base_of(keys: dict[str, Any]) -> Base:
    every = {"embeddings": X, "weights": W, "score": "scaled", **keys}
    document = from_mapping({name: value for name, value in every.items() if value is not None})
    return Base(read_problem(document), document)


def text(values: Any) -> Any:
    return [text(value) for value in values] if np.ndim(values) else f"{values:.4f}"


def test_a_mistake_is_named_on_an_exercise_that_shows_it() -> None:
    """At the first step that it changes; the law of variants has the others."""

    def check(names: Sequence[str]) -> None:
        base = base_of(BY_NAME[names[0]].shown)
        variants, exercise = {each.name: each for each in variants_of(base)}, Exercise(base)
        sheets = []
        for name in names:
            changed = exercise.changed(variants[name])
            assert changed, f"{name} gives the right numbers"
            step = next(iter(changed))
            sheets.append(sheet_of(Document({step: text(changed[step])}), base, name, None))
        for judged in judge_all(base, sheets):
            (found,) = judged.judgements
            assert judged.sheet.name in [each.name for each in found.explanations], judged.sheet

    exercises: dict[str, list[str]] = {}  # all mistakes that one shows are judged at once
    for name, row in BY_NAME.items():
        exercises.setdefault(repr(row.shown), []).append(name)
    check_each(exercises.values(), check)


def test_a_mistake_is_hidden_on_an_exercise_that_cannot_show_it() -> None:
    def check(name: str) -> None:
        base = base_of(BY_NAME[name].hidden or {})
        variant = next(each for each in variants_of(base) if each.name == name)
        assert Exercise(base).changed(variant) == {}

    check_each([row.name for row in CATALOGUE if row.hidden is not None], check)


def test_what_is_hidden_is_said_with_what_would_show_it() -> None:
    base = base_of({"embeddings": EYE3, "weights": MATRICES})
    found = {each.name: each for each in mistakes(base).hidden}
    assert {"W_q-transposed", "k-not-transposed", "q-and-k-exchanged"} <= found.keys()
    assert found["divided-by-sqrt-d_model"].shape == "one more number in each query and key"
    for each in found.values():
        assert not each.searched.startswith("no number was found")  # not given up
        assert bool(each.parts) + bool(each.shape) + bool(each.searched) == 1
        if each.parts and len(each.parts) == 1:  # the first that shows it does
            key, *at = each.parts[0].path.replace("]", "").replace("[", ".").split(".")
            side = at.pop(0) if key == "weights" else None
            keys: dict[str, Any] = {"embeddings": EYE3, "weights": MATRICES}
            rows = [[*row] for row in (keys[key][side] if side else keys[key])]
            rows[int(at[0])][int(at[1])] = each.parts[0].after
            keys[key] = {**keys[key], side: rows} if side else rows
            changed = base_of(keys)
            variant = next(v for v in variants_of(changed) if v.name == each.name)
            assert Exercise(changed).changed(variant), each.name


def test_the_search_ends_after_some_work() -> None:
    """Counted, not timed: the same exercise has the same answer on any machine."""
    keys = {"embeddings": [["0"] * 3] * 3, "weights": MATRICES}
    tried = []
    for work in (60, 120):
        given_up = [each.searched for each in mistakes(base_of(keys), work=work).hidden]
        (said,) = {text for text in given_up if text.startswith("no number was found")}
        found = re.fullmatch(r"no number was found in the first (\d+) changes", said)
        assert found, said
        tried.append(int(found[1]))
    assert 0 < tried[0] < tried[1] < 120
