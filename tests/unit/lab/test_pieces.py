"""Contexts made of pieces of the keys are those of the definition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from attn_cli.engine.definition import Definition
from attn_cli.engine.plan import UNLIMITED, make_plan
from attn_cli.engine.protocol import Engine
from attn_cli.engine.run import put_into
from attn_cli.engine.sink import Store
from attn_cli.lab.noise import at_random, in_types, kernel_types
from attn_cli.lab.pieces import Pieces
from attn_cli.maths.problem import Problem, Request
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.document import from_mapping
from tests.helpers.many import check_each

BATCH, HEADS, KEY_HEADS, QUERIES, KEYS, D, D_V = 2, 4, 2, 23, 29, 6, 5
ROWS = (0, 1, 2, 11, 22)

CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "causal": {"causal": "bottom-right"},
    "window": {"causal": "top-left", "window": {"left": 5}},
    "rope": {"rope": True, "causal": "top-left"},
    "bias and cap": {"alibi": True, "softcap": 3.0, "causal": "bottom-right"},
    "sinks": {"normalize": {"function": "sink_logits", "logits": [0.1, 2.0, -1.0, 0.5]}},
    "lengths": {"key_lengths": [3, 29]},
    "split": {"scale_placement": "split"},
    "temperature": {"temperature": 2.0},
    "rows of NaN": {"key_start": [12, 0], "causal": "top-left", "empty_rows": "nan"},
    "a mask of numbers": {"mask": np.linspace(-3, 3, QUERIES * KEYS).reshape(QUERIES, KEYS)},
}


def problem(**keys: Any) -> Problem:
    random = np.random.default_rng(0)
    sizes = {
        "query": (BATCH, HEADS, QUERIES, D),
        "key": (BATCH, KEY_HEADS, KEYS, D),
        "value": (BATCH, KEY_HEADS, KEYS, D_V),
    }
    arrays = {name: random.standard_normal(size) for name, size in sizes.items()}
    return read_problem(from_mapping({**arrays, **keys}))


def values(of: Problem, engine: Engine) -> Mapping[str, NDArray[Any]]:
    request = Request(steps=("q", "lse", "output"), rows=ROWS, asides=True, memory=UNLIMITED)
    plan = make_plan(of, request)
    store = Store(of, plan)
    with np.errstate(all="ignore"):
        put_into(of, request, plan, store, engine=engine)
    return {name: step.values for name, step in store.steps().items()}


def test_pieces_are_merged_to_what_the_definition_gives() -> None:
    def check(case: str) -> None:
        given = problem(**CASES[case])
        expected, found = values(given, Definition()), values(given, Pieces(piece=7))
        assert found.keys() == expected.keys()
        for name, array in expected.items():
            np.testing.assert_allclose(found[name], array, rtol=0, atol=1e-12)

    check_each(CASES, check)


def test_running_sums_are_rounded_for_each_key() -> None:
    """Equal weights over n ones: key after key, the sums are off by about eps sqrt(n) / 2."""
    n = 4096
    x = {"query": np.zeros((1, 1)), "key": np.zeros((n, 1)), "value": np.ones((n, 1))}
    given = read_problem(from_mapping(x))
    noise = []
    for seed in range(12):
        random = in_types(given, at_random(kernel_types("float32"), seed))
        request = Request(steps=("context",), asides=True, memory=UNLIMITED)
        plan = make_plan(random, request)
        store = Store(random, plan)
        put_into(random, request, plan, store, engine=Pieces(piece=64))
        noise.append(float(store.steps()["context"].values[0, 0]) - 1)
    rms = float(np.sqrt(np.mean(np.square(noise))))
    assert 5 < rms / np.finfo(np.float32).eps < 64


@pytest.mark.parametrize(
    ("keys", "steps", "why"),
    [
        ({}, ("weights",), "a value for each key"),
        ({}, ("k", "context"), "a value for each key"),
        ({"normalize": "sparsemax"}, ("context",), "exponentials"),
        ({"top_k": 3}, ("context",), "whole rows"),
        ({"empty_rows": "uniform", "key_lengths": [3, 29]}, ("context",), "whole rows"),
        ({"score": "cosine"}, ("context",), "not a product"),
    ],
)
def test_what_pieces_cannot_compute_is_refused(
    keys: dict[str, Any], steps: tuple[str, ...], why: str
) -> None:
    given = problem(**keys)
    plan = make_plan(given, Request(steps=steps, asides=True, memory=UNLIMITED))
    assert why in (Pieces().refuses(given, plan) or "")
