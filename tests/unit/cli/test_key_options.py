"""Every key of a problem from a file, from an option and from Python: the same numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import attn_cli
from attn_cli.cli.app import COMMANDS as EVERY
from attn_cli.cli.keys import COMMANDS, options
from attn_cli.errors import AttnError
from attn_cli.sources.text.events import parse
from tests.conftest import Attn
from tests.helpers.programs import program_once

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(7)


def rows(n: int, d: int) -> str:
    return str(RNG.normal(size=(n, d)).round(2).tolist())


# Bases: Q, K, V of 3 queries and 5 keys, the same number of both, embeddings, and four axes.
GIVEN = f"query: {rows(3, 4)}\nkey: {rows(5, 4)}\nvalue: {rows(5, 4)}\n"
SQUARE = f"query: {rows(3, 4)}\nkey: {rows(3, 4)}\nvalue: {rows(3, 4)}\n"
WORDS = f"embeddings: {rows(3, 4)}\n"
FOUR = (
    "query: [[[[1, 2], [3, 5]], [[7, 1], [0, 2]]]]\nkey: [[[[1, 2], [3, 5]], [[7, 1], [0, 2]]]]\n"
)
FOUR += "value: [[[[1, 2], [3, 5]], [[7, 1], [0, 2]]]]\n"
GROUPED = f"query: {rows(3, 8)}\nkey: {rows(3, 4)}\nvalue: {rows(3, 4)}\n"
ONE_HEAD = f"heads: 1\n{SQUARE}"

# Option -> the problem without it, and its value.
CASES: dict[str, tuple[str, str]] = {
    "--key-tokens": (SQUARE, "[a, b, c]"),
    "--positions": (WORDS, "sinusoidal"),
    "--weights": (WORDS, "{value: [[2], [3], [5], [7]]}"),
    "--biases": (WORDS, "{value: [1, 2, 3, 4]}"),
    "--like": (f"{GIVEN}causal: true\noffset: 1\nscale: 0.3\n", "onnx"),
    "--axes": (FOUR, "bshd"),
    "--heads": (SQUARE, "2"),
    "--kv-heads": (f"heads: 4\n{GROUPED}".replace("heads: 4\n", "heads: 4\n"), "2"),
    "--grouping": (f"heads: 4\nkv_heads: 2\n{GROUPED}", "tile"),
    "--past": (SQUARE, "{key: [[[[1, 2, 3, 5]]]], value: [[[[7, 1, 2, 3]]]]}"),
    "--qk-norm": (SQUARE, "l2"),
    "--rope": (SQUARE, "{base: 100, dims: 2}"),
    "--scale-placement": (SQUARE, "split"),
    "--softcap": (SQUARE, "0.5"),
    "--score-bias": (SQUARE, "[[1, 2, 3], [4, 5, 7], [0, 1, 0]]"),
    "--alibi": (SQUARE, "{form: signed}"),
    "--relative-bias": (SQUARE, "{table: [[1], [2], [3], [5]], max_distance: 9}"),
    "--order": (f"{SQUARE}softcap: 1\nscore_bias: [[3, 1, 0]]\n", "[bias, softcap, mask]"),
    "--offset": (f"{GIVEN}causal: true\noffset: 0\n", "2"),
    "--window": (SQUARE, "{left: 1, right: 0}"),
    "--key-lengths": (GIVEN, "2"),
    "--key-start": (GIVEN, "1"),
    "--documents": (SQUARE, "[a, a, b]"),
    "--prefix": (f"{SQUARE}causal: true\n", "2"),
    "--sink-tokens": (f"{SQUARE}window: {{keys: 1}}\n", "1"),
    "--mask": (SQUARE, "{values: [[1, 0, 1]], true_means: attend}"),
    "--mask-fill": (f"{SQUARE}causal: true\n", "{value: -1, how: add}"),
    "--top-k": (SQUARE, "1"),
    "--temperature": (SQUARE, "3"),
    "--empty-rows": (f"{SQUARE}mask: [[-inf]]\n", "uniform"),
    "--dropout": (SQUARE, "{mask: [[1, 0, 1]], p: 0.5}"),
    "--output-gate": (SQUARE, "{logits: [[1], [2], [3]]}"),
    "--answer": (SQUARE, "{read: attended, query: 1}"),
    "--residual": (WORDS, "true"),
    "--layer-norm": (WORDS, "true"),
    "--layout": (f"embeddings: {rows(4, 4)}\n", "columns"),
    "--precision": (f"{SQUARE}dtype: float16\n", "{scores: float32}"),
    "--nonfinite": (SQUARE, "allow"),
}


def test_every_command_with_set_takes_keys_as_options() -> None:
    commands = {name: program_once(name).commands[name] for name in EVERY}
    with_set = {
        name for name, each in commands.items() if any(p.name == "set" for p in each.params)
    }
    assert set(COMMANDS) == with_set


def record_of(ran: Any) -> dict[str, Any]:
    assert (ran.status, ran.err.count("error")) == (0, 0), ran.err
    made: dict[str, Any] = json.loads(ran.out)
    return made


def without_lines(document: dict[str, Any]) -> dict[str, Any]:
    return {part: document[part] for part in ("settings", "steps", "warnings", "tokens")}


@pytest.fixture(scope="module")
def bare() -> dict[str, Any]:
    """The document of each base, which several options have."""
    return {}


@pytest.mark.parametrize("option", options())
def test_file_option_and_python_agree_and_change_something(
    option: str, attn: Attn, tmp_path: Path, bare: dict[str, Any]
) -> None:
    base, value = CASES[option]
    key = options()[option]
    path, written = tmp_path / "bare.yaml", tmp_path / "written.yaml"
    path.write_text(base)
    without = "".join(line for line in base.splitlines(True) if not line.startswith(f"{key}:"))
    written.write_text(f"{without}{key}: {value}\n")
    from_file = record_of(attn("compute", written, "-f", "json"))
    from_option = record_of(attn("compute", path, option, value, "-f", "json"))
    # One of the other two ways: what makes the same of them does not look at the key.
    even = list(CASES).index(option) % 2 == 0
    other = [f"{option}={value}"] if even else ["--set", f"{key}={value}"]
    from_other = record_of(attn("compute", path, *other, "-f", "json"))
    assert from_file["steps"] == from_option["steps"] == from_other["steps"]
    assert from_file["settings"] == from_option["settings"]
    node = parse(value, "value")
    from_python = attn_cli.compute({**parse(without, "base"), key: node})
    for name, step in from_file["steps"].items():
        expected = np.array(step["values"], dtype=float)
        np.testing.assert_array_equal(np.asarray(from_python[name], dtype=float), expected)
    if option == "--kv-heads":  # K is narrower than Q: without it there is an error
        return
    if base not in bare:
        bare[base] = without_lines(record_of(attn("compute", path, "-f", "json")))
    assert bare[base] != without_lines(from_option)


def test_kv_heads_are_needed_where_k_is_narrower(tmp_path: Path) -> None:
    with pytest.raises(AttnError, match=r"key has shape \(n_k, heads d_k\) = \(3, 4\)|features"):
        attn_cli.compute(parse(f"heads: 8\n{GROUPED}", "base"))


@pytest.mark.parametrize("alone", ["--rope", "--alibi", "--causal"])
@pytest.mark.parametrize("tail", [["--only", "weights"], []])
def test_alone_means_true(alone: str, tail: list[str], attn: Attn, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(SQUARE)
    path = tmp_path / "p.yaml"
    assert attn("compute", path, alone, *tail) == attn("compute", path, alone, "true", *tail)
    assert attn("compute", alone, path, *tail) == attn("compute", path, alone, "true", *tail)
    assert attn("compute", path, *tail) != attn("compute", path, alone, *tail)


def test_help_lists_every_key(attn: Attn) -> None:
    text = attn("compute", "--help").out
    assert [line.split()[0] for line in text.splitlines() if line.startswith("    --")] == list(
        options()
    )


def test_lists_may_stand_without_brackets(attn: Attn, tmp_path: Path) -> None:
    q = RNG.normal(size=(2, 3, 5))
    np.savez(tmp_path / "p.npz", query=q, key=q, value=q)
    path = tmp_path / "p.npz"
    for option, bare, brackets in (
        ("--key-lengths", "2,3", "[2, 3]"),
        ("--offset", "1,0", "[1, 0]"),
    ):
        one, other = (
            attn("compute", path, "--causal", "--offset", "0", option, value, "--only", "weights")
            for value in (bare, brackets)
        )
        assert one == other
        assert one.status == 0


@pytest.mark.parametrize(
    ("option", "bare"),
    [
        ("--window", "left: 1, right: 0"),
        ("--rope", "base: 2.5, interleaved: true"),
        ("--alibi", "slopes: [0.5], form: signed"),
        ("--past", "key: [[[[1, 2, 3, 5]]]], value: [[[[7, 1, 2, 3]]]]"),
        ("--normalize", "function: entmax, alpha: 2.5"),
        ("--normalize", "function: softmax1"),
    ],
)
def test_mappings_may_stand_without_braces(
    option: str, bare: str, attn: Attn, tmp_path: Path
) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(SQUARE)
    shown = attn("compute", path, option, bare, "-f", "json")
    path.write_text(f"{SQUARE}{option[2:]}: {{{bare}}}\n")
    assert record_of(shown) == record_of(attn("compute", path, "-f", "json"))


@pytest.mark.parametrize("value", ["[0.5]", "{slopes: [.5]}", "slopes: [0.5]"])
def test_a_value_with_a_point_is_no_file(value: str, attn: Attn, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(SQUARE)
    written = attn("compute", tmp_path / "p.yaml", "--alibi", value)
    assert written.status == 0
    assert written != attn("compute", tmp_path / "p.yaml", "--alibi")
