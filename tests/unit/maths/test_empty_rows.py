"""Rows without a key, by what hides the keys: the user's mask alone, or anything else."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import attn_cli
from attn_cli import compute
from tests.conftest import Attn
from tests.helpers.many import for_each
from tests.helpers.tiled import by_tiles, in_blocks

INF, NAN = math.inf, math.nan
# One word for rows that the mask empties, one for the others; what each stands for beside v = 1, 3.
VALUES = {"zero": 0.0, "nan": NAN, "uniform": 2.0}
# Row 0: hidden by the mask. 1: by causal order. 2: by both, neither of them alone. 3: sees key 0.
OFFSET = -2
MASK = [[0, 0], [1, 1], [0, 1], [1, 1]]


def rows(empty: Any, **keys: Any) -> dict[str, Any]:
    """Queries at -2, -1, 0 and 1 before two keys of equal scores."""
    return {
        "query": [[0]] * 4,
        "key": [[0], [0]],
        "value": [[1], [3]],
        "mask": {"values": MASK, "true_means": "attend"},
        "causal": True,
        "offset": OFFSET,
        "empty_rows": empty,
        **keys,
    }


def expected(mask: str, other: str) -> list[list[float]]:
    return [[VALUES[mask]], [VALUES[other]], [VALUES[other]], [2.0]]


@for_each("mask", VALUES)
@for_each("other", VALUES)
def test_by_cause(mask: str, other: str) -> None:
    by_cause = {"mask": mask, "other": other}
    record = attn_cli.compute(rows(by_cause))
    np.testing.assert_array_equal(record["output"], expected(mask, other))
    shown = record.settings["empty_rows"]
    assert shown == (mask if mask == other else by_cause)
    if mask == other:
        word = attn_cli.compute(rows(mask))
        np.testing.assert_array_equal(word["output"], record["output"])
        assert word.settings == record.settings
        assert word.warnings == record.warnings


def test_the_mask_alone_counts_even_if_others_hide_the_row_too() -> None:
    """Query 0 is at -2: causal order hides all of its keys as well."""
    found = attn_cli.compute(rows({"mask": "zero", "other": "uniform"}))["weights"]
    assert found.tolist() == [[0, 0], [0.5, 0.5], [0.5, 0.5], [0.5, 0.5]]


@for_each(
    "hiding",
    [
        {"window": {"left": 0, "right": 0}, "offset": 5},
        {"key_lengths": 0},
        {"documents": {"query": [7, 7], "key": [5, 5]}},
    ],
)
def test_what_is_not_the_mask_is_other(hiding: dict[str, Any]) -> None:
    problem = {"query": [[0]] * 2, "key": [[0]] * 2, "value": [[1], [3]], **hiding}
    keys = {"mask": [[0.5, 0], [-INF, -INF]], "empty_rows": {"mask": "zero", "other": "uniform"}}
    assert attn_cli.compute({**problem, **keys})["output"].tolist() == [[2], [0]]


def test_in_batch_entries_and_heads_of_a_mask_of_four_axes() -> None:
    mask = np.ones((2, 3, 1, 2), dtype=bool)
    mask[1, 2] = False
    zeros = np.zeros((2, 3, 1, 2))
    problem: dict[str, Any] = {
        "query": zeros,
        "key": np.zeros((2, 3, 2, 2)),
        "value": np.ones((2, 3, 2, 2)),
    }
    problem |= {"mask": {"values": mask, "true_means": "attend"}, "causal": True, "offset": -1}
    problem |= {"empty_rows": {"mask": "zero", "other": "uniform"}}
    weights = attn_cli.compute(problem)["weights"]
    assert weights[1, 2].tolist() == [[0, 0]]
    assert (np.delete(weights.reshape(6, 2), 5, axis=0) == 0.5).all()


def test_x_transformers_zeroes_what_its_mask_hides() -> None:
    two = {"query": [[0], [0]], "key": [[0]], "value": [[5]], "like": "x-transformers"}
    assert attn_cli.compute({**two, "causal": True})["output"].tolist() == [[5], [5]]
    hidden = {"values": [[False], [True]], "true_means": "attend"}
    assert attn_cli.compute({**two, "mask": hidden})["output"].tolist() == [[0], [5]]


def test_warnings_say_which_row_gets_what() -> None:
    warnings = attn_cli.compute(rows({"mask": "zero", "other": "uniform"})).warnings
    assert warnings == (
        "query 0 has no key to attend to: the weights there are 0",
        "query 1; query 2 have no key to attend to: the weights there are equal, one part for "
        "every key",
    )


def test_nan_of_one_cause_hides_no_overflow_in_the_other() -> None:
    problem = rows({"mask": "nan", "other": "zero"}, value=[[1e300], [1e300]])
    problem |= {"weights": {"output": [[1e300]]}}
    warnings = attn_cli.compute(problem).warnings
    assert "query 0 has no key to attend to: the weights there are NaN" in warnings
    assert any("output is not finite at [3, 0] (1 value)" in each for each in warnings)


# By tiles, in parts, for one row: against whole rows.
N = 23


def many(mask: str, other: str) -> dict[str, Any]:
    """The mask empties rows 11 and 17; causal order rows 0 to 4, and with the mask row 8."""
    rng = np.random.default_rng(5)
    q, k, v = rng.normal(size=(3, N, 3))
    seen = rng.random((N, N)) < 0.5
    seen[:, 0] = True
    seen[[11, 17]] = False
    seen[8, :4] = False  # query 8 is at 3
    problem = {"query": q, "key": k, "value": v, "causal": True, "offset": -5}
    problem |= {"mask": {"values": seen, "true_means": "attend"}}
    return {**problem, "empty_rows": {"mask": mask, "other": other}}


@for_each("mask, other", [("nan", "zero"), ("zero", "nan"), ("zero", "uniform")])
def test_by_tiles_and_for_some_rows(mask: str, other: str) -> None:
    problem = many(mask, other)
    whole = attn_cli.compute(problem, steps=["weights", "output"])
    tiled = by_tiles(problem)
    assert bool(tiled.by_tiles) == (other != "uniform")
    for found in (tiled.record, attn_cli.compute(problem, steps=["output"])):
        np.testing.assert_allclose(found["output"], whole["output"], rtol=1e-12, atol=1e-14)
        assert sorted(found.warnings) == sorted(whole.warnings)
    for rows_, word in (([11, 17], mask), ([0, 4, 8], other)):
        number = {"zero": 0.0, "nan": NAN, "uniform": 1 / N}[word]
        np.testing.assert_array_equal(whole["weights"][rows_], np.full((len(rows_), N), number))
    for row in (4, 8, 11, 12):
        part = attn_cli.compute(problem, steps=["output"], query_token=row)
        np.testing.assert_allclose(part["output"], whole["output"][[row]], rtol=1e-12, atol=1e-14)


def test_from_file_option_npz_and_python(tmp_path: Path, attn: Attn) -> None:
    value = "{mask: zero, other: uniform}"
    problem = rows(None)
    del problem["empty_rows"]
    bare, written = tmp_path / "bare.yaml", tmp_path / "written.yaml"
    bare.write_text(json.dumps(problem))
    written.write_text(json.dumps({**problem, "empty_rows": {"mask": "zero", "other": "uniform"}}))
    q, k, v = (np.array(problem[name], dtype=float) for name in ("query", "key", "value"))
    np.savez(tmp_path / "p.npz", mask=np.array(MASK, dtype=bool), query=q, key=k, value=v)
    npz = ("compute", tmp_path / "p.npz", "--causal", "--offset", "-2", "--like", "x-transformers")
    ran = [
        attn("compute", written, "-f", "json"),
        attn("compute", bare, "--empty-rows", value, "-f", "json"),
    ]
    steps = [json.loads(each.out)["steps"] for each in ran]
    assert steps[0] == steps[1]
    assert steps[0]["output"]["values"] == expected("zero", "uniform")
    one = attn("compute", written, "--query-token", "1", "--only", "output", "-f", "csv")
    assert one.out.split() == ["2.0"]
    stored = attn(*npz, "--only", "output", "-f", "csv")
    assert stored.out.split() == ["0.0", "2.0", "2.0", "2.0"]


RNG = np.random.default_rng(4)


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape)


EMPTY: dict[str, Any] = {
    "query": normal(5, 3),
    "key": normal(7, 3),
    "value": normal(7, 2),
    "causal": True,
    "offset": -2,
}


@pytest.mark.regression("row_sums of an empty row depended on the block and on the other steps")
@for_each("steps", [["output"], ["context"], ["row_sums"], ["lse", "row_sums"]])
@for_each("rows", ["zero", "nan", "uniform"])
def test_rows_without_a_key_do_not_depend_on_what_is_asked_for(steps: list[str], rows: str) -> None:
    """A block of rows that reaches no key at all has no weights that could be NaN."""
    whole = compute({**EMPTY, "empty_rows": rows})
    alone = in_blocks({**EMPTY, "empty_rows": rows}, 1, steps=steps)
    for step in steps:
        np.testing.assert_allclose(alone[step], whole[step], rtol=1e-12)
    if steps != ["lse", "row_sums"]:
        assert np.isnan(alone[steps[0]][:2]).all() == (rows == "nan")
    assert alone.warnings == whole.warnings


@pytest.mark.regression("0 * NaN made the output of an empty row NaN")
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
