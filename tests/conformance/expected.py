"""What the oracle and the definition make of each case, worked out once for all tests."""

from __future__ import annotations

from functools import cache
from typing import Any

from attn_cli import Record, compute
from attn_cli.engine.blocks import ARRAYS_PER_BLOCK
from attn_cli.engine.run import run
from attn_cli.maths.problem import Problem, Request
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.document import from_mapping
from tests.conformance.cases import PROBLEMS
from tests.conformance.oracle import attention_with_named


@cache
def _oracle(case: str) -> tuple[dict[str, Any], dict[str, Any]]:
    return attention_with_named(PROBLEMS[case])


def oracle_of(case: str) -> dict[str, Any]:
    """The steps of the oracle, as nested lists. Nobody changes them."""
    return _oracle(case)[0]


def named_of(case: str) -> dict[str, Any]:
    """The steps that come only if they are named."""
    return _oracle(case)[1]


@cache
def problem_of(case: str) -> Problem:
    """The case as it is read."""
    return read_problem(from_mapping(PROBLEMS[case]))


def turn(case: str, of: int) -> int:
    """Which of so many checks is the turn of a case: each check meets cases of every family."""
    return _PLACES[case] % of


_PLACES = {case: place for place, case in enumerate(PROBLEMS)}

# Small tiles, and blocks of three rows of seven keys, so that small problems have several.
SMALL: dict[str, Any] = {"tile": (3, 4), "block_bytes": 3 * 7 * 8 * ARRAYS_PER_BLOCK}
CONTEXTS = ("lse", "context", "gated", "concat", "output")


@cache
def contexts_of(case: str, engine: str) -> Record:
    """What an engine gives that computes contexts alone, in small tiles and blocks."""
    steps = tuple(step for step in CONTEXTS if step in oracle_of(case))
    return run(problem_of(case), Request(steps=steps, engine=engine, asides=True, **SMALL))


@cache
def record_of(case: str) -> Record:
    """What `attn_cli.compute` gives unasked."""
    return compute(problem_of(case))
