"""The answers that problems ask for, against NumPy on the weights of the record."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from attn_cli.engine.run import run
from attn_cli.errors import AttnError
from attn_cli.maths.problem import Edge, Problem, Request
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.document import from_mapping
from tests.helpers.many import for_each

BATCH, HEADS, N_Q, N_K, D = 2, 3, 5, 7, 11


def _problem(answer: dict[str, Any], *, n_k: int = N_K, **keys: Any) -> Problem:
    draw = np.random.default_rng(5)
    n_q = N_Q if n_k == N_K else n_k
    arrays = {
        "query": draw.normal(size=(BATCH, HEADS, n_q, D)),
        "key": draw.normal(size=(BATCH, HEADS, n_k, D)),
        "value": draw.normal(size=(BATCH, HEADS, n_k, 2)),
    }
    return read_problem(from_mapping({**arrays, "answer": answer, **keys}))


@for_each("chosen", [{}, {"head": 1}, {"rows": (2,)}, {"steps": ("weights",)}])
def test_the_key_that_a_query_attends_to_is_of_the_mean_over_all_heads(
    chosen: dict[str, Any],
) -> None:
    """Also if one head or other rows are shown."""
    problem = _problem({"read": "attended", "query": 3, "among": [6, 1, 4]})
    weights = run(problem)["weights"].mean(axis=1)[:, 3]
    found = run(problem, Request(answer=True, **chosen))
    for entry, choice in enumerate(found.choices):
        among = {key: weights[entry, key] for key in (6, 1, 4)}
        ranked = sorted(among, key=lambda key: -among[key])
        assert (choice.asked, choice.answer) == ("3", str(ranked[0]))
        assert [name for name, _ in choice.ranking] == [str(key) for key in ranked]
        assert choice.value == pytest.approx(among[ranked[0]], abs=1e-15)
        assert choice.margin == pytest.approx(among[ranked[0]] - among[ranked[1]], abs=1e-15)
    assert found.answer == [choice.answer for choice in found.choices]
    assert len(found.choices) == BATCH


def test_of_all_queries_there_is_an_answer_for_each() -> None:
    problem = _problem({"read": "attended", "query": "all"}, causal="top-left")
    weights = run(problem)["weights"].mean(axis=1)
    found = run(problem, Request(batch=1, answer=True))
    assert found.answer == [str(key) for key in weights[1].argmax(axis=-1)]
    assert [choice.asked for choice in found.choices] == [str(row) for row in range(N_Q)]


def test_kept_keys_are_those_that_the_others_attend_to() -> None:
    """Nobody counts for itself: a token that attends to itself alone receives nothing by that."""
    n, keep = 6, 3
    itself = np.diag([9.0, 0, 0, 7, 0, 0])  # what these tokens attend to is no one else
    problem = _problem({"read": "kept", "keep": keep}, n_k=n, score_bias=itself)
    weights = run(problem)["weights"].mean(axis=1)
    answers: Any = run(problem, Request(rows=(4,), answer=True)).answer
    for entry in range(BATCH):
        received = [sum(weights[entry, i, j] for i in range(n) if i != j) for j in range(n)]
        best = sorted(range(n), key=lambda j: -received[j])[:keep]
        assert answers[entry] == [str(j) for j in sorted(best)]


def test_kept_keys_that_receive_the_same_are_kept_in_the_order_of_the_text() -> None:
    zeros = np.zeros((5, 2))
    answer = {"read": "kept", "keep": 2}
    keys = {"query": zeros, "key": zeros, "value": zeros, "answer": answer, "tokens": list("vwxyz")}
    found = run(read_problem(from_mapping(keys)))
    assert found.answer == ["v", "w"]
    assert found.text == "v\nw"
    assert found.warnings == ("'w' and 'x' receive the same sum of weights, and the first is kept",)
    assert [choice.value for choice in found.choices] == pytest.approx([4 / 5, 4 / 5])


@for_each("pool, rows", [("mean", slice(None)), ("last", slice(-1, None))])
def test_of_the_likeliest_word_the_weights_of_the_pooled_rows_are_told(
    pool: str, rows: slice
) -> None:
    draw = np.random.default_rng(3)
    keys = {
        "tokens": ["good", "bad", "end"],
        "embeddings": draw.normal(size=(3, 4)),
        "weights": {"query": draw.normal(size=(4, 2)), "key": draw.normal(size=(4, 2))},
        "next_word": {
            "vocabulary": ["positive", "negative"],
            "weights": draw.normal(size=(4, 2)),
            "pool": pool,
        },
    }
    plain = run(read_problem(from_mapping(keys)))
    found = run(read_problem(from_mapping({**keys, "answer": {"read": "word"}})))
    assert found.answer == plain.answer
    (choice,) = found.choices
    assert [word for word, _ in choice.attention] == keys["tokens"]
    paid = plain["weights"][rows].mean(axis=0)
    assert [weight for _, weight in choice.attention] == pytest.approx(paid.tolist())


def test_two_keys_with_one_weight_are_a_doubt_and_the_first_is_the_answer() -> None:
    zeros = np.zeros((2, 3))
    keys = {
        "query": zeros,
        "key": zeros,
        "value": zeros,
        "answer": {"read": "attended", "query": 1},
    }
    found = run(read_problem(from_mapping(keys)))
    assert (found.answer, found.warnings) == ("0", ("'1' attends to '0' and '1' alike",))


def test_without_the_weights_there_is_no_answer() -> None:
    found = run(
        _problem({"read": "kept", "keep": 1}, n_k=3), Request(steps=("output",), answer=True)
    )
    assert (found.answer, found.choices) == (None, ())


def test_all_queries_of_a_long_text_are_refused_before_they_are_computed() -> None:
    n = 3000
    zeros = np.zeros((n, 1))
    answer = {"read": "attended", "query": "all"}
    keys = {"value": zeros, "query": zeros, "key": zeros, "answer": answer}
    problem = read_problem(from_mapping(keys))
    shortened = Request(edge=Edge(), answer=True, memory=60 << 20)
    with pytest.raises(AttnError, match=r"^the answer is read from .* of weights, more than"):
        run(problem, shortened)


def test_a_sum_over_the_queries_of_a_long_text_holds_one_number_per_key() -> None:
    """Tables shorten the weights; what is kept is added up block by block."""
    n = 600
    draw = np.random.default_rng(4)
    keys = {"query": draw.normal(size=(n, 2)), "key": draw.normal(size=(n, 2))}
    answer = {"read": "kept", "keep": 2}
    whole = {**keys, "value": np.zeros((n, 1)), "answer": answer}
    problem = read_problem(from_mapping(whole))
    weights = run(problem)["weights"].copy()
    np.fill_diagonal(weights, 0)
    received = weights.sum(axis=0)
    small = Request(edge=Edge(), answer=True, memory=1 << 20, block_bytes=1 << 18)
    best = sorted(np.argsort(-received)[:2].tolist())
    assert run(problem, small).answer == [str(key) for key in best]
