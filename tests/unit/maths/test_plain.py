"""The definition on one page is what is computed: every convention, and any of them at once."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from attn_cli.engine.run import run
from attn_cli.maths import plain
from attn_cli.maths.problem import Problem, Request
from attn_cli.reading.schema import read_problem
from attn_cli.record import Record
from attn_cli.sources.matrices.document import from_mapping
from tests.conformance.cases import PROBLEMS
from tests.conformance.expected import problem_of, record_of
from tests.conformance.strategies import problems
from tests.helpers.many import check_each, for_each

pytestmark = pytest.mark.slow


def agree(keys: dict[str, Any]) -> None:
    problem = read_problem(from_mapping(keys))
    same(problem, run(problem, Request(steps=("weights", "context"))))


def same(problem: Problem, record: Record) -> None:
    with np.errstate(all="ignore"):
        for lead in product(*map(range, problem.lead)):
            weights, context = plain.attention(problem, lead)
            for name, values in (("weights", weights), ("context", context)):
                step = (
                    record[name].swapaxes(-1, -2) if problem.layout == "columns" else record[name]
                )
                np.testing.assert_array_equal(step[lead], values, err_msg=f"{name} {lead}")


def test_each_convention() -> None:
    check_each(PROBLEMS, lambda case: same(problem_of(case), record_of(case)))


@for_each("scale", ["float16", "bfloat16", "float32"])
@for_each("placement", ["scores", "query", "split"])
def test_a_scale_in_a_type_of_its_own(placement: str, scale: str) -> None:
    rng = np.random.default_rng(73)
    query, key, value = (rng.normal(size=size) for size in ((5, 3), (7, 3), (7, 2)))
    keys = {"query": query, "key": key, "value": value, "scale_placement": placement}
    agree(keys | {"precision": {"scale": scale}})


@given(problems())
def test_any_conventions_at_once(problem: dict[str, Any]) -> None:
    agree(problem)
