"""Slips that the oracle does not see: parts of a step, narrow types, rows without a key."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from attn_cli import compute
from attn_cli.core import parts as parts_module
from attn_cli.core.problem import Problem, Request
from attn_cli.read.document import from_mapping
from attn_cli.read.schema import read_problem

RNG = np.random.default_rng(4)


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape)


def problem_of(**keys: Any) -> Problem:
    return read_problem(from_mapping(keys))


BSHD: dict[str, Any] = {
    "query": normal(2, 5, 3, 7),
    "key": normal(2, 11, 3, 7),
    "value": normal(2, 11, 3, 13),
    "axes": "bshd",
}


@pytest.mark.parametrize("height", [1, 2, 100])
def test_parts_have_the_heads_behind_the_rows_where_the_whole_has(
    height: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts_module, "PART_BYTES", height * 3 * 13 * 8)
    parted = parts_module.in_parts(problem_of(**BSHD), Request(steps=("output",)))
    assert parted is not None
    whole, records = parted
    assert whole.axes == ("batch", "query", "head", "dimension")
    assert whole.shape == tuple(map(len, whole.labels)) == (2, 5, 3, 13)
    parts = [record["output"] for record in records]
    assert [len(part) for part in parts[: len(parts) // 2]] == {
        1: [1] * 5,
        2: [2, 2, 1],
        100: [5],
    }[height]
    joined = np.concatenate(parts).reshape(whole.shape)
    np.testing.assert_allclose(joined, compute(BSHD)["output"], rtol=1e-12)


def test_parts_of_one_head_have_no_axis_of_heads() -> None:
    request = Request(steps=("output",), head=1)
    parted = parts_module.in_parts(problem_of(**BSHD), request)
    assert parted is not None
    whole, records = parted
    assert whole.axes == ("batch", "query", "dimension")
    joined = np.concatenate([record["output"] for record in records]).reshape(2, 5, 13)
    np.testing.assert_allclose(joined, compute(BSHD)["output"][:, :, 1], rtol=1e-12)


def test_other_steps_keep_their_heads_before_the_rows() -> None:
    parted = parts_module.in_parts(problem_of(**BSHD), Request(steps=("context",)))
    assert parted is not None
    assert parted[0].axes == ("batch", "head", "query", "dimension")
    joined = np.concatenate([record["context"] for record in parted[1]]).reshape(2, 3, 5, 13)
    np.testing.assert_allclose(joined, compute(BSHD)["context"], rtol=1e-12)
