"""Every key of a convention, given as what holds without it, changes nothing; and off is off."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import attn_cli
from tests.conformance.cases.bases import FOUR, PACKED, SQUARE, THREE, TWO
from tests.conformance.oracle.hidden import MASKING
from tests.conformance.oracle.inputs import inputs
from tests.conformance.oracle.positions import offset
from tests.conformance.strategies import (
    READ,
    problem_of,
    problems,
    reads_positions,
    really_hidden,
)
from tests.conformance.strategies.sizes import Sizes

pytestmark = pytest.mark.slow

STAGES = {"capped", "biased", "masked"}


def reads_offset(problem: dict[str, Any]) -> bool:
    """Whether a key reads the offset; otherwise it is refused, as idle or with documents."""
    if "documents" in problem:
        return False
    return bool(problem.get("causal")) or any(reads_positions(problem, key) for key in READ)


def defaults(problem: dict[str, Any], record: attn_cli.Record) -> dict[str, Any]:
    """Each key that the problem may have, with the value that it has when it is left out."""
    axes, _ = inputs(problem)
    same: dict[str, Any] = {
        "causal": False,
        "prefix": 0,
        "sink_tokens": 0,
        "rope": False,
        "alibi": False,
        "scale_placement": "scores",
        "layout": "rows",
        "nonfinite": "refuse",
        "dtype": "float64",
        "precision": dict.fromkeys(("accumulate", "scores", "softmax", "output"), "float64"),
    }
    if reads_offset(problem):
        same["offset"] = [offset(problem, axes, b) for b in range(axes.batch)]
    if len(STAGES & set(record.steps)) > 1:
        same["order"] = ["softcap", "bias", "mask"]
    if problem.get("normalize") != "argmax":
        same["temperature"] = 1
    hides = bool(set(MASKING) & set(problem) or problem.get("causal"))
    noted = "mask" in problem and "rope" in problem  # unless it is said where tokens are
    if "past" not in problem and hides and not noted:
        same["key_start"] = 0
    if really_hidden(problem) and (hides or problem["score"]["function"] in {"sparse", "given"}):
        same["empty_rows"] = "zero"
    if hides:
        same["mask_fill"] = {"value": "-inf", "how": "select"}
    if axes.heads != axes.kv_heads:
        same["grouping"] = "interleave"
    if axes.has_heads and not axes.packed:
        same["axes"] = "bhsd"
    if axes.packed:
        same["kv_heads"] = axes.kv_heads
    return {key: value for key, value in same.items() if key not in problem}


def identical(found: attn_cli.Record, expected: attn_cli.Record) -> None:
    """The same steps, to the last bit, and the same warnings."""
    assert list(found.steps) == list(expected.steps)
    assert found.warnings == expected.warnings
    for name in expected.steps:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


@settings(max_examples=20)
@given(problems(), st.data())
def test_a_default_that_is_written_out(problem: dict[str, Any], data: st.DataObject) -> None:
    record = attn_cli.compute(problem)
    same = defaults(problem, record)
    some = data.draw(st.sets(st.sampled_from(list(same)), min_size=1))
    written = {**problem, **{key: same[key] for key in sorted(some)}}
    identical(attn_cli.compute(written), record)


@pytest.mark.parametrize("sizes", [TWO, SQUARE, THREE, FOUR, PACKED])
def test_a_problem_without_any_key_has_the_plain_steps(sizes: Sizes) -> None:
    record = attn_cli.compute(problem_of(sizes, {}))
    plain = ["q", "k", "v", "products", "scores", "weights", "lse", "row_sums", "context", "output"]
    assert [name for name in record.steps if name != "concat"] == plain
    assert ("concat" in record.steps) == (sizes is PACKED)
    assert record.warnings == ()
