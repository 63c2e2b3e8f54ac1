"""Data: CSV, TSV, NPY and JSON, one query, one entry, and what goes to which stream."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from attn_cli import compute
from tests.conftest import SAMPLES, Attn, in_process, on_terminal

LOVE = str(SAMPLES / "love_coding.yaml")


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_separated_numbers_read_back_exactly(dtype: str, attn: Attn, tmp_path: Path) -> None:
    expected = compute({**_love(), "dtype": dtype})["output"]
    for name, delimiter in (("csv", ","), ("tsv", "\t")):
        ran = attn("compute", LOVE, "--dtype", dtype, "--only", "output", "--format", name)
        read = np.array([line.split(delimiter) for line in ran.out.splitlines()], dtype=dtype)
        np.testing.assert_array_equal(read, expected)


def _love() -> dict[str, object]:
    import yaml

    problem: dict[str, object] = yaml.safe_load(Path(LOVE).read_text())
    return problem


def test_labels(attn: Attn) -> None:
    ran = attn("compute", LOVE, "--only", "q", "--format", "tsv", "--labels")
    assert ran.out == "\t0\t1\t2\nI\t2.0\t1.0\t2.0\nlove\t0.0\t1.0\t0.0\ncoding\t2.0\t2.0\t2.0\n"


def test_npy_holds_one_step(attn: Attn, tmp_path: Path) -> None:
    out = tmp_path / "w.npy"
    ran = attn("compute", LOVE, "--only", "weights", "-o", out, "--dtype", "float32")
    assert (ran.status, ran.out, ran.err) == (0, "", "")
    loaded = np.load(out)
    assert loaded.dtype == np.float32
    np.testing.assert_array_equal(loaded, compute({**_love(), "dtype": "float32"})["weights"])


def test_binary_goes_through_a_pipe_but_not_to_a_terminal() -> None:
    piped = in_process("compute", LOVE, "--only", "q", "--format", "npy").stdout
    assert piped.startswith(b"\x93NUMPY")
    ran = on_terminal("compute", LOVE, "--only", "q", "--format", "npy")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == (
        "error: npy is binary and standard output is a terminal\n"
        "help: write it to a file: -o out.npy\n"
    )


def test_the_json_document(attn: Attn) -> None:
    ran = attn("compute", SAMPLES / "bank.yaml", "--query-token", "money", "--format", "json")
    document = json.loads(ran.out, parse_constant=pytest.fail)
    assert list(document) == [
        "format",
        "command",
        "tokens",
        "labels",
        "settings",
        "steps",
        "answer",
        "warnings",
    ]
    assert document["format"] == "attn/1"
    assert document["command"] == "compute"
    assert document["tokens"] == {"query": ["money"], "key": ["river", "bank", "money", "bank"]}
    assert document["answer"] is None
    assert document["warnings"] == []
    conventions = document["settings"].pop("conventions")
    assert conventions["like"] is None
    assert conventions["mask.true_means"] == "attend"  # as written
    assert conventions["mask_fill"] == {"value": "-inf", "how": "select"}
    types = dict.fromkeys(
        [
            "accumulate",
            "scale",
            "scaled",
            "scores",
            "softmax",
            "weighted_sum",
            "output",
            "rope",
            "norm",
        ],
        "float64",
    )
    stages = {"masked": "s where the mask attends, else -inf"}
    nothing = (
        "heads", "kv_heads", "key_heads", "positions", "past", "qk_norm", "rope", "causal",
        "window", "key_lengths", "key_start", "past_rotated", "rope_positions", "documents",
        "top_k", "temperature", "dropout", "batch", "head",
    )  # fmt: skip
    assert document["settings"] == {
        **dict.fromkeys(nothing),
        "score": {"function": "scaled"}, "scale": 1 / math.sqrt(3), "scale_placement": "scores",
        "axes": "bhsd", "offset": 0, "query_positions": [[0, 3]], "key_positions": [[0, 3]],
        "mask": "the mask attends", "order": ["masked"],
        "stages": stages, "normalize": "softmax", "empty_rows": "zero", "output_gate": False,
        "layout": "rows", "dtype": "float64", "precision": types, "nonfinite": "refuse",
        "rows": [2],
        "engine": {
            "name": "definition",
            "refused": {"tiles": "scores, weights or their sums are requested"},
        },
    }  # fmt: skip
    masked = document["steps"]["masked"]
    assert document["labels"] == {
        "token": ["river", "bank", "money", "bank"],
        "dimension": ["0", "1", "2"],
        "query": ["money"],
        "key": ["river", "bank", "money", "bank"],
    }
    assert list(masked) == ["formula", "role", "reads", "axes", "shape", "values"]
    assert (masked["role"], masked["reads"]) == ("score", ["scores"])
    assert masked["axes"] == ["query", "key"]
    assert masked["shape"] == [1, 4]
    assert masked["values"][0][:2] == ["-inf", "-inf"]


def test_nan_and_infinity_are_words_in_json(attn: Attn, tmp_path: Path) -> None:
    path = tmp_path / "p.npz"
    np.savez(path, embeddings=np.array([[np.nan, np.inf, -np.inf]]))
    ran = attn("compute", path, "--set", "nonfinite=allow", "--only", "embeddings", "-f", "json")
    document = json.loads(ran.out, parse_constant=pytest.fail)
    assert document["steps"]["embeddings"]["values"] == [["nan", "inf", "-inf"]]


def test_batch_and_head(attn: Attn, tmp_path: Path) -> None:
    path = tmp_path / "p.npz"
    rng = np.random.default_rng(8)
    np.savez(path, **{n: rng.normal(size=(2, 3, 5, 7)) for n in "qkv"})  # type: ignore[arg-type]
    every = attn("compute", path, "--only", "output").out
    titles = [line for line in every.splitlines() if line[:1] in {"─", "o"} and " " in line]
    shape = "(query x dimension: 5 x 7)"
    assert titles[::2] == [f"─── batch {b}, head {h} ───" for b in range(2) for h in range(3)]
    assert titles[1::2] == [f"output = context   {shape}"] * 6
    ran = attn("compute", path, "--only", "output", "--batch", 1, "--head", 2, "--format", "csv")
    read = np.array([line.split(",") for line in ran.out.splitlines()], dtype=float)
    np.testing.assert_array_equal(read, compute(path)["output"][1, 2])
    ran = attn("compute", path, "--only", "output", "--head", 2, "--format", "json")
    output = json.loads(ran.out)["steps"]["output"]
    assert output["axes"] == ["batch", "query", "dimension"]
    np.testing.assert_array_equal(output["values"], compute(path)["output"][:, 2])


def test_a_word_goes_before_an_index(attn: Attn) -> None:
    ran = attn(
        "compute", LOVE, "--tokens", "2 1 0", "--query-token", "2", "--only", "q", "-f", "csv"
    )
    assert ran.out == "2.0,1.0,2.0\n"
    ran = attn("compute", LOVE, "--query-token", "2", "--only", "q", "-f", "csv")
    assert ran.out == "2.0,2.0,2.0\n"


def test_warnings_go_to_standard_error_unless_quiet(attn: Attn, tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("embeddings: [[1], [2]]\nmask: [[-inf, -inf], [0, 0]]\n")
    loud, quiet = attn("compute", path), attn("compute", path, "--quiet")
    assert loud.err == "warning: query 0 has no key to attend to: the weights there are 0\n"
    assert (quiet.status, quiet.out, quiet.err) == (0, loud.out, "")


@pytest.mark.regression("data was written in the encoding of the terminal")
@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_data_is_utf_8_whatever_the_terminal_is(encoding: str) -> None:
    arguments = ("compute", str(SAMPLES / "love_coding.yaml"), "--tokens", "é ß 猫")
    ran = in_process(*arguments, "--format", "json", PYTHONIOENCODING=encoding)
    assert json.loads(ran.stdout.decode())["tokens"]["query"] == ["é", "ß", "猫"]
    table = in_process(*arguments, PYTHONIOENCODING=encoding).stdout
    assert b"\\u2500" not in table
    assert b"-----" in table


@pytest.mark.regression("an NPZ of given scores could not be read as a problem")
def test_scores_that_were_given_are_read_again(attn: Attn, tmp_path: Path) -> None:
    out = tmp_path / "g.npz"
    assert attn("compute", SAMPLES / "given.yaml", "-o", out).status == 0
    np.testing.assert_array_equal(compute(out)["output"], compute(SAMPLES / "given.yaml")["output"])


@pytest.mark.regression("JSON named all queries though no shown step had queries")
def test_json_names_the_one_query_whatever_is_shown(attn: Attn) -> None:
    ran = attn(
        "compute",
        SAMPLES / "love_coding.yaml",
        "--query-token",
        "love",
        "--only",
        "k",
        "-f",
        "json",
    )
    assert json.loads(ran.out)["tokens"]["query"] == ["love"]


@pytest.mark.regression("--quiet left the warnings in JSON")
def test_quiet_leaves_warnings_out_of_the_document_too(attn: Attn) -> None:
    problem = "embeddings: [[1]]\nmask: [[-inf]]\n"
    assert len(json.loads(attn("compute", "-", "-f", "json", stdin=problem).out)["warnings"]) == 1
    assert json.loads(attn("compute", "-", "-qf", "json", stdin=problem).out)["warnings"] == []


@pytest.mark.regression("CSV wrote float32 with the digits of float64")
@pytest.mark.parametrize(("dtype", "text"), [("float32", "0.33333334"), ("float16", "0.3333")])
def test_separated_numbers_are_as_short_as_their_type_allows(
    dtype: str, text: str, attn: Attn
) -> None:
    problem = f"embeddings: [[{1 / 3!r}]]\ndtype: {dtype}\n"
    assert attn("compute", "-", "--only", "v", "-f", "csv", stdin=problem).out == f"{text}\n"


@pytest.mark.regression("NPZ held float64 whatever the arithmetic")
def test_archives_hold_the_type_of_the_arithmetic(attn: Attn, tmp_path: Path) -> None:
    out = tmp_path / "out.npz"
    attn("compute", SAMPLES / "love_coding.yaml", "--dtype", "float32", "-o", out)
    with np.load(out) as archive:
        assert {archive[name].dtype for name in archive.files} == {np.dtype("float32")}


@pytest.mark.regression("an NPZ of columns was read again as rows")
def test_an_archive_of_columns_is_read_again_as_columns(attn: Attn, tmp_path: Path) -> None:
    out = tmp_path / "columns.npz"
    attn("compute", SAMPLES / "columns.yaml", "-o", out)
    again = attn("compute", out, "--score", "dot", "--only", "output", "-f", "csv")
    assert (
        again.out == attn("compute", SAMPLES / "columns.yaml", "--only", "output", "-f", "csv").out
    )


def test_an_npy_that_is_not_streamed_has_the_values(attn: Attn, tmp_path: Path) -> None:
    """In layout columns a step is written as a whole, after it is computed."""
    sample, out = SAMPLES / "columns.yaml", tmp_path / "weights.npy"
    assert attn("compute", sample, "--only", "weights", "-o", out).status == 0
    np.testing.assert_array_equal(np.load(out), compute(str(sample))["weights"])
