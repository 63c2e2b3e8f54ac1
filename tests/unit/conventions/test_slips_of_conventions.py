"""Slips that the oracle does not see: parts of a step, narrow types, rows without a key."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from attn_cli import AttnError, compute
from attn_cli.maths.problem import Problem, Request
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.document import from_mapping
from tests.helpers.streaming import Numbers, streaming
from tests.helpers.tiled import in_blocks

RNG = np.random.default_rng(4)
INF = np.inf


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape)


def problem_of(**keys: Any) -> Problem:
    return read_problem(from_mapping(keys))


BSHD: dict[str, Any] = {
    "query": normal(2, 5, 3, 7),
    "key": normal(2, 11, 3, 7),
    "value": normal(2, 11, 3, 13),
    "axes": "bshd",
}


@pytest.mark.parametrize("height", [1, 2, 100])
def test_heads_are_written_behind_the_rows_where_the_whole_has_them(height: int) -> None:
    request = Request(steps=("output",), part_bytes=height * 3 * (13 + 7) * 8)
    step = streaming(problem_of(**BSHD), request)
    whole, target = step.whole, Numbers(step, anywhere=False)
    assert whole.axes == ("batch", "query", "head", "dimension")
    assert whole.shape == tuple(map(len, whole.labels)) == (2, 5, 3, 13)
    step.into(target)
    np.testing.assert_allclose(target.array, compute(BSHD)["output"], rtol=1e-12)


def test_one_head_has_no_axis_of_heads() -> None:
    step = streaming(problem_of(**BSHD), Request(steps=("output",), head=1))
    target = Numbers(step)
    step.into(target)
    assert step.whole.axes == ("batch", "query", "dimension")
    np.testing.assert_allclose(target.array, compute(BSHD)["output"][:, :, 1], rtol=1e-12)


def test_other_steps_keep_their_heads_before_the_rows() -> None:
    step = streaming(problem_of(**BSHD), Request(steps=("context",)))
    target = Numbers(step)
    step.into(target)
    assert step.whole.axes == ("batch", "head", "query", "dimension")
    np.testing.assert_allclose(target.array, compute(BSHD)["context"], rtol=1e-12)


def test_a_place_in_a_message_has_the_axes_of_its_step() -> None:
    value = np.ones((2, 11, 3, 13))
    value[1, :, 2, 5] = 3e38
    plain = {**BSHD, "value": value, "dtype": "float32", "normalize": "relu", "scale": 50}
    record = compute(plain)
    first = {
        step: np.argwhere(~np.isfinite(record[step]))[0].tolist() for step in ("context", "output")
    }
    assert first["context"][1] == first["output"][2] == 2
    assert any(f"context is not finite at {first['context']} (" in w for w in record.warnings)
    assert any(f"output is not finite at {first['output']} (" in w for w in record.warnings)


EMPTY: dict[str, Any] = {
    "query": normal(5, 3),
    "key": normal(7, 3),
    "value": normal(7, 2),
    "causal": True,
    "offset": -2,
}


@pytest.mark.parametrize("steps", [["output"], ["context"], ["row_sums"], ["lse", "row_sums"]])
@pytest.mark.parametrize("rows", ["zero", "nan", "uniform"])
def test_rows_without_a_key_do_not_depend_on_what_is_asked_for(steps: list[str], rows: str) -> None:
    """A block of rows that reaches no key at all has no weights that could be NaN."""
    whole = compute({**EMPTY, "empty_rows": rows})
    alone = in_blocks({**EMPTY, "empty_rows": rows}, 1, steps=steps)
    for step in steps:
        np.testing.assert_allclose(alone[step], whole[step], rtol=1e-12)
    if steps != ["lse", "row_sums"]:
        assert np.isnan(alone[steps[0]][:2]).all() == (rows == "nan")
    assert alone.warnings == whole.warnings


def test_a_row_that_is_given_zeros_has_the_output_zero_behind_a_finite_fill_too() -> None:
    problem = {
        "query": [[1.0], [2.0]],
        "key": [[1.0], [2.0], [3.0]],
        "value": [[np.nan], [INF], [5.0]],
        "nonfinite": "allow",
        "mask": [[-INF, -INF, -INF], [-INF, -INF, 0]],
        "mask_fill": {"value": -1e9},
        "empty_rows": "zero",
    }
    output = compute(problem)["output"]
    assert output[0, 0] == 0
    assert np.isnan(output[1, 0])  # 0 * NaN: behind a finite fill those keys take part


def test_what_overflows_in_a_row_without_a_key_is_said() -> None:
    problem = {
        "query": [[1.0]],
        "key": [[1.0], [2.0]],
        "value": [[6e4], [6e4]],
        "weights": {"output": [[3.0]]},
        "mask": [[-INF, -INF]],
        "empty_rows": "uniform",
        "dtype": "float16",
    }
    assert compute(problem).warnings == (
        "query 0 has no key to attend to: the weights there are equal, one part for every key",
        "output is not finite at [0, 0] (1 value): float16 overflows there",
    )


TWO_HEADS: dict[str, Any] = {
    "query": [[1.0, 1e30]],
    "key": [[1.0, 1e30], [1.0, 1e30]],
    "value": [[1.0, 1.0], [1.0, 1.0]],
    "heads": 2,
    "dtype": "float32",
    "mask": {"values": [[[False, False]], [[True, True]]], "true_means": "attend"},
}


@pytest.mark.parametrize("rows", ["zero", "nan"])
def test_a_head_without_a_key_excuses_no_other_head(rows: str) -> None:
    """What the heads make together is excused: it is NaN by one of them."""
    warnings = compute({**TWO_HEADS, "empty_rows": rows}).warnings
    assert "weights is not finite at [1, 0, 0] (2 values): float32 overflows there" in warnings
    assert "context is not finite at [1, 0, 0] (1 value): float32 overflows there" in warnings
    joined = "concat is not finite at [0, 1] (1 value): float32 overflows there"
    assert (joined in warnings) == (rows == "zero")


def test_a_row_without_a_key_excuses_no_query_of_the_next_batch_entry() -> None:
    problem = {
        "query": [[[0.0, 0.0]], [[1.0, 0.0]]],
        "key": np.zeros((2, 1, 2)),
        "value": np.ones((2, 1, 1)),
        "key_lengths": [0, 1],
        "empty_rows": "nan",
        "qk_norm": {"function": "rms", "query_gain": [3e38, 1.0]},  # times sqrt(2)
        "dtype": "float32",
    }
    said = "q_normed is not finite at [1, 0, 0] (1 value): float32 overflows there"
    assert said in compute(problem).warnings


@pytest.mark.parametrize(
    "normalize", ["softmax", "softmax1", {"function": "sink_logits", "logits": [0.0]}]
)
def test_sums_of_a_normaliser_in_float16_are_not_held_in_it(normalize: Any) -> None:
    n = 70_000
    problem = {
        "query": [[0.0]],
        "key": np.zeros((n, 1)),
        "value": np.ones((n, 1)),
        "dtype": "float32",
        "precision": {"softmax": "float16"},
        "normalize": normalize,
    }
    record = compute(problem)
    assert record["lse"][0] == np.float16(np.log(n))
    np.testing.assert_allclose(record["weights"], 1 / n, rtol=3e-3)
    assert record.warnings == ()


def test_numbers_of_a_mask_are_rounded_to_bfloat16_once() -> None:
    above_a_tie = 1 + 2.0**-8 + 2.0**-40  # float32 would put it on the tie
    problem = {"query": [[0.0]], "key": [[0.0]], "value": [[1.0]], "mask": [[above_a_tie]]}
    assert compute({**problem, "dtype": "bfloat16"})["masked"][0, 0] == 1 + 2.0**-7
    types = {"dtype": "float32", "precision": {"scores": "bfloat16"}}
    assert compute({**problem, **types})["masked"][0, 0] == 1 + 2.0**-7


def test_a_number_of_a_mask_that_bfloat16_does_not_hold() -> None:
    lowest = float(np.finfo(np.float32).min)
    problem = {"query": [[0.0]], "key": [[0.0]], "value": [[1.0]], "mask": [[lowest]]}
    with pytest.raises(AttnError, match=r"mask\[0\]\[0\] = -3.40282e\+38 is too large for bfloat"):
        compute({**problem, "dtype": "bfloat16"})


@pytest.mark.parametrize("placement", ["scores", "query", "split"])
def test_each_placement_of_the_scale_rounds_what_it_scales(placement: str) -> None:
    def half(x: Any) -> Any:
        return np.float32(np.float16(x))

    q, k = half(normal(5, 80)), half(normal(7, 80))
    scale, root = np.float32(80**-0.5), np.float32(80**-0.25)
    expected: dict[str, Any] = {
        "scores": half(half(q @ k.T) * scale),
        "query": half(half(q * scale) @ k.T),
        "split": half(half(q * root) @ half(k * root).T),
    }
    problem = {"query": q, "key": k, "value": k, "dtype": "float16"}
    found = compute({**problem, "scale_placement": placement})["scores"]
    for other, scores in expected.items():
        differ = np.mean(found != scores)
        # Sums may run in another order, and fall on the other side of a tie.
        assert differ < 0.1 if other == placement else differ > 0.3, other


def test_a_sink_without_heads_is_a_number_or_a_list_of_one() -> None:
    problem = {"query": [[1.0]], "key": [[1.0]], "value": [[1.0]], "score": "dot"}
    for logits in (1.0, [1.0]):
        normalize = {"function": "sink_logits", "logits": logits}
        assert compute({**problem, "normalize": normalize})["weights"][0, 0] == 0.5


@pytest.mark.parametrize("function", ["rms", "l2"])
def test_norms_of_float16_run_in_float32_and_are_rounded_once(function: str) -> None:
    q, k = np.float64(np.float16(normal(5, 30))), np.float64(np.float16(normal(7, 30)))
    problem = {"query": q, "key": k, "value": k, "dtype": "float16", "qk_norm": function}
    record = compute({**problem, "rope": True, "offset": 3})
    for step, x in (("q_normed", q), ("k_normed", k)):
        size = (x * x).mean(1) + 1e-6 if function == "rms" else (x * x).sum(1)
        expected = np.float16(x / np.sqrt(size)[:, None])
        assert np.mean(record[step] != expected) < 0.02, step
    for step, start in (("q", 3), ("k", 0)):
        rows: Any = record[f"{step}_normed"].astype(np.float64)
        turn = np.exp(
            1j * np.arange(start, start + len(rows))[:, None] * 1e4 ** (-np.arange(15) / 15)
        )
        turned = (rows[:, :15] + 1j * rows[:, 15:]) * turn
        expected = np.float16(np.concatenate([turned.real, turned.imag], axis=1))
        assert np.mean(record[f"{step}_rotated"] != expected) < 0.02, step


@pytest.mark.parametrize(
    ("like", "before", "after"),
    [("hf-eager", 2, 0), ("jax", 3, 3), ("keras", 2, 2), ("onnx", 3, 0)],
)
def test_a_bare_window_of_three_is_what_the_preset_says(like: str, before: int, after: int) -> None:
    x = normal(11, 3)
    found = compute({"query": x, "key": x, "value": x, "like": like, "window": 3})["visible"]
    distance = np.arange(11) - np.arange(11)[:, None]
    np.testing.assert_array_equal(found == 0, (-before <= distance) & (distance <= after))
