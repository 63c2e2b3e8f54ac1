"""attn_cli.compute against the oracle: each convention by itself, then any of them at once."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings

import attn_cli
from tests.conventions.cases import PROBLEMS
from tests.conventions.oracle import attention
from tests.conventions.plain import axes_of
from tests.conventions.strategies import problems

CLOSE = 1e-12


def agree(problem: dict[str, Any], expected: dict[str, Any]) -> attn_cli.Record:
    """Every step that the oracle has is there, and is the same."""
    record = attn_cli.compute(problem, steps=list(expected))
    for name, values in expected.items():
        step = record[name]
        assert step.shape == np.shape(values), name
        if name == "visible":
            np.testing.assert_array_equal(step, values, err_msg=name)
        else:
            np.testing.assert_allclose(step, values, rtol=CLOSE, atol=CLOSE, err_msg=name)
    return record


@pytest.mark.parametrize("case", PROBLEMS)
def test_each_convention(case: str) -> None:
    expected = attention(PROBLEMS[case])
    record = agree(PROBLEMS[case], expected)
    assert list(record.steps) == list(expected)


@pytest.mark.parametrize("case", PROBLEMS)
def test_the_steps_that_come_unasked(case: str) -> None:
    assert set(attn_cli.compute(PROBLEMS[case]).steps) <= set(attention(PROBLEMS[case]))


def rows_of(values: Any) -> list[list[Any]]:
    """The rows of an array of any number of axes."""
    return values if axes_of(values) == 2 else [row for part in values for row in rows_of(part)]


def ranks_clearly(problem: dict[str, Any], steps: dict[str, Any]) -> bool:
    """Whether what is largest does not depend on how numbers are rounded.

    Visible scores must be apart from all others; those that got the same fill may tie.
    """
    normalize = problem["normalize"]
    if "top_k" not in problem and normalize not in ("argmax", {"function": "argmax"}):
        return True
    last = [name for name in steps if name in {"scores", "capped", "biased", "masked"}][-1]
    if "visible" not in steps:
        codes = [[0] * len(row) for row in rows_of(steps[last])]
    else:
        codes = rows_of(steps["visible"])
    for row, reasons in zip(rows_of(steps[last]), codes, strict=True):
        seen = [s for s, code in zip(row, reasons, strict=True) if code in {0, 7}]
        others = {s for s, code in zip(row, reasons, strict=True) if code not in {0, 7}}
        ranked = sorted(s for s in [*seen, *others] if math.isfinite(s))
        apart = itertools.pairwise(ranked)
        if any(b - a <= 1e-9 * max(1, abs(a)) for a, b in apart):
            return False
    return True


# About 20 s on one core.
@settings(max_examples=500)
@given(problems())
def test_any_conventions_at_once(problem: dict[str, Any]) -> None:
    expected = attention(problem)
    assume(ranks_clearly(problem, expected))
    agree(problem, expected)
