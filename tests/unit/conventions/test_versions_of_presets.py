"""Presets whose systems changed, windows of 0 and sink tokens: the smallest inputs, by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import attn_cli
from attn_cli import compute
from attn_cli.conventions.presets import PRESETS
from tests.conftest import Attn
from tests.helpers.many import for_each

INF, NAN = math.inf, math.nan
NO_KEY = {"query": [[0]], "key": [[0], [0]], "value": [[1], [3]], "mask": [[-INF, -INF]]}
MAX32 = (2 - 2.0**-23) * 2.0**127


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_a_row_without_a_key_is_uniform_in_jax_from_0_10_1_on(dtype: str) -> None:
    record = attn_cli.compute({**NO_KEY, "dtype": dtype, "like": "jax"})
    assert record["weights"].tolist() == [[0.5, 0.5]]
    assert record["output"].tolist() == [[2]]


def test_and_nan_in_float64_up_to_0_10_0() -> None:
    for dtype in ("float32", "float16"):
        older = attn_cli.compute({**NO_KEY, "dtype": dtype, "like": "jax@0.10.0"})
        assert older["output"].tolist() == [[2]]
    record = attn_cli.compute({**NO_KEY, "like": "jax@0.10.0"})
    assert np.isnan(record["weights"]).all()
    assert np.isnan(record["output"]).all()


# Weights of a query with scores 0 and 1 that sees neither key, as the notes of presets say it:
# in float64, float32, bfloat16 and float16.
UNIFORM, HIDES_NOTHING = [0.5, 0.5], [1 / (1 + math.e), math.e / (1 + math.e)]
NO_KEY_OF = {
    "hf-eager": ([NAN] * 2, UNIFORM, UNIFORM, UNIFORM),
    "gemma-2": ([NAN] * 2, UNIFORM, UNIFORM, UNIFORM),
    "opennmt": (UNIFORM, UNIFORM, UNIFORM, UNIFORM),
    "d2l": (UNIFORM, UNIFORM, UNIFORM, [NAN] * 2),
    "annotated-transformer": (UNIFORM, UNIFORM, UNIFORM, [NAN] * 2),
    "tensor2tensor": (HIDES_NOTHING, UNIFORM, UNIFORM, [NAN] * 2),
}


@for_each("like", NO_KEY_OF)
def test_rows_without_a_key_are_as_the_notes_say(like: str) -> None:
    problem = {"query": [[1]], "key": [[0], [1]], "value": [[1], [3]], "score": "dot", "like": like}
    for dtype, weights in zip(("float64", "float32", "bfloat16", "float16"), NO_KEY_OF[like],
                              strict=True):  # fmt: skip
        found = compute({**problem, "causal": True, "offset": -1, "dtype": dtype})["weights"]
        np.testing.assert_allclose(found, [weights], rtol=1e-6, err_msg=dtype)


@for_each("like", ["hf-eager", "gemma-2", "x-transformers"])
def test_key_lengths_move_no_query_where_the_last_is_at_the_last_key(like: str) -> None:
    problem = {"query": [[0]] * 2, "key": [[0]] * 4, "value": [[1]] * 4, "causal": True}
    record = compute({**problem, "key_lengths": 3, "like": like})
    assert record.settings["offset"] == 2
    np.testing.assert_allclose(record["weights"], [[1 / 3, 1 / 3, 1 / 3, 0]] * 2)


@pytest.mark.parametrize(
    ("fill", "number", "narrowest"),
    [
        ("lowest float32", -MAX32, -65504),
        ("0.7 lowest float32", 0.7 * -MAX32, 0.7 * -65504),
        ("0.5 lowest float16", -32752, -32752),
        ("lowest", -float(np.finfo(np.float64).max), -65504),
    ],
)
def test_the_lowest_number_of_a_type(fill: str, number: float, narrowest: float) -> None:
    problem = {**NO_KEY, "mask": [[0.0, -INF]], "mask_fill": {"value": fill, "how": "select"}}
    record = attn_cli.compute(problem)
    assert record["masked"][0].tolist() == pytest.approx([0, number], rel=1e-15)
    shown = f"{fill} (float64)" if fill == "lowest" else fill
    assert record.steps["masked"].formula.endswith(f"else {shown}")
    narrow = attn_cli.compute({**problem, "dtype": "float16"})
    assert narrow["masked"][0, 1] == np.float16(narrowest)


def test_the_fill_is_the_knob_in_settings() -> None:
    settings = attn_cli.compute({**NO_KEY, "like": "jax"}).settings["conventions"]
    assert settings["mask_fill"] == {"value": "0.7 lowest float32", "how": "select"}  # type: ignore[index]


# Windows of 0: of itself only, where the number counts other keys.
@pytest.mark.parametrize("name", [n for n in PRESETS if "window" in PRESETS[n].settings])
def test_a_window_of_0(name: str, attn: Attn, tmp_path: Path) -> None:
    rows = [[0], [0], [0]]
    problem = {"query": rows, "key": rows, "value": [[1], [3], [7]], "window": 0, "like": name}
    if PRESETS[name].settings["window"] in {"previous", "both"}:
        assert attn_cli.compute(problem)["output"].tolist() == [[1], [3], [7]]
        (tmp_path / "p.json").write_text(json.dumps({**problem, "window": 2}))
        shown = attn(
            "compute", tmp_path / "p.json", "--window", "0", "--only", "output", "-f", "csv"
        )
        assert (shown.status, shown.out.split()) == (0, ["1.0", "3.0", "7.0"])
    else:
        with pytest.raises(attn_cli.AttnError, match=f"like {name} counts the query's own key"):
            attn_cli.compute(problem)


def visible(**keys: Any) -> Any:
    n = keys.pop("n", 2)
    zeros = [[0]] * n
    problem = {"query": zeros, "key": zeros, "value": zeros, **keys}
    return (attn_cli.compute(problem, steps=["visible"])["visible"] == 0).astype(int).tolist()


@pytest.mark.parametrize("like", [{}, {"like": "flash-attn"}])
def test_sink_tokens_pass_the_left_bound_only(like: dict[str, str]) -> None:
    narrow = {"window": {"left": 0, "right": 0}, **like}
    assert visible(**narrow, sink_tokens=2) == [[1, 0], [1, 1]]
    assert visible(**narrow, sink_tokens=3, n=4) == [
        [1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1],
    ]  # fmt: skip
    assert visible(**narrow, sink_tokens=1, n=4) == [
        [1, 0, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1],
    ]  # fmt: skip
    ahead = {"window": {"left": 0, "right": 1}, **like}
    assert visible(**ahead, sink_tokens=3, n=4) == [
        [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1], [1, 1, 1, 1],
    ]  # fmt: skip
    assert visible(window={"left": 0}, **like, sink_tokens=1, n=3) == [
        [1, 1, 1], [1, 1, 1], [1, 0, 1],
    ]  # fmt: skip


def test_a_prefix_passes_both_bounds() -> None:
    assert visible(window={"left": 0, "right": 0}, prefix=2) == [[1, 1], [1, 1]]


def test_the_title_of_keras_names_its_class() -> None:
    assert "GroupQueryAttention" in PRESETS["keras"].title


def test_biases_that_hide_add_up_in_tensor2tensor() -> None:
    assert any("add up" in note for note in PRESETS["tensor2tensor"].notes)


def test_the_lse_of_sink_logits_includes_the_sink(attn: Attn) -> None:
    text = " ".join(attn("normalizers", "sink_logits").out.split())
    assert "The step lse, the log of the sum of exponentials, includes the sink." in text


RNG = np.random.default_rng(4)


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape)


@pytest.mark.regression("a bare window counted its own query in no preset")
@pytest.mark.parametrize(
    ("like", "before", "after"),
    [("hf-eager", 2, 0), ("jax", 3, 3), ("keras", 2, 2), ("onnx", 3, 0)],
)
def test_a_bare_window_of_three_is_what_the_preset_says(like: str, before: int, after: int) -> None:
    x = normal(11, 3)
    found = compute({"query": x, "key": x, "value": x, "like": like, "window": 3})["visible"]
    distance = np.arange(11) - np.arange(11)[:, None]
    np.testing.assert_array_equal(found == 0, (-before <= distance) & (distance <= after))
