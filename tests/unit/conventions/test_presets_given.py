"""Keys that presets decide too: every source and every way to compute gives the same numbers.

What they are is tested key by key, by formula; here a whole record from Python is the measure.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import attn_cli
from attn_cli.maths.problem import Problem
from tests.conformance.test_from_files import as_npz, as_yaml
from tests.conftest import Attn
from tests.helpers.many import check_each
from tests.helpers.reading import alike, in_file, on_command_line
from tests.helpers.streaming import in_parts
from tests.helpers.tiled import by_tiles, defined, loaded

pytestmark = pytest.mark.slow

Mapping = dict[str, Any]
RNG = np.random.default_rng(43)
B, H, N_Q, N_K, D, D_V = 2, 3, 5, 7, 4, 3
INF = float("inf")


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape).round(3).tolist()


THREE: Mapping = {
    "query": normal(B, H, N_Q, D), "key": normal(B, H, N_K, D), "value": normal(B, H, N_K, D_V),
}  # fmt: skip
SIXTEEN: Mapping = THREE | {"dtype": "float16"}
HIDDEN = np.where(RNG.random((B, N_Q, N_K)) < 0.4, -INF, 0.25)
HIDDEN[0, 2] = HIDDEN[1, 4] = -INF
OF_BATCH = {"values": HIDDEN.tolist(), "axes": ["batch", "query", "key"]}

# Name -> the problem without the key, the key, its value, and whether tiles can compute it.
CASES: dict[str, tuple[Mapping, str, Any, bool]] = {
    "mask.axes": (THREE, "mask", OF_BATCH, True),
    "score_bias.axes": (
        THREE,
        "score_bias",
        {"values": normal(N_K, B, N_Q), "axes": ["key", "batch", "query"]},
        True,
    ),
    "dropout.axes": (
        THREE,
        "dropout",
        {
            "mask": (RNG.random((B * H, N_Q, N_K)) < 0.5).astype(int).tolist(),
            "axes": ["batch*head", "query", "key"],
            "p": 0.5,
        },
        False,
    ),
    "empty_rows by cause": (
        THREE | {"mask": OF_BATCH, "key_lengths": [0, 6]},
        "empty_rows",
        {"mask": "zero", "other": "nan"},
        True,
    ),
    "empty_rows, uniform": (
        THREE | {"mask": OF_BATCH, "key_lengths": [0, 6]},
        "empty_rows",
        {"mask": "nan", "other": "uniform"},
        False,
    ),
    "precision.rope": (
        THREE | {"rope": True, "causal": "bottom-right"},
        "precision",
        {"rope": {"angles": "float32", "rotation": "bfloat16"}},
        True,
    ),
    "precision.norm": (
        THREE | {"qk_norm": {"function": "rms", "query_gain": [1.1, 0.7, 1.3, 0.9]}},
        "precision",
        {"norm": {"row": "float32", "gain": "float16"}},
        True,
    ),
    "precision.scale": (THREE | {"scale": 0.7}, "precision", {"scale": "bfloat16"}, True),
    "precision.scale of a root": (
        THREE | {"scale_placement": "split", "scale": 0.7}, "precision", {"scale": "float16"}, True,
    ),
    "precision.scaled": (
        THREE | {"scale_placement": "query"}, "precision", {"scaled": "float16"}, False,
    ),
    "precision.scores": (SIXTEEN, "precision", {"scores": "float32"}, False),
    "precision.weighted_sum": (SIXTEEN, "precision", {"weighted_sum": "float32"}, False),
    "sink_tokens": (
        THREE | {"window": {"left": 1, "right": 0}, "offset": 1}, "sink_tokens", 2, True,
    ),
    "window 0": (THREE | {"like": "x-transformers"}, "window", 0, False),
}  # fmt: skip


def whole(case: str) -> Mapping:
    base, key, value, _ = CASES[case]
    return {**base, key: value}


@cache
def problem_of(case: str) -> Problem:
    return loaded(whole(case))


@cache
def record_of(case: str) -> attn_cli.Record:
    return attn_cli.compute(problem_of(case))


def close(found: Any, expected: Any, base: Mapping) -> None:
    """Equal, except that another order of sums may change the last place in 16 bits."""
    bound = 2e-3 if base.get("dtype") == "float16" else 1e-12
    np.testing.assert_allclose(found, expected, rtol=bound, atol=bound, equal_nan=True)


def test_from_files_and_options(attn: Attn, tmp_path: Path) -> None:
    """The problem of the other tests, from wherever it is read."""

    def check(case: str) -> None:
        base, key, value, _ = CASES[case]
        expected = problem_of(case)
        for write in (as_npz, as_yaml):
            alike(in_file(write(whole(case), tmp_path)), expected)
        bare, text = as_yaml(base, tmp_path), json.dumps(value).replace("Infinity", ".inf")
        option = f"--{key.replace('_', '-')}"
        alike(on_command_line(attn, bare, option, text), expected)
        alike(on_command_line(attn, bare, "--set", f"{key}={text}"), expected)

    check_each(CASES, check)


def test_each_changes_something() -> None:
    def check(case: str) -> None:
        base, key, _, _ = CASES[case]
        if key in ("mask", "dropout", "window", "sink_tokens", "score_bias"):
            base = {k: v for k, v in base.items() if k != "like"}
        found, without = record_of(case), attn_cli.compute(base)
        assert any(
            not np.array_equal(found[name], without[name], equal_nan=True)
            for name in ("q_rotated", "q_normed", "scores", "dropped", "weights", "output")
            if name in found.steps and name in without.steps
        )

    check_each(CASES, check)


def test_one_query_of_one_head_of_one_batch_entry() -> None:
    def check(case: str) -> None:
        steps = ("scores", "weights", "output")
        for i in range(N_Q):
            b, h = i % B, i % H
            found = attn_cli.compute(problem_of(case), steps=steps, query_token=i, batch=b, head=h)
            for name in steps:
                close(found[name][0], record_of(case)[name][b][h][i], whole(case))

    check_each(CASES, check)


def test_by_parts() -> None:
    """Two rows at a time."""

    def check(case: str) -> None:
        for step in ("weights", "output"):
            found = in_parts(problem_of(case), step, 2, record_of(case)["weights"].shape[-1])
            close(found, record_of(case)[step], whole(case))

    check_each(CASES, check)


def test_in_tiles() -> None:
    def check(case: str) -> None:
        found, expected = by_tiles(problem_of(case)), defined(problem_of(case))
        assert found.by_tiles > 0
        np.testing.assert_allclose(
            found.record["output"], expected["output"], rtol=1e-12, atol=1e-12, equal_nan=True
        )
        assert found.record.warnings == expected.warnings

    check_each([case for case in CASES if CASES[case][3]], check)


WORDS = "tokens: [a, b]\nembeddings: {a: [1, 0], b: [0, 1]}\n"
NEXT = "next_word: {vocabulary: [x, y], weights: [[1, 0], [0, 2]]}\n"
LEARNT = (
    "train: {examples: [[a b, x]], parameters: [weights.query], steps: 1}\n"
    "weights: {query: [[1, 0], [0, 1]]}\n"
)
NO_GRADIENT = {
    "empty_rows": "mask: [[-.inf, 0], [0, 0]]\nempty_rows: {mask: zero, other: nan}\n",
    "precision": "precision: {softmax: float32}\n",
    "score_bias": "score_bias: {values: [[1, 2], [3, 4]], axes: [key, query]}\n",
    "dropout": "dropout: {mask: [[1, 0], [0, 1]], axes: [key, query]}\n",
}


@pytest.mark.parametrize("key", NO_GRADIENT)
def test_train_refuses_by_name_what_next_computes(key: str, attn: Attn, tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(WORDS + NEXT + LEARNT + NO_GRADIENT[key])
    ran = attn("train", path, "-o", tmp_path / "trained.yaml")
    assert ran.status == 2
    assert f"error: train has no gradient for {key}\n" in ran.err
    assert attn("next", path).status == 0


def test_axes_of_a_mask_are_learnt_through(attn: Attn, tmp_path: Path) -> None:
    """The mask as it is, and transposed with its axes named: the same loss."""
    found = []
    for mask in ("[[0, -.inf], [0, 0]]", "{values: [[0, 0], [-.inf, 0]], axes: [key, query]}"):
        path = tmp_path / "p.yaml"
        path.write_text(f"{WORDS}{NEXT}{LEARNT}mask: {mask}\n")
        ran = attn("train", path, "--show-gradients")
        assert ran.status == 0, ran.err
        found.append(ran.out)
        assert "weights.query" in ran.out
    assert found[0] == found[1]
