"""Commands, their help and their options."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from attn_cli.cli.app import app
from attn_cli.core.scores import SCORES
from tests.conftest import ROOT, SAMPLES, Attn

LOVE = str(SAMPLES / "love_coding.yaml")


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
        said = rb"loss .* examples right\n" if " -o trained" in example else b""
        assert done.returncode == 0, example
        assert re.fullmatch(said, done.stderr), example


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
    "lower": ["--lower", "--tokens", "A B c"],
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
    "lower": EFFECTS["lower"][1:],
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
