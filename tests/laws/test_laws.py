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
from tests.conformance.strategies import problems

pytestmark = pytest.mark.slow

FLOATS = st.floats(-50, 50, allow_nan=False, width=32)
Mapping = dict[str, Any]
# Keys of a problem that depend neither on positions nor on the number of its keys.
WHEREVER = {
    *("query", "key", "value", "axes", "heads", "kv_heads", "grouping", "score", "scale"),
    *("scale_placement", "qk_norm", "softcap", "normalize", "temperature", "top_k"),
    *("weights", "biases"),
}


@settings(max_examples=12)
@given(problems())
def test_rows_sum_to_one_or_zero(problem: Mapping) -> None:
    softmax = {k: v for k, v in problem.items() if k != "empty_rows"} | {"normalize": "softmax"}
    weights = compute(softmax, steps=["weights"])["weights"]
    sums = weights.sum(axis=-1)
    np.testing.assert_allclose(sums, np.where(sums > 0.5, 1.0, 0.0), atol=1e-12)
    assert (weights >= 0).all()


@settings(max_examples=15)
@given(problems(), st.integers(1, 2), st.integers(1, 30))
def test_a_shortened_record_holds_the_edges(problem: Mapping, items: int, threshold: int) -> None:
    loaded = read_problem(from_mapping(problem))
    whole, short = run(loaded), run(loaded, Request(edge=Edge(threshold, items)))
    for name, step in short.steps.items():
        picked = whole[name][np.ix_(*map(step.indices, range(step.values.ndim)))]
        np.testing.assert_allclose(step.values, picked, rtol=1e-9, atol=1e-9, err_msg=name)
        assert step.shape == whole[name].shape
        if whole[name].size > threshold:
            assert max(step.values.shape) <= 2 * items
        else:
            assert step.whole


@st.composite
def anywhere(draw: st.DrawFn) -> tuple[Mapping, int]:
    """A problem whose keys may be in any order, as arrays, and the axis of its keys."""
    drawn = draw(problems())
    assume("embeddings" not in drawn and drawn.get("nonfinite") != "allow")
    problem = {key: value for key, value in drawn.items() if key in WHEREVER}
    score = problem.get("score")
    if isinstance(score, dict) and score["function"] in {"sparse", "given"}:
        del problem["score"]
    problem |= {side: np.array(problem[side]) for side in ("query", "key", "value")}
    return problem, -3 if problem.get("axes") == "bshd" else -2


@settings(max_examples=12)
@given(anywhere(), st.randoms(use_true_random=False))
def test_permuting_keys_with_values_changes_no_output(
    drawn: tuple[Mapping, int], random: Any
) -> None:
    problem, axis = drawn
    assume(problem.get("normalize") != "argmax")  # the first of several largest
    order = list(range(problem["key"].shape[axis]))
    random.shuffle(order)
    moved = {side: problem[side].take(order, axis) for side in ("key", "value")}
    np.testing.assert_allclose(
        compute(problem | moved)["output"], compute(problem)["output"], rtol=1e-9, atol=1e-9
    )


@settings(max_examples=12)
@given(anywhere())
def test_keys_that_are_hidden_might_as_well_not_be_there(drawn: tuple[Mapping, int]) -> None:
    problem, axis = drawn
    longer: Mapping = {"mask": {"true_means": "ignore"}}
    for side, poison in (("key", 1e6), ("value", 1e9)):
        more = np.full_like(problem[side].take([0, 0], axis), poison)
        longer[side] = np.concatenate([problem[side], more], axis)
    n = problem["key"].shape[axis]
    longer["mask"]["values"] = np.arange(n + 2) >= n
    np.testing.assert_allclose(
        compute(problem | longer)["output"], compute(problem)["output"], rtol=1e-9, atol=1e-9
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
