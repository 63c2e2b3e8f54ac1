"""Laws that hold for any problem, tried on random ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from attn_cli import attention, compute
from attn_cli.engine.run import run
from attn_cli.maths.normalizers import NORMALIZERS
from attn_cli.maths.problem import Edge, Request
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.document import from_mapping

FLOATS = st.floats(-50, 50, allow_nan=False, width=32)
SIZES = st.integers(1, 6)


@st.composite
def problems(draw: st.DrawFn) -> dict[str, Any]:
    """A problem with any score function, mask, causal order and layout of sparse selections."""
    n_q, n_k, d, d_v, h = (draw(SIZES) for _ in range(5))

    def matrix(*shape: int) -> Any:
        return draw(arrays(np.float64, shape, elements=FLOATS))

    scores: dict[str, dict[str, Any]] = {
        "dot": {},
        "scaled": {},
        "additive": {"W1": matrix(h, d), "W2": matrix(h, d), "v": matrix(h)},
        "multiplicative": {"W": matrix(d, d)},
        "gated": {"W_g": matrix(1, 2 * d)},
        "gaussian": {"sigma": draw(st.floats(0.1, 10))},
        "given": {"scores": matrix(n_q, n_k)},
        "sparse": draw(
            st.sampled_from(
                [
                    {"window": 1},
                    {"block": 2},
                    {"stride": 2, "window": 0},
                    {"top_k": 2},
                    {"global_tokens": 1, "inside": "scaled"},
                    {"pairs": [[n_q - 1, 0], [0, n_k - 1]]},
                ]
            )
        ),
    }
    name = draw(st.sampled_from(sorted(scores)))
    problem: dict[str, Any] = {
        "query": matrix(n_q, d),
        "key": matrix(n_k, d),
        "value": matrix(n_k, d_v),
        "score": {"function": name, **scores[name]},
    }
    if draw(st.booleans()):
        problem["causal"] = draw(st.sampled_from(["top-left", "bottom-right"]))
    if draw(st.booleans()):
        hidden = draw(arrays(np.bool_, (n_q, n_k)))
        problem["mask"] = {"values": hidden, "true_means": "ignore"}
    return problem


@given(problems())
def test_rows_sum_to_one_or_zero(problem: dict[str, Any]) -> None:
    weights = compute(problem)["weights"]
    sums = weights.sum(axis=1)
    np.testing.assert_allclose(sums, np.where(sums > 0.5, 1.0, 0.0), atol=1e-12)
    assert (weights >= 0).all()


@given(problems(), st.integers(1, 40), st.sampled_from(["softmax", "none", "argmax"]))
def test_any_blocking_equals_all_at_once(
    problem: dict[str, Any], block_bytes: int, normalize: str
) -> None:
    """Blocks of one row upward, and keys beyond reach skipped, change nothing."""
    loaded = read_problem(from_mapping({**problem, "normalize": normalize}))
    whole = run(loaded)
    parts = run(loaded, Request(block_bytes=block_bytes * 64))
    outputs = run(loaded, Request(steps=("output",), block_bytes=block_bytes * 64))
    for name in whole.steps:
        np.testing.assert_allclose(parts[name], whole[name], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(outputs["output"], whole["output"], rtol=1e-9, atol=1e-9)
    assert parts.warnings == whole.warnings == outputs.warnings


@given(problems(), st.data())
def test_one_query_is_a_row_of_all(problem: dict[str, Any], data: st.DataObject) -> None:
    whole = compute(problem)
    row = data.draw(st.integers(0, len(whole["weights"]) - 1))
    one = compute(problem, query_token=row)
    for name in set(whole.steps) - {"k", "v"}:
        np.testing.assert_allclose(one[name][0], whole[name][row], rtol=1e-9, atol=1e-9)


@given(problems(), st.integers(1, 3))
def test_a_shortened_record_holds_the_edges(problem: dict[str, Any], items: int) -> None:
    loaded = read_problem(from_mapping(problem))
    whole, short = run(loaded), run(loaded, Request(edge=Edge(threshold=4, items=items)))
    for name, step in short.steps.items():
        picked = whole[name][np.ix_(step.indices(0), step.indices(1))]
        np.testing.assert_allclose(step.values, picked, rtol=1e-9, atol=1e-9)
        assert step.shape == whole[name].shape
        if step.shape[0] * step.shape[1] > 4:
            assert max(step.values.shape) <= 2 * items
        else:
            assert step.whole


@given(problems(), st.randoms(use_true_random=False))
def test_permuting_keys_with_values_changes_no_output(problem: dict[str, Any], random: Any) -> None:
    score = problem["score"]["function"]
    assume("causal" not in problem and score not in {"sparse", "given"})
    order = list(range(len(problem["key"])))
    random.shuffle(order)
    moved = {**problem, "key": problem["key"][order], "value": problem["value"][order]}
    if "mask" in problem:
        moved["mask"] = {"values": problem["mask"]["values"][:, order], "true_means": "ignore"}
    np.testing.assert_allclose(
        compute(moved)["output"], compute(problem)["output"], rtol=1e-9, atol=1e-9
    )


@given(problems())
def test_keys_that_are_hidden_might_as_well_not_be_there(problem: dict[str, Any]) -> None:
    assume(problem["score"]["function"] not in {"given"} and "causal" not in problem)
    n_q, n_k = len(problem["query"]), len(problem["key"])
    hidden = np.zeros((n_q, n_k), dtype=bool)
    if "mask" in problem:
        hidden = problem["mask"]["values"]
    longer = {
        **problem,
        "key": np.vstack([problem["key"], np.full((2, problem["key"].shape[1]), 1e6)]),
        "value": np.vstack([problem["value"], np.full((2, problem["value"].shape[1]), 1e9)]),
        "mask": {"values": np.hstack([hidden, np.ones((n_q, 2), bool)]), "true_means": "ignore"},
    }
    np.testing.assert_allclose(
        compute(longer)["output"], compute(problem)["output"], rtol=1e-9, atol=1e-9
    )


@given(arrays(np.float64, (3, 5), elements=FLOATS), FLOATS)
def test_softmax_ignores_a_shift(scores: Any, shift: float) -> None:
    softmax = NORMALIZERS.get("softmax").normalize
    visible = np.ones(scores.shape, dtype=bool)
    np.testing.assert_allclose(
        softmax(scores + shift, visible, {}), softmax(scores, visible, {}), rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("size", [1e4, 1e100, 1e307])
def test_softmax_is_safe_against_overflow(size: float) -> None:
    record = attention([[1.0]], [[size], [size], [-size]], [[2.0], [4.0], [100.0]], "dot")
    np.testing.assert_array_equal(record["weights"], [[0.5, 0.5, 0.0]])
    np.testing.assert_array_equal(record["output"], [[3.0]])


def test_known_softmax() -> None:
    """Scores 0 and ln 3 weigh 1/4 and 3/4."""
    record = attention([[1.0]], [[0.0], [np.log(3)]], [[0.0], [1.0]], "dot")
    np.testing.assert_allclose(record["weights"], [[0.25, 0.75]], rtol=1e-15)


def test_argmax_takes_the_first_on_a_tie() -> None:
    record = attention(
        [[1.0]], [[1.0], [3.0], [3.0]], [[0.0], [5.0], [7.0]], "dot", normalize="argmax"
    )
    np.testing.assert_array_equal(record["weights"], [[0, 1, 0]])


def test_a_sum_of_many_weights_does_not_overflow_float16() -> None:
    n = 70_000
    value = np.ones((n, 1))
    record = attention([[0.0]], np.zeros((n, 1)), value, dtype="float16", steps=["weights"])
    assert record["weights"].dtype == np.float16
    assert (record["weights"] > 0).all()


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_arithmetic_is_in_the_type_that_is_asked_for(dtype: str) -> None:
    q = np.array([[1 / 3, 2 / 3]], dtype=np.float64)
    record = attention(q, q, q, dtype=dtype)
    wide = np.dtype("float32" if dtype == "float16" else dtype)
    for name in record.steps:
        assert record[name].dtype == (wide if name in {"lse", "row_sums"} else np.dtype(dtype))
    expected = np.array(1 / 3, dtype) * np.array(1 / 3, dtype) + np.array(2 / 3, dtype) ** 2
    np.testing.assert_allclose(
        record["products"], [[expected]], rtol=float(2 * np.finfo(dtype).eps)
    )


def test_overflow_is_said() -> None:
    record = attention([[60000.0]], [[60000.0]], [[1.0]], dtype="float16")
    assert record.warnings == (
        "products is not finite at [0, 0] (1 value): float16 overflows there",
        "scores is not finite at [0, 0] (1 value): float16 overflows there",
        "weights is not finite at [0, 0] (1 value): float16 overflows there",
        "context is not finite at [0, 0] (1 value): float16 overflows there",
        "output is not finite at [0, 0] (1 value): float16 overflows there",
    )


@settings(max_examples=25)
@given(problems(), st.integers(2, 3), st.integers(2, 3))
def test_batch_and_heads_are_entries_of_their_own(
    problem: dict[str, Any], batch: int, heads: int
) -> None:
    shape = (batch, heads)
    factor = np.arange(1, batch * heads + 1).reshape(*shape, 1, 1) / 3
    many = {
        **problem,
        **{name: problem[name] * factor for name in ("query", "key", "value")},
    }
    record = compute(many)
    for b in range(batch):
        for h in range(heads):
            one = {**problem, **{n: many[n][b, h] for n in ("query", "key", "value")}}
            expected = compute(one)
            chosen = compute(many, batch=b, head=h)
            for name in expected.steps:
                np.testing.assert_allclose(record[name][b, h], expected[name], rtol=1e-9, atol=1e-9)
                np.testing.assert_array_equal(chosen[name], record[name][b, h])
