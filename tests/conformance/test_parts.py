"""A part of a drawn problem is that part of its whole record, however it is asked for."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import attn_cli
from attn_cli.engine.blocks import ARRAYS_PER_BLOCK
from attn_cli.maths.problem import Problem
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.document import from_mapping
from tests.conformance.cases import FAMILIES, PROBLEMS
from tests.conformance.expected import problem_of, record_of, turn
from tests.conformance.ranks import ranks_clearly
from tests.conformance.strategies import problems
from tests.helpers.many import check_each
from tests.helpers.tiled import in_blocks

pytestmark = pytest.mark.slow

CLOSE = 1e-12


def whole_of(problem: dict[str, Any]) -> tuple[Problem, attn_cli.Record]:
    """The problem as it is read, and all its steps."""
    read = read_problem(from_mapping(problem))
    record = attn_cli.compute(read)
    assume(ranks_clearly(problem, {name: record[name].tolist() for name in record.steps}))
    return read, record


def same(found: attn_cli.Record, expected: dict[str, Any]) -> None:
    """The record has these steps in this order, and these values, apart from rounding."""
    assert list(found.steps) == list(expected)
    for name, values in expected.items():
        assert found[name].shape == values.shape, name
        np.testing.assert_allclose(found[name], values, rtol=CLOSE, atol=CLOSE, err_msg=name)


def some_of(data: st.DataObject, whole: attn_cli.Record) -> list[str]:
    """Names of a few of the steps, in the order computed; often of none that shows all keys.

    Without such a step keys that no query of a block can see are not looked at.
    """
    names = list(whole.steps)
    if data.draw(st.booleans()):
        names = [name for name in names if whole.steps[name].axes[-1] != "key"]
    chosen = data.draw(st.sets(st.sampled_from(names), min_size=1, max_size=3))
    return [name for name in names if name in chosen]


def key_head(problem: dict[str, Any], head: int, heads: int, kv_heads: int) -> int:
    """The key head that a query head reads."""
    if isinstance(problem.get("grouping"), list):
        return int(problem["grouping"][head])
    if problem.get("grouping") == "tile":
        return head % kv_heads
    return head // (heads // kv_heads)


def entry_of(step: attn_cli.Step, kept: dict[str, int]) -> Any:
    """The values at one place of each of these axes; one query is still an axis."""
    values = step.values
    for at, axis in reversed(list(enumerate(step.axes))):
        if axis in kept:
            values = values.take([kept[axis]] if axis == "query" else kept[axis], axis=at)
    return values


@pytest.mark.parametrize("family", FAMILIES)
def test_one_query_of_each_convention(family: str) -> None:
    """No other step: only the keys that this query can see are looked at.

    Of conventions that hide no key every second is tried.
    """
    seen = family in ("hiding", "positions")
    cases = [case for case in FAMILIES[family] if seen or turn(case, 2)]

    def check(case: str) -> None:
        problem = problem_of(case)
        i = list(PROBLEMS).index(case) % problem.n_q
        part = attn_cli.compute(problem, steps=["output"], query_token=i)
        same(part, {"output": entry_of(record_of(case).steps["output"], {"query": i})})

    check_each(cases, check)


def test_one_batch_entry_has_the_bits_of_the_whole() -> None:
    """It is computed as it is among the others."""
    batches = [case for case in PROBLEMS if problem_of(case).batch]

    def check(case: str) -> None:
        whole = record_of(case)
        part = attn_cli.compute(problem_of(case), steps=list(whole.steps), batch=1)
        for name, step in whole.steps.items():
            expected = entry_of(step, {"batch": 1})
            np.testing.assert_array_equal(part[name], expected, err_msg=name)

    check_each(batches[::5], check)


ALONE = ("top_k", "mask_fill and top_k", "every reason", "past, normed and rotated", "dropout p")


@pytest.mark.parametrize("case", ALONE)
def test_each_step_alone(case: str) -> None:
    """Without the steps that are computed before it in a whole record."""
    whole = record_of(case)

    def check(name: str) -> None:
        same(attn_cli.compute(problem_of(case), steps=[name]), {name: whole[name]})

    check_each(whole.steps, check)


@settings(max_examples=40)
@given(problems(), st.integers(0, 3), st.data())
def test_some_steps_of_one_query_batch_entry_and_head_in_blocks_of_few_rows(
    problem: dict[str, Any], rows: int, data: st.DataObject
) -> None:
    read, whole = whole_of(problem)
    sizes = dict(zip(whole.steps["weights"].axes, whole["weights"].shape, strict=True))
    asked: dict[str, int] = {
        axis: data.draw(st.integers(0, sizes[axis] - 1))
        for axis in ("batch", "head", "query")
        if axis in sizes and data.draw(st.booleans())
    }
    kept = dict(asked)
    if "head" in asked:
        kept["key head"] = key_head(problem, asked["head"], sizes["head"], read.kv_heads or 1)
    expected = {name: entry_of(whole.steps[name], kept) for name in some_of(data, whole)}

    a_row = read.n_k * 8 * ARRAYS_PER_BLOCK
    part = in_blocks(
        read, rows * a_row or None, steps=data.draw(st.permutations(list(expected))), **asked
    )
    same(part, expected)


@settings(max_examples=10)
@given(problems(), st.data())
def test_as_little_memory_as_the_steps_take(problem: dict[str, Any], data: st.DataObject) -> None:
    read, whole = whole_of(problem)
    chosen = some_of(data, whole)
    least = sum(whole[name].nbytes for name in chosen)
    part = attn_cli.compute(read, steps=chosen, memory_limit=least)
    same(part, {name: whole[name] for name in chosen})
    with pytest.raises(attn_cli.AttnError, match="more than the"):
        attn_cli.compute(read, steps=chosen, memory_limit=least - 1)


@pytest.mark.parametrize("empty_rows", ["zero", "nan", "uniform"])
@pytest.mark.parametrize("step", ["weights", "row_sums", "dropped", "context", "output"])
def test_a_step_of_rows_none_of_which_sees_a_key(step: str, empty_rows: str) -> None:
    rows = [[2.0, 3.0], [5.0, 7.0], [11.0, 13.0]]
    problem = {"query": rows, "key": rows, "value": rows, "key_lengths": 0}
    problem |= {"empty_rows": empty_rows, "dropout": {"mask": [[True]]}}
    w = {"zero": 0.0, "nan": math.nan, "uniform": 1 / 3}[empty_rows]
    expected: dict[str, Any] = {
        "row_sums": [3 * w] * 3,
        "weights": [[w] * 3] * 3,
        "dropped": [[w] * 3] * 3,
    }
    expected |= dict.fromkeys(("context", "output"), [[18 * w, 23 * w]] * 3)
    found = attn_cli.compute(problem, steps=[step])
    np.testing.assert_allclose(found[step], expected[step], rtol=CLOSE)
