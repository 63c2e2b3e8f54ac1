"""The steps exp_scores and exp_sum: their values, types and formulas."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from attn_cli import AttnError, attention, compute
from attn_cli.floats import FLOAT_TYPES
from attn_cli.maths.exponentials import limit
from attn_cli.maths.normalizers import NORMALIZERS
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.document import from_mapping
from tests.helpers.many import for_each

STEPS = ("exp_scores", "exp_sum", "weights")


def given(scores: Any, **keys: Any) -> Any:
    """The record of given scores; the values are 1."""
    n_k = len(scores[0])
    value = [[1.0]] * n_k
    score = {"function": "given", "scores": scores}
    return compute({"score": score, "value": value, **keys}, steps=STEPS)


def test_they_are_the_exponentials_of_the_last_scores() -> None:
    mask = {"values": [[True, False, True]], "true_means": "attend"}
    record = given([[0.0, 5.0, math.log(3)]], mask=mask, temperature=0.5)
    np.testing.assert_allclose(record["exp_scores"], [[1, 0, 9]], rtol=1e-15)
    np.testing.assert_allclose(record["exp_sum"], [10], rtol=1e-15)
    np.testing.assert_allclose(record["weights"], [[0.1, 0, 0.9]], rtol=1e-15)
    assert record.steps["exp_scores"].formula == "exp_scores = exp(masked / 0.5)"
    assert record.steps["exp_sum"].formula == "exp_sum = sum(exp_scores)"
    assert record.steps["exp_sum"].reads == ("exp_scores",)


@for_each(
    "normalize, sink, formula",
    [
        ("softmax1", 1.0, "exp_sum = 1 + sum(exp_scores)"),
        (
            {"function": "sink_logits", "logits": [math.log(5)]},
            5.0,
            "exp_sum = exp(sink) + sum(exp_scores)",
        ),
    ],
)
def test_a_sink_is_in_the_sum(normalize: Any, sink: float, formula: str) -> None:
    record = given([[0.0, math.log(3)]], normalize=normalize)
    np.testing.assert_allclose(record["exp_sum"], [4 + sink], rtol=1e-15)
    np.testing.assert_allclose(record["weights"], [[1 / (4 + sink), 3 / (4 + sink)]], rtol=1e-14)
    assert record.steps["exp_sum"].formula == formula


def test_rows_beyond_the_range_are_shifted_and_the_formulas_say_so() -> None:
    scores = [[699.0, 0.0], [1000.0, 999.0], [-1000.0, -1001.0]]
    record = given(scores)
    rows = [[math.exp(699), 1.0], [1.0, math.exp(-1)], [1.0, math.exp(-1)]]
    np.testing.assert_allclose(record["exp_scores"], rows, rtol=1e-13)
    np.testing.assert_allclose(record["exp_sum"], [sum(row) for row in rows], rtol=1e-13)
    np.testing.assert_allclose(
        record["weights"], record["exp_scores"] / record["exp_sum"][:, None], rtol=1e-13
    )
    assert record.steps["exp_scores"].formula == (
        "exp_scores = exp(scores - max(scores)) where |max(scores)| > 700, else exp(scores)"
    )
    assert record.steps["exp_sum"].formula == "exp_sum = sum(exp_scores)"
    assert given(scores[:1]).steps["exp_scores"].formula == "exp_scores = exp(scores)"


def test_a_sink_is_shifted_with_the_scores() -> None:
    record = given([[1000.0, 999.0]], normalize={"function": "sink_logits", "logits": [1001.0]})
    np.testing.assert_allclose(record["exp_scores"], [[math.exp(-1), math.exp(-2)]], rtol=1e-14)
    np.testing.assert_allclose(record["exp_sum"], [1 + math.exp(-1) + math.exp(-2)], rtol=1e-14)
    assert record.steps["exp_sum"].formula == (
        "exp_sum = exp(sink - max(scores, sink)) + sum(exp_scores) "
        "where |max(scores, sink)| > 700, else exp(sink) + sum(exp_scores)"
    )
    below = given([[-1000.0, -999.0]], normalize="softmax1")  # the sink, 0, is the largest
    np.testing.assert_array_equal(below["exp_scores"], [[0, 0]])
    np.testing.assert_array_equal(below["exp_sum"], [1])


@for_each(
    "dtype, keys, largest",
    [("float64", 3, 700), ("float32", 3, 80), ("bfloat16", 3, 80), ("float16", 3, 80)],
)
def test_the_range_is_that_of_the_type(dtype: str, keys: int, largest: float) -> None:
    """float16 runs its softmax in float32, as PyTorch does; so does bfloat16."""
    for most, shifted in ((largest, False), (largest + 1, True)):
        record = given([[most] * keys], dtype=dtype)
        assert np.isfinite(record["exp_scores"]).all()
        assert np.isfinite(record["exp_sum"]).all()
        assert ("max" in record.steps["exp_scores"].formula) is shifted
        if shifted:
            np.testing.assert_array_equal(record["exp_sum"], [keys])


def test_sums_of_many_keys_are_finite() -> None:
    """At the largest score that is not shifted, in each type of the softmax."""
    for softmax, accumulate in (
        ("float64", "float64"),
        ("float32", "float32"),
        ("float16", "float32"),
    ):
        for n_k in (1, 21, 30_000, 1 << 20):
            precision = read_problem(
                from_mapping(
                    {
                        "embeddings": [[1.0]],
                        "dtype": "float16",
                        "precision": {"softmax": softmax, "accumulate": accumulate},
                    }
                )
            ).precision
            most = limit(precision, n_k)
            sums = FLOAT_TYPES[max(softmax, accumulate, key=lambda name: int(name[5:]))]
            assert math.exp(most) * (n_k + 1) <= -sums.lowest
            assert math.exp(most) <= -FLOAT_TYPES[softmax].lowest


def test_a_row_without_a_key_and_infinite_scores() -> None:
    hidden = {"mask": {"values": [[False, False]], "true_means": "attend"}}
    record = given([[5.0, 6.0]], **hidden)
    np.testing.assert_array_equal(record["exp_scores"], [[0, 0]])
    np.testing.assert_array_equal(record["exp_sum"], [0])
    np.testing.assert_array_equal(given([[5.0, 6.0]], **hidden, normalize="softmax1")["exp_sum"], 1)
    minus = given([[-math.inf, 0.0]], nonfinite="allow")
    np.testing.assert_array_equal(minus["exp_scores"], [[0, 1]])


def test_they_come_only_if_they_are_named() -> None:
    unasked = attention([[1.0]], [[1.0]], [[1.0]])
    assert "lse" in unasked.steps  # an aside comes in Python, and in formats for programs
    assert not {"exp_scores", "exp_sum"} & set(unasked.steps)


def test_other_normalisers_do_not_have_them() -> None:
    for name in set(NORMALIZERS.names) - {"softmax", "softmax1", "sink_logits"}:
        normalize = {"function": name, "alpha": 1.5} if name == "entmax" else name
        with pytest.raises(AttnError) as error:
            given([[1.0, 2.0]], normalize=normalize)
        assert error.value.message == "this problem has no step 'exp_scores'"
        assert (error.value.help or "").startswith(
            "it is there if the normaliser is softmax, softmax1 or sink_logits; this problem has: "
        )
