"""attn_cli.compute against the oracle: each convention by itself, then any of them at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings

import attn_cli
from tests.conformance.cases import PROBLEMS
from tests.conformance.expected import oracle_of, record_of
from tests.conformance.oracle import attention
from tests.conformance.ranks import ranks_clearly
from tests.conformance.strategies import problems

pytestmark = pytest.mark.slow

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
    expected = oracle_of(case)
    record = agree(PROBLEMS[case], expected)
    assert list(record.steps) == list(expected)


@pytest.mark.parametrize("case", PROBLEMS)
def test_the_steps_that_come_unasked(case: str) -> None:
    assert list(record_of(case).steps) == list(oracle_of(case))


def test_the_exponentials_of_each_convention() -> None:
    """They come only if they are named, and only from a normaliser that has them."""
    there = {case: attention(PROBLEMS[case], by_name=True) for case in PROBLEMS}
    assert 10 < sum(bool(steps) for steps in there.values()) < len(PROBLEMS)
    for case, expected in there.items():
        if expected:
            agree(PROBLEMS[case], expected)
            continue
        with pytest.raises(attn_cli.AttnError) as error:
            attn_cli.compute(PROBLEMS[case], steps=["exp_sum"])
        condition = "it is there if the normaliser is softmax, softmax1 or sink_logits; "
        assert (error.value.help or "").startswith(condition)


# About half of the 15 s that this file takes on one core.
@settings(max_examples=300)
@given(problems())
def test_any_conventions_at_once(problem: dict[str, Any]) -> None:
    expected = attention(problem)
    assume(ranks_clearly(problem, expected))
    agree(problem, expected)
    agree(problem, attention(problem, by_name=True))
