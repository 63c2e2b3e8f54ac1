"""The command line as its users meet it: exit statuses, streams, terminals, pipes, files."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from attn_cli import __version__, compute
from attn_cli.cli import main
from attn_cli.cli.app import app
from attn_cli.core.scores import SCORES
from attn_cli.errors import ExitStatus
from attn_cli.views import FORMATS
from tests.conftest import ROOT, SAMPLES, Attn, in_process, on_terminal

LOVE = str(SAMPLES / "love_coding.yaml")
ANSI = re.compile(r"\x1b\[[0-9;]*m")
WEIGHTS = """\
weights = softmax(scores)   (query x key: 1 x 3)
query         I      love    coding
───────────────────────────────────
love    0.4223*    0.1554   0.4223*
"""


def test_a_pipe_gets_plain_tables(attn: Attn) -> None:
    ran = attn("compute", LOVE, "--query-token", "love", "--show", "weights")
    assert (ran.status, ran.out, ran.err) == (0, WEIGHTS, "")


def test_a_terminal_gets_the_same_with_colours() -> None:
    ran = on_terminal("compute", LOVE, "--query-token", "love", "--show", "weights")
    assert ran.status == 0
    plain = ANSI.sub("", ran.out)
    assert [line.rstrip() for line in plain.splitlines()] == WEIGHTS.splitlines()
    shaded = re.findall(r"\x1b\[[0-9;]*48;[0-9;]*m *(0\.[0-9]+)", ran.out)
    assert shaded == ["0.4223", "0.1554", "0.4223"]


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colour_where_none_is_wanted(env: dict[str, str]) -> None:
    assert "\x1b" not in on_terminal("compute", LOVE, env=env).out
    assert "\x1b" in on_terminal("compute", LOVE, env={"NO_COLOR": ""}).out


@pytest.mark.parametrize("columns", [30, 50, 80])
def test_a_narrow_terminal_gets_blocks_of_columns(columns: int, tmp_path: Path) -> None:
    path = tmp_path / "wide.npz"
    q, k = (
        np.random.default_rng(1).normal(size=(2, 3)),
        np.random.default_rng(2).normal(size=(23, 3)),
    )
    np.savez(path, q=q, k=k, v=k)
    wide = compute(path)
    ran = on_terminal(
        "compute", str(path), "--only", "scores", columns=columns, env={"NO_COLOR": "1"}
    )
    title, *lines = ran.out.splitlines()
    assert title == "scores = Q K^T / sqrt(3)   (query x key: 2 x 23)"
    assert max(map(len, lines)) <= columns
    shown = [text for line in lines for text in re.findall(r"-?\d+\.\d{4}", line)]
    expected = {f"{x:.4f}" for x in wide["scores"].ravel()}
    assert set(shown) == expected
    assert len(shown) == 2 * 23
    in_pipe = in_process("compute", str(path), "--only", "scores").stdout.decode()
    assert len(in_pipe.splitlines()) == 5


def test_a_terminal_narrower_than_one_column_cuts_no_number(tmp_path: Path) -> None:
    ran = on_terminal("compute", LOVE, "--only", "output", columns=10, env={"NO_COLOR": "1"})
    for number in ("1.9882", "3.8638", "0.9941"):
        assert number in ran.out


def test_words_are_never_markup(attn: Attn, tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(
        'tokens: ["[unk]", "[/s]", ":smile:", "[bold]x", "a\\e[31mb", "two\\nlines", "|"]\n'
        "embeddings: [[1], [2], [3], [4], [5], [6], [7]]\n"
    )
    rows = attn("compute", path, "--only", "embeddings").out.splitlines()[3:]
    assert [row.rpartition(" ")[0].strip() for row in rows] == [
        "[unk]", "[/s]", ":smile:", "[bold]x", r"a\x1b[31mb", r"two\nlines", "|",
    ]  # fmt: skip
    rows = attn("compute", path, "--only", "embeddings", "--format", "markdown").out.splitlines()[
        4:
    ]
    assert rows[0] == r"| \[unk\] | 1 |"
    assert rows[6] == r"| \| | 7 |"


def test_large_steps_are_shortened_and_full_shows_all(attn: Attn, tmp_path: Path) -> None:
    path = tmp_path / "big.npz"
    rng = np.random.default_rng(4)
    np.savez(
        path, q=rng.normal(size=(37, 5)), k=rng.normal(size=(41, 5)), v=rng.normal(size=(41, 2))
    )
    record = compute(path)
    ran = attn("compute", path, "--only", "scores")
    lines = ran.out.splitlines()
    kept_rows, kept_columns = [0, 1, 2, 34, 35, 36], [0, 1, 2, 38, 39, 40]
    assert lines[1].split() == ["query", "0", "1", "2", "...", "38", "39", "40"]
    assert lines[6].split() == ["..."] * 8
    rows = [line.split() for line in (*lines[3:6], *lines[7:10])]
    for row, index in zip(rows, kept_rows, strict=True):
        numbers = [f"{record['scores'][index, j]:.4f}" for j in kept_columns]
        assert row == [str(index), *numbers[:3], "...", *numbers[3:]]
    assert lines[-1] == "(scores has 1517 values: the middle is left out, --full shows all)"
    full = attn("compute", path, "--only", "scores", "--full").out.splitlines()
    assert len(full) == 2 + 37
    for at, line in enumerate(full[2:]):
        assert line.split() == [str(at), *(f"{x:.4f}" for x in record["scores"][at])]
    markdown = attn("compute", path, "--only", "scores", "--format", "markdown").out
    assert "| ... | ... | ... | ... | ... | ... | ... | ... |" in markdown
    assert "--full shows all" in markdown


def test_the_largest_weight_of_a_shortened_row_is_marked_only_where_it_stands(
    attn: Attn, tmp_path: Path
) -> None:
    path = tmp_path / "big.npz"
    k = np.zeros((1000, 1))
    k[500], k[999] = 5.0, 3.0
    np.savez(path, q=np.ones((2, 1)), k=k, v=k)
    assert "*" not in attn("compute", path, "--only", "weights").out
    k[500] = 0.0
    np.savez(path, q=np.ones((2, 1)), k=k, v=k)
    assert attn("compute", path, "--only", "weights").out.count("*") == 2


def test_digits(attn: Attn) -> None:
    row = ["compute", LOVE, "--query-token", "love", "--only", "output"]
    assert attn(*row, "--digits", "7").out.splitlines()[-1].split() == [
        "love", "1.6892752", "3.1115940", "0.8446376",
    ]  # fmt: skip
    assert attn(*row, "--digits", "0").out.splitlines()[-1].split() == ["love", "2", "3", "1"]


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([1.0, 2.0, -3.0], ["1", "2", "-3"]),
        ([1.0, 0.5, 0.0], ["1", "0.5000", "0"]),
        ([1e-9, 2e-9, 0.0], ["1.0000e-09", "2.0000e-09", "0"]),
        ([1e9, 0.5, 1.0], ["1.0000e+09", "5.0000e-01", "1.0000e+00"]),
        ([123456789.0, 1.0, 2.0], ["123456789", "1", "2"]),
        ([0.00004, 1.5, 2.0], ["0.0000", "1.5000", "2"]),
        ([-0.0, 1.0, 2.0], ["0", "1", "2"]),
    ],
)
def test_numbers_as_people_read_them(
    values: list[float], shown: list[str], attn: Attn, tmp_path: Path
) -> None:
    path = tmp_path / "p.npz"
    np.savez(path, embeddings=np.array([values]))
    assert attn("compute", path, "--only", "embeddings").out.splitlines()[-1].split()[1:] == shown


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
    assert document["settings"] == {
        "score": {"function": "scaled"}, "scale": 1 / math.sqrt(3), "causal": None,
        "mask": "the mask attends", "normalize": "softmax", "layout": "rows", "dtype": "float64",
        "nonfinite": "refuse", "rows": [2], "batch": None, "head": None,
    }  # fmt: skip
    masked = document["steps"]["masked"]
    assert list(masked) == ["formula", "axes", "shape", "values"]
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
    titles = [line for line in every.splitlines() if line.startswith("output")]
    shape = "(batch x head x query x dimension: 2 x 3 x 5 x 7)"
    assert titles == [
        f"output = context   {shape}   [batch {b}, head {h}]" for b in range(2) for h in range(3)
    ]
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


class TestFiles:
    """-o: the format of the suffix, whole or not at all."""

    @pytest.mark.parametrize("name", FORMATS)
    def test_every_suffix_has_its_format(self, name: str, attn: Attn, tmp_path: Path) -> None:
        form = FORMATS[name]
        only = ["--only", "output"] if form.one_step else []
        for suffix in form.suffixes:
            out = tmp_path / f"out{suffix}"
            assert attn("compute", LOVE, *only, "-o", out).status == 0
            explicit = in_process("compute", LOVE, *only, "--format", name).stdout
            assert out.read_bytes() == explicit

    def test_dash_is_standard_output(self, attn: Attn) -> None:
        assert attn("compute", LOVE, "-o", "-").out == attn("compute", LOVE).out

    def test_an_existing_file_is_replaced_and_keeps_its_mode(
        self, attn: Attn, tmp_path: Path
    ) -> None:
        out = tmp_path / "out.json"
        out.write_text("old")
        out.chmod(0o640)
        assert attn("compute", LOVE, "-o", out).status == 0
        assert json.loads(out.read_text())["format"] == "attn/1"
        assert out.stat().st_mode & 0o777 == 0o640

    def test_a_new_file_has_the_mode_of_any_other(self, attn: Attn, tmp_path: Path) -> None:
        (tmp_path / "other").write_text("")
        attn("compute", LOVE, "-o", tmp_path / "out.json")
        assert (tmp_path / "out.json").stat().st_mode == (tmp_path / "other").stat().st_mode

    def test_a_link_stays_a_link(self, attn: Attn, tmp_path: Path) -> None:
        (tmp_path / "real.json").write_text("old")
        (tmp_path / "link.json").symlink_to("real.json")
        attn("compute", LOVE, "-o", tmp_path / "link.json")
        assert (tmp_path / "link.json").is_symlink()
        assert (tmp_path / "real.json").read_text() != "old"

    def test_a_failure_leaves_the_old_file_and_nothing_beside_it(
        self, attn: Attn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        out = tmp_path / "out.json"
        out.write_text("old")

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "replace", full)
        ran = attn("compute", LOVE, "-o", out)
        assert ran.status == 2
        assert ran.err == (
            f"error: {out} cannot be written: No space left on device\n"
            "help: name a file in a folder that exists and that you may write to\n"
        )
        assert [path.name for path in tmp_path.iterdir()] == ["out.json"]
        assert out.read_text() == "old"

    def test_a_device_is_written_to(self, attn: Attn) -> None:
        ran = attn("compute", LOVE, "-o", "/dev/null", "--format", "json")
        assert (ran.status, ran.err) == (0, "")


class TestProcess:
    """What only a process of its own shows."""

    def test_a_closed_pipe_is_quiet(self) -> None:
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
        for arguments in (["compute", LOVE], ["samples"], ["scores"], ["--help"], ["--version"]):
            process = subprocess.Popen(
                [sys.executable, "-m", "attn_cli", *arguments],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, cwd=ROOT,
            )  # fmt: skip
            assert process.stdout is not None
            process.stdout.close()
            _, err = process.communicate()
            assert (process.returncode, err) == (ExitStatus.PIPE_CLOSED, b"")

    def test_a_full_disk_is_an_error(self) -> None:
        with open("/dev/full", "wb") as full:
            ran = subprocess.run(
                [sys.executable, "-m", "attn_cli", "compute", LOVE],
                stdout=full, stderr=subprocess.PIPE, check=False, cwd=ROOT,
            )  # fmt: skip
        assert ran.returncode == 2
        assert ran.stderr == b"error: standard output cannot be written: No space left on device\n"

    def test_a_terminal_without_the_characters(self) -> None:
        ran = in_process("compute", LOVE, "--tokens", "é ß 猫", PYTHONIOENCODING="ascii")
        assert (ran.returncode, ran.stderr) == (0, b"")
        assert b"\\xe9" in ran.stdout

    def test_words_that_are_no_text(self) -> None:
        ran = subprocess.run(
            [sys.executable, "-m", "attn_cli", "compute", LOVE, "--tokens", b"a \xff c"],
            capture_output=True, check=False, cwd=ROOT,
        )  # fmt: skip
        assert ran.returncode == 2
        assert ran.stderr.startswith(b"error: tokens is not UTF-8: 'a \\udcff c'\n")

    def test_module_and_command_are_the_same(self) -> None:
        ran = in_process("--version")
        assert ran.stdout.decode() == f"attn {__version__}\n"


def test_ctrl_c_is_130(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("attn_cli.core.run.run", interrupt)
    assert main(["compute", LOVE]) == ExitStatus.INTERRUPTED
    assert capfd.readouterr() == ("", "")


def test_our_own_bugs_stay_tracebacks(monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("attn_cli.core.run.run", bug)
    with pytest.raises(ZeroDivisionError):
        main(["compute", LOVE])


def test_no_arguments_show_the_help_on_standard_error(attn: Attn) -> None:
    ran = attn()
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == attn("--help").out


def commands() -> list[str]:
    import typer

    return sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", commands())
def test_every_command_has_help_with_an_example_that_runs(
    command: str, attn: Attn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = attn(command, "-h")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out == attn(command, "--help").out
    examples = re.findall(r"^  (attn .*)$", ran.out, re.MULTILINE)
    assert examples
    monkeypatch.chdir(tmp_path)
    attn("samples", "--copy", "samples")
    x = np.ones((3, 2))
    for name in "qkv":
        np.save(f"{name}.npy", x)
    path = f"{tmp_path}:{os.environ['PATH']}"
    (tmp_path / "attn").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m attn_cli "$@"\n')
    (tmp_path / "attn").chmod(0o755)
    for example in examples:
        done = subprocess.run(
            example, shell=True, capture_output=True, check=False,
            env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, b""), example


def test_scores_come_from_the_registry(attn: Attn) -> None:
    listed = attn("scores").out
    for score in SCORES:
        assert f"{score.name:16}{score.formula}\n" in listed
        assert f"[{score.reference}]\n" in listed
        explained = attn("scores", score.name).out
        assert explained.startswith(f"{score.name}: {score.formula}\n")
        for parameter in score.parameters:
            assert parameter.signature in listed
            assert parameter.meaning in explained
        assert score.name in attn("compute", "--help").out
    sparse = " ".join(attn("scores", "sparse").out.split())
    assert "Some texts write sparse attention as one number a query, a sum of q.k_j" in sparse


def test_memory_is_a_size_that_people_write(attn: Attn) -> None:
    assert attn("compute", LOVE, "--memory", "1KB").status == 0
    for text in ("0", "-1", "1XB", "1iB", "", "MB"):
        ran = attn("compute", LOVE, f"--memory={text}")
        assert ran.err.startswith(f"error: --memory cannot be '{text}'\n")


# Each option of `attn compute`, with a value that must change what comes out of the command.
EFFECTS: dict[str, list[str]] = {
    "query": ["--query", "q.npy"],
    "key": ["--key", "k.npy"],
    "value": ["--value", "v.npy"],
    "tokens": ["--tokens", "a b c"],
    "score": ["--score", "scaled"],
    "scale": ["--scale", "2"],
    "normalize": ["--normalize", "argmax"],
    "causal": ["--causal", "true"],
    "dtype": ["--dtype", "float16"],
    "set": ["--set", "scale=3"],
    "show": ["--show", "q"],
    "only": ["--only", "q"],
    "query_token": ["--query-token", "I"],
    "batch": ["--batch", "1"],
    "head": ["--head", "1"],
    "memory": ["--memory", "1B"],
    "check": ["--check", "q=[[1, 0, 0], [0, 1, 0], [0, 0, 1]]"],
    "tolerance": ["--tolerance", "9", "--check", "q=[[9, 9, 9], [9, 9, 9], [9, 9, 9]]"],
    "format": ["--format", "json"],
    "output": ["--output", "out.txt"],
    "digits": ["--digits", "7"],
    "full": ["--full"],
    "labels": ["--labels", "--only", "q", "--format", "csv"],
    "quiet": ["--quiet", "--set", "mask=[[-inf, -inf, -inf]]"],
    "help": ["--help"],
}
# What an option needs beside it to have an effect stands in the run without it too.
BASES: dict[str, list[str]] = {
    "tolerance": EFFECTS["tolerance"][2:],
    "labels": EFFECTS["labels"][1:],
    "quiet": EFFECTS["quiet"][1:],
}


def test_every_option_changes_something(
    attn: Attn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import typer

    monkeypatch.chdir(tmp_path)
    compute_command = typer.main.get_command(app).commands["compute"]  # type: ignore[attr-defined]
    options = {p.name for p in compute_command.params} - {"file"}
    assert options | {"help"} == set(EFFECTS)
    rng = np.random.default_rng(1)
    heads = {n: rng.normal(size=(2, 3, 4, 5)) for n in "qkv"}
    np.savez("heads.npz", **heads)  # type: ignore[arg-type]
    np.savez("large.npz", embeddings=rng.normal(size=(40, 40)))
    for side, shape in {"q": (2, 4), "k": (3, 4), "v": (3, 2)}.items():
        np.save(f"{side}.npy", rng.normal(size=shape))
    files = {"batch": "heads.npz", "head": "heads.npz", "full": "large.npz"}
    files |= dict.fromkeys(("query", "key", "value"), str(SAMPLES / "scaled.yaml"))
    refused = {"memory"}
    for name, arguments in EFFECTS.items():
        file = files.get(name, LOVE)
        without = attn("compute", file, *BASES.get(name, []))
        ran = attn("compute", file, *arguments)
        assert ran != without, name
        assert ran.status == (2 if name in refused else 0 if name != "check" else 1), name
