"""attn_cli.compute against the oracle: each convention by itself, then any of them at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings

import attn_cli
from tests.conformance.cases import FAMILIES, PROBLEMS
from tests.conformance.expected import named_of, oracle_of, problem_of, record_of, turn
from tests.conformance.oracle import attention_with_named
from tests.conformance.ranks import ranks_clearly
from tests.conformance.strategies import problems
from tests.helpers.many import check_each

pytestmark = pytest.mark.slow

CLOSE = 1e-12


def agree(record: attn_cli.Record, expected: dict[str, Any]) -> None:
    """Every step that the oracle has is there, and is the same."""
    for name, values in expected.items():
        step, right = record[name], np.array(values)
        assert step.shape == right.shape, name
        if name == "visible":
            np.testing.assert_array_equal(step, right, err_msg=name)
        else:
            np.testing.assert_allclose(step, right, rtol=CLOSE, atol=CLOSE, err_msg=name)


@pytest.mark.parametrize("family", FAMILIES)
def test_each_convention(family: str) -> None:
    """The steps that come unasked are those of the oracle."""

    def check(case: str) -> None:
        assert list(record_of(case).steps) == list(oracle_of(case))
        agree(record_of(case), oracle_of(case))

    check_each(FAMILIES[family], check)


def test_the_exponentials_of_each_convention() -> None:
    """They come only if they are named, and only from a normaliser that has them.

    Of conventions before the normaliser a quarter is tried: they are made of the scores alone.
    """
    some = [case for case in PROBLEMS if case in FAMILIES["after"] or not turn(case, 4)]
    there = {case: named_of(case) for case in some}
    assert 10 < sum(bool(steps) for steps in there.values()) < len(some)

    def check(case: str) -> None:
        if there[case]:
            agree(attn_cli.compute(problem_of(case), steps=list(there[case])), there[case])
            return
        with pytest.raises(attn_cli.AttnError) as error:
            attn_cli.compute(problem_of(case), steps=["exp_sum"])
        condition = "it is there if the normaliser is softmax, softmax1 or sink_logits; "
        assert (error.value.help or "").startswith(condition)

    check_each(some, check)


@settings(max_examples=70)
@given(problems())
def test_any_conventions_at_once(problem: dict[str, Any]) -> None:
    expected, by_name = attention_with_named(problem)
    assume(ranks_clearly(problem, expected))
    steps = expected | by_name
    agree(attn_cli.compute(problem, steps=list(steps)), steps)
