"""Warnings of numbers that are not finite, and where they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from attn_cli import attention, compute
from attn_cli.engine.run import run
from attn_cli.maths.problem import Edge, Request
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.document import from_mapping

INF = np.inf


@pytest.mark.regression("overflow was seen in shown steps only, or placed inside its block")
class TestOverflow:
    """An overflow is reported with its place, whether or not the step is shown."""

    def test_behind_argmax(self) -> None:
        record = attention(
            [[300.0]], [[300.0], [400.0]], [[1.0], [2.0]], "dot", dtype="float16",
            normalize="argmax", steps=["weights"],
        )  # fmt: skip
        assert record.warnings == (
            "scores is not finite at [0, 0] (2 values): float16 overflows there",
        )

    def test_to_minus_infinity(self) -> None:
        record = attention(
            [[300.0]], [[-300.0], [1.0]], [[1.0], [2.0]], "dot", dtype="float16", steps=["output"]
        )
        assert record.warnings == (
            "scores is not finite at [0, 0] (1 value): float16 overflows there",
        )

    def test_not_where_it_is_hidden(self) -> None:
        record = attention(
            [[300.0]], [[300.0], [1.0]], [[1.0], [2.0]], "dot", dtype="float16",
            mask=[[-INF, 0]], steps=["scores", "output"],
        )  # fmt: skip
        assert record.warnings == ()

    def test_its_place_is_that_of_the_whole_step(self) -> None:
        q = np.ones((40, 1))
        q[38] = 300.0
        k = np.ones((40, 1))
        k[7] = 300.0
        problem: dict[str, Any] = {"query": q, "key": k, "value": k, "score": "dot"}
        problem["dtype"] = "float16"
        loaded = read_problem(from_mapping(problem))
        place = "scores is not finite at [38, 7] (1 value): float16 overflows there"
        assert place in run(loaded, Request(edge=Edge())).warnings
        assert place in run(loaded, Request(rows=(38,))).warnings
        turned = {**problem, "query": q.T, "key": k.T, "value": k.T, "layout": "columns"}
        assert place.replace("[38, 7]", "[7, 38]") in compute(turned).warnings
        stacked = {n: np.stack([np.ones((40, 1)), problem[n]]) for n in ("query", "key", "value")}
        assert place.replace("[38", "[1, 38") in compute({**problem, **stacked}, batch=1).warnings

    def test_nothing_is_said_where_it_is_allowed(self) -> None:
        record = attention([[np.nan]], [[1.0]], [[1.0]], nonfinite="allow")
        assert np.isnan(record["output"]).all()
        assert record.warnings == ()


RNG = np.random.default_rng(4)


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape)


BSHD: dict[str, Any] = {
    "query": normal(2, 5, 3, 7),
    "key": normal(2, 11, 3, 7),
    "value": normal(2, 11, 3, 13),
    "axes": "bshd",
}


@pytest.mark.regression("a place had the axes of the output for all steps")
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


@pytest.mark.regression("the warning of an empty row hid that of an overflow")
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


@pytest.mark.regression("an empty row of one head hid the overflow of another")
@pytest.mark.parametrize("rows", ["zero", "nan"])
def test_a_head_without_a_key_excuses_no_other_head(rows: str) -> None:
    """What the heads make together is excused: it is NaN by one of them."""
    warnings = compute({**TWO_HEADS, "empty_rows": rows}).warnings
    assert "weights is not finite at [1, 0, 0] (2 values): float32 overflows there" in warnings
    assert "context is not finite at [1, 0, 0] (1 value): float32 overflows there" in warnings
    joined = "concat is not finite at [0, 1] (1 value): float32 overflows there"
    assert (joined in warnings) == (rows == "zero")


@pytest.mark.regression("an empty row hid the overflow of another batch entry")
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
