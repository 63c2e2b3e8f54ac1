"""Keys that say where queries and keys are: from every source, in every part, the same numbers.

The expected numbers are those of the oracle.
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
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.document import from_mapping
from tests.conformance.oracle import attention
from tests.conformance.test_from_files import as_npz, as_yaml
from tests.conftest import Attn
from tests.helpers.many import check_each
from tests.helpers.reading import alike, in_file, on_command_line
from tests.helpers.streaming import in_parts

pytestmark = pytest.mark.slow

Mapping = dict[str, Any]
RNG = np.random.default_rng(41)
B, H, N_Q, N_K, PAST, D, D_V = 2, 3, 5, 7, 2, 10, 3


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape).round(5).tolist()


Q, K, V = normal(B, H, N_Q, D), normal(B, H, N_K, D), normal(B, H, N_K, D_V)
THREE: Mapping = {"query": Q, "key": K, "value": V}
EQUAL: Mapping = {"query": Q, "key": normal(B, H, N_Q, D), "value": normal(B, H, N_Q, D_V)}
CACHE = {"key": normal(B, H, PAST, D), "value": normal(B, H, PAST, D_V)}
RIGHT: Mapping = {"causal": "bottom-right"}
PLACES: dict[str, Any] = {
    "query": [4, 0, 9, 2, 2],
    "key": [[0, 1, 2, 3, 0, 1, 2], [9, 8, 7, 6, 5, 4, 4]],
}
ROWS = {"query": [[1, 2, 3, 4, 4]] * 2 + [[0, 5, 1, 1, 2]], "key": [[*range(7)]] * 3}
NAMED = {
    "query": {"temporal": [0, 1, 2, 3, 4], "height": [5, 5, 5, 0, 0], "width": [1, 0, 1, 0, 1]},
    "key": {"temporal": [[*range(7)], [*range(3, 10)]], "height": [2] * 7, "width": [*range(7)]},
}
IN_TURN = {"sections": [2, 2, 1], "sections_layout": "in-turn"}
TABLE = normal(8, H)

# Name -> the problem without the key, the path of the key, and its value.
CASES: dict[str, tuple[Mapping, str, Any]] = {
    "documents, ids of both": (EQUAL | {"causal": True}, "documents", [3, 1, 3, 1, 1]),
    "documents, ids of keys": (THREE | RIGHT, "documents", [0, 0, 1, 1, 1, 2, 2]),
    "documents, ids of each entry": (
        THREE | RIGHT | {"rope": True},
        "documents",
        [[0, 0, 1, 1, 1, 2, 2], [0, 1, 0, 1, 0, 1, 0]],
    ),
    "documents, sides": (
        THREE | RIGHT | {"rope": True},
        "documents",
        {"query": [0, 1, 0, 2, 1], "key": [[1, 0, 0, 2, 1, 1, 7], [0, 0, 0, 1, 1, 1, 1]]},
    ),
    "documents, cu_seqlens": (
        THREE | RIGHT | {"window": {"left": 1}},
        "documents",
        {"cu_seqlens_q": [0, 2, 2, 5], "cu_seqlens_k": [0, 1, 4, 7]},
    ),
    "key_start": (THREE | RIGHT | {"rope": True}, "key_start", [2, 4]),
    "key_start of all": (THREE | RIGHT | {"alibi": {"form": "key"}}, "key_start", 3),
    "rope.positions": (THREE | {"rope": {"base": 100}}, "rope.positions", PLACES),
    "rope.positions of both": (EQUAL | {"rope": {"dims": 4}}, "rope.positions", [0, 1, 0, 1, 2]),
    "rope.positions of sections": (THREE | {"rope": IN_TURN}, "rope.positions", ROWS),
    "rope.positions by name": (THREE | {"rope": IN_TURN}, "rope.positions", NAMED),
    "rope.sections": (
        THREE | {"rope": {"positions": ROWS, "sections_layout": "blocks"}},
        "rope.sections",
        [2, 2, 1],
    ),
    "rope.sections_layout": (
        THREE | {"rope": {"positions": ROWS, "sections": [2, 2, 1]}},
        "rope.sections_layout",
        "blocks",
    ),
    "alibi.positions": (THREE | {"alibi": {"form": "last_key"}}, "alibi.positions", PLACES),
    "relative_bias.positions": (
        THREE | {"relative_bias": {"table": TABLE}},
        "relative_bias.positions",
        PLACES,
    ),
    "past.rotated": (THREE | {"past": CACHE, "rope": True, "causal": True}, "past.rotated", True),
    "past.rotated, false": (THREE | {"past": CACHE, "rope": True}, "past.rotated", False),
}


def with_key(base: Mapping, path: str, value: Any) -> Mapping:
    """The problem with a key, one or two levels down."""
    outer, _, inner = path.partition(".")
    return {**base, outer: {**base[outer], inner: value} if inner else value}


WRITTEN = {name: with_key(*case) for name, case in CASES.items()}


@cache
def oracle_of(case: str) -> Mapping:
    """What the oracle makes of a case, worked out once."""
    return attention(WRITTEN[case])


@cache
def problem_of(case: str) -> Problem:
    return read_problem(from_mapping(WRITTEN[case]))


@cache
def record_of(case: str) -> attn_cli.Record:
    return attn_cli.compute(problem_of(case))


def close(found: Any, expected: Any, message: str = "") -> None:
    np.testing.assert_allclose(
        np.array(found, dtype=float), expected, rtol=1e-11, atol=1e-11, err_msg=message
    )


def same(found: Mapping, expected: Mapping) -> None:
    """Every step of the oracle, in its order."""
    assert list(found) == list(expected)
    for name, step in expected.items():
        close(found[name], step, name)


def steps_of(ran: Any) -> Mapping:
    assert (ran.status, ran.err.count("error")) == (0, 0), ran.err
    return {name: step["values"] for name, step in json.loads(ran.out)["steps"].items()}


def test_every_step_is_that_of_the_oracle() -> None:
    def check(case: str) -> None:
        record = record_of(case)
        same({name: record[name] for name in record.steps}, oracle_of(case))

    check_each(CASES, check)


def arrays(node: Any) -> Any:
    """The node with arrays in the place of lists."""
    if isinstance(node, dict):
        return {key: arrays(value) for key, value in node.items()}
    return np.array(node) if isinstance(node, list) else node


def test_from_files_options_and_arrays(attn: Attn, tmp_path: Path) -> None:
    """The problem that was computed, from wherever it is read."""

    def check(case: str) -> None:
        base, path, value = CASES[case]
        problem, expected = WRITTEN[case], problem_of(case)
        outer = path.partition(".")[0]
        alike(in_file(as_npz(problem, tmp_path)), expected)
        alike(in_file(as_yaml(problem, tmp_path)), expected)
        alike(read_problem(from_mapping(arrays(problem))), expected)
        without = as_yaml({key: node for key, node in base.items() if key != outer}, tmp_path)
        option = f"--{outer.replace('_', '-')}", json.dumps(problem[outer])
        alike(on_command_line(attn, without, *option), expected)
        # A part by itself is set in a file that has the others.
        part = "--set", f"{path}={json.dumps(value)}"
        alike(on_command_line(attn, as_yaml(base, tmp_path), *part), expected)

    check_each(CASES, check)


def test_numbers_with_commas_and_files_as_options(attn: Attn, tmp_path: Path) -> None:
    base = THREE | RIGHT | {"rope": True}
    path, ids = as_yaml(base, tmp_path), tmp_path / "ids.npy"
    for value in ("2,4", "[2, 4]"):
        ran = attn("compute", path, "--key-start", value, "-f", "json")
        same(steps_of(ran), attention(base | {"key_start": [2, 4]}))
    written = [[0, 0, 1, 1, 1, 2, 2], [0, 1, 0, 1, 0, 1, 0]]
    np.save(ids, written)
    ran = attn("compute", path, "--documents", ids, "-f", "json")
    same(steps_of(ran), attention(base | {"documents": written}))
    for side, values in PLACES.items():
        np.save(tmp_path / f"{side}.npy", values)
    places = f"{{query: {tmp_path}/query.npy, key: {tmp_path}/key.npy}}"
    ran = attn("compute", path, "--rope", f"{{positions: {places}}}", "-f", "json")
    same(steps_of(ran), attention(base | {"rope": {"positions": PLACES}}))


def test_one_query_of_one_head_of_one_batch_entry() -> None:
    def check(case: str) -> None:
        expected = oracle_of(case)
        steps = {"q_rotated", "scores", "biased", "masked", "weights", "output"} & {*expected}
        for i in range(N_Q):
            b, h = i % B, i % H
            found = attn_cli.compute(problem_of(case), steps=steps, query_token=i, batch=b, head=h)
            for name in steps:
                close(found[name], [expected[name][b][h][i]], name)

    check_each(CASES, check)


def test_by_parts() -> None:
    """Two rows at a time."""

    def check(case: str) -> None:
        expected = oracle_of(case)
        for step in ("weights", "output"):
            n_k = len(expected["weights"][0][0][0])
            close(in_parts(problem_of(case), step, 2, n_k), expected[step], step)

    check_each(CASES, check)


def other_than(case: str) -> Mapping:
    """The problem without the key of a case, or with the other value of the key."""
    base, path, value = CASES[case]
    if path == "past.rotated":
        return with_key(base, path, not value)
    if path == "rope.sections_layout":
        return with_key(base, path, "in-turn")
    if path == "rope.sections":
        return {**base, "rope": {"positions": {side: ROWS[side][2] for side in ROWS}}}
    if path.startswith("rope"):
        rope = {**base["rope"], "positions": {"query": [0] * N_Q}}
        rope["positions"]["key"] = [*range(len(base["key"][0][0]))]
        for key in ("sections", "sections_layout"):
            rope.pop(key, None)
        return {**base, "rope": rope}
    if "positions" in path:
        return {**base, "offset": 0}
    return base


def test_each_changes_the_output() -> None:
    def check(case: str) -> None:
        other = attn_cli.compute(other_than(case), steps=["output"])
        assert abs(record_of(case)["output"] - other["output"]).max() > 1e-3

    check_each(CASES, check)


# Name -> keys of a problem of 5 queries and 5 or 7 keys, and the runs of positions in its settings.
SETTINGS: list[tuple[Mapping, Any, Any]] = [
    (EQUAL | {"causal": True}, [[0, 4]], [[0, 4]]),
    (THREE | RIGHT, [[2, 6]], [[0, 6]]),
    (
        EQUAL | {"documents": [0, 0, 1, 0, 1], "causal": True},
        [[0, 1], [0, 0], [2, 2], [1, 1]],
        [[0, 1], [0, 0], [2, 2], [1, 1]],
    ),
    (
        THREE | RIGHT | {"documents": {"cu_seqlens_q": [0, 2, 5], "cu_seqlens_k": [0, 3, 7]}},
        [[1, 2], [1, 3]],
        [[0, 2], [0, 3]],
    ),
]


@pytest.mark.parametrize(("problem", "of_queries", "of_keys"), SETTINGS)
def test_settings_hold_the_resolved_positions(
    problem: Mapping, of_queries: Any, of_keys: Any, attn: Attn, tmp_path: Path
) -> None:
    """Runs of consecutive positions, a list for each batch entry."""
    ran = attn("compute", as_yaml(problem, tmp_path), "-f", "json")
    settings = json.loads(ran.out)["settings"]
    assert settings["query_positions"] == [of_queries] * B
    assert settings["key_positions"] == [of_keys] * B


HIDES = {"mask": {"values": [[[[True] * (N_Q - 1) + [False]]]], "true_means": "attend"}}
NOTE = (
    "rope turns each token by its number, whatever the mask hides: if tokens have other positions "
    "(left padding, packed sequences, trees), write key_start, documents or rope.positions"
)


@pytest.mark.parametrize(
    ("keys", "noted"),
    [
        ({"rope": True, **HIDES}, True),
        ({"rope": True, "mask": [[[[0.5] * N_Q]]]}, False),
        (HIDES, False),
        ({"rope": {"positions": [0, 1, 2, 3, 3]}, **HIDES}, False),
        ({"rope": True, "key_start": [0, 2], **HIDES}, False),
        ({"rope": True, "documents": [0, 0, 0, 1, 1], **HIDES}, False),
    ],
)
def test_a_mask_beside_rope_is_noted(keys: Mapping, noted: bool) -> None:
    """Unless something says at which positions tokens are."""
    assert list(attn_cli.compute(EQUAL | keys).warnings) == [NOTE] * noted


def test_ids_in_arrays_of_floats_are_those_of_whole_numbers() -> None:
    whole = {"query": [0, 0, 1, 2, 2], "key": [0, 1, 1, 2, 2, 2, 0]}
    floats = {"query": np.array(whole["query"]), "key": np.array(whole["key"], dtype=float)}
    found, expected = (
        attn_cli.compute({**THREE, **RIGHT, "documents": ids}) for ids in (floats, whole)
    )
    assert (found["visible"] == 0).any()
    np.testing.assert_array_equal(found["visible"], expected["visible"])


@pytest.mark.parametrize("form", ["key", "last_key"])
def test_a_bias_by_the_keys_alone_asks_for_no_positions_of_queries(form: str) -> None:
    """m p_j and m (p_j - last) are the same whatever the queries are at, packed or not."""
    slopes = np.array([0.5, 0.25, 2.0])
    problem = THREE | {"score": "dot", "alibi": {"form": form, "slopes": slopes.tolist()}}
    ids = {"query": [0, 0, 0, 1, 1], "key": [0, 0, 1, 1, 1, 1, 1]}
    last = 6 if form == "last_key" else 0
    scores = np.array(Q) @ np.swapaxes(K, 2, 3)
    plain = attn_cli.compute(problem)
    assert plain.warnings == ()
    places = np.arange(N_K)
    expected = scores + slopes[:, None, None] * (places - last)
    np.testing.assert_allclose(plain["biased"], expected, rtol=1e-12)
    packed = attn_cli.compute(problem | {"documents": ids})
    places, last = np.array([0, 1, 0, 1, 2, 3, 4]), 4 if form == "last_key" else 0
    expected = scores + slopes[:, None, None] * (places - last)
    np.testing.assert_allclose(packed["biased"], expected, rtol=1e-12)


@pytest.mark.parametrize("window", [{"left": -1, "right": -1}, {"right": -1}])
def test_a_window_without_bounds_asks_for_no_positions(window: Mapping) -> None:
    record = attn_cli.compute(THREE | {"window": window})
    assert np.array_equal(record["weights"], attn_cli.compute(THREE)["weights"])
    with pytest.raises(attn_cli.AttnError, match="window needs to know"):
        attn_cli.compute(THREE | {"window": window | {"left": 1}})


def test_a_past_keeps_its_order_beside_bshd_and_says_so_if_both_fit() -> None:
    swapped = {side: np.swapaxes(THREE[side], 1, 2) for side in ("query", "key", "value")}
    square = {"key": normal(B, H, H, D), "value": normal(B, H, H, D_V)}
    record = attn_cli.compute(swapped | {"axes": "bshd", "past": square})
    expected = attn_cli.compute(THREE | {"past": square})
    assert expected.warnings == ()
    assert len(record.warnings) == 1
    assert record.warnings[0].startswith("past is read as (batch, key heads, tokens, features)")
    np.testing.assert_allclose(record["weights"], expected["weights"], rtol=1e-12)
    wrong = {side: np.swapaxes(CACHE[side], 1, 2) for side in CACHE}
    with pytest.raises(attn_cli.AttnError, match="but key has kv_heads = 3") as raised:
        attn_cli.compute(swapped | {"axes": "bshd", "past": wrong})
    assert raised.value.help == (
        "past.key is (batch, key heads, tokens, features), with axes: bshd too"
    )
    fits = attn_cli.compute(swapped | {"axes": "bshd", "past": CACHE})
    assert fits.warnings == ()
