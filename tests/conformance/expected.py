"""What the oracle and the definition make of each case, worked out once for all tests."""

from __future__ import annotations

from functools import cache
from typing import Any

from attn_cli import Record, compute
from attn_cli.maths.problem import Problem
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.document import from_mapping
from tests.conformance.cases import PROBLEMS
from tests.conformance.oracle import attention


@cache
def oracle_of(case: str) -> dict[str, Any]:
    """The steps of the oracle, as nested lists. Nobody changes them."""
    return attention(PROBLEMS[case])


@cache
def problem_of(case: str) -> Problem:
    """The case as it is read."""
    return read_problem(from_mapping(PROBLEMS[case]))


@cache
def record_of(case: str) -> Record:
    """What `attn_cli.compute` gives unasked."""
    return compute(problem_of(case))
