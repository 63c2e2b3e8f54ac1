"""A problem from a YAML file and from an NPZ is the problem from Python, in every part."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import attn_cli
from attn_cli.maths.problem import Problem
from attn_cli.reading.schema import read_document, read_problem
from attn_cli.sources.matrices.document import from_mapping
from attn_cli.sources.matrices.files import Inputs
from tests.conformance.cases import FAMILIES, PROBLEMS
from tests.conformance.expected import oracle_of, problem_of
from tests.conformance.strategies import problems
from tests.helpers.alike import differences
from tests.helpers.many import check_each

pytestmark = pytest.mark.slow


def by_bounds(windows: list[Any]) -> dict[str, list[int]]:
    """The windows of heads as one mapping, whose left and right are lists, not arrays."""
    found = []
    for window in windows:
        given = {} if window == "none" else window
        keys = given.get("keys", 0)
        found.append((keys - 1, 0) if keys else (given.get("left", -1), given.get("right", -1)))
    return {"left": [left for left, _ in found], "right": [right for _, right in found]}


def members(node: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """What an archive of the problem holds: a dot in a name goes one level down.

    No member stands for a mapping of nothing; `alibi: {}` is `alibi: true`. Cumulative lengths of
    more or fewer documents than in another batch entry get documents of no length.
    """
    if node == {}:
        yield name, np.array(True)
    elif name == "window" and isinstance(node, list) and not isinstance(node[0], int):
        yield from members(by_bounds(node), name)
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from members(value, f"{name}.{key}" if name else key)
    elif "cu_seqlens" in name and isinstance(node[0], list):
        most = max(map(len, node))
        yield name, np.array([[*ends, *[ends[-1]] * (most - len(ends))] for ends in node])
    else:
        yield name, np.array(node)


def as_npz(problem: dict[str, Any], folder: Path) -> Path:
    """The problem as an NPZ."""
    path = folder / "p.npz"
    np.savez(path, **dict(members(problem)))
    return path


def as_yaml(problem: dict[str, Any], folder: Path) -> Path:
    """The problem as YAML."""
    path = folder / "p.yaml"
    text = json.dumps(problem).replace("Infinity", ".inf").replace("NaN", ".nan")
    path.write_text(text)
    return path


def same(path: Path, expected: Problem) -> None:
    """The problem of a file has the same numbers, to the last bit, and the same of all else."""
    found = read_problem(read_document(str(path), Inputs()))
    assert list(differences(found, expected)) == []


def with_new_members() -> Iterator[str]:
    """The cases that have a member, or a form of it, that no case before has."""
    seen: set[tuple[object, ...]] = set()
    for case, problem in PROBLEMS.items():
        here: set[tuple[object, ...]] = set()
        for name, array in members(problem):
            finite = array.dtype.kind != "f" or bool(np.isfinite(array).all())
            word = str(array.tolist()) if array.dtype.kind == "U" else None
            here.add((name, array.dtype.kind, array.ndim, finite, word))
        if not here <= seen:
            yield case
        seen |= here


FORMS = {*with_new_members()}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("write", [as_npz, as_yaml])
def test_each_convention(family: str, write: Any, tmp_path: Path) -> None:
    """Each key in each form that the cases have: axes, kind of numbers, words."""

    def check(case: str) -> None:
        same(write(PROBLEMS[case], tmp_path), problem_of(case))

    check_each([case for case in FAMILIES[family] if case in FORMS], check)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(problems())
def test_any_conventions_at_once(tmp_path: Path, problem: dict[str, Any]) -> None:
    expected = read_problem(from_mapping(problem))
    for write in (as_npz, as_yaml):
        same(write(problem, tmp_path), expected)


def test_its_record_is_that_of_the_oracle(tmp_path: Path) -> None:
    """A path that is given to `attn_cli.compute`."""
    case = "every reason"
    for write in (as_npz, as_yaml):
        record = attn_cli.compute(write(PROBLEMS[case], tmp_path))
        assert list(record.steps) == list(oracle_of(case))
        for name, values in oracle_of(case).items():
            np.testing.assert_allclose(record[name], values, rtol=1e-12, atol=1e-12, err_msg=name)
