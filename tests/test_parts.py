"""A step that is too large to be held is written part by part, with the same numbers.

Not to the last bit: a matrix product may add in another order for another number of rows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attn_cli import compute
from attn_cli.engine import parts as parts_module
from attn_cli.engine import run as run_module
from attn_cli.maths.problem import Request
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.document import from_mapping
from tests.conftest import Attn

RNG = np.random.default_rng(11)


def saved(folder: Path, *lead: int) -> Path:
    path = folder / "p.npz"
    sizes = {"q": (13, 5), "k": (7, 5), "v": (7, 3)}
    np.savez(path, **{n: RNG.normal(size=(*lead, *s)) for n, s in sizes.items()})  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize("only", ["q", "scores", "masked", "weights", "output"])
@pytest.mark.parametrize("suffix", ["npy", "csv", "tsv"])
@pytest.mark.parametrize("lead", [(), (2,), (2, 3)])
@pytest.mark.parametrize("height", [1, 4, 100])
def test_parts_are_the_whole(
    only: str, suffix: str, lead: tuple[int, ...], height: int,
    attn: Attn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    path, out = saved(tmp_path, *lead), tmp_path / f"out.{suffix}"
    columns = {"q": 5, "output": 3}.get(only, 7)
    monkeypatch.setattr(parts_module, "PART_BYTES", height * columns * 8)
    chosen = ["--batch", "1", "--head", "2"][: 2 * len(lead)] if suffix != "npy" else []
    extra = ["--causal", "bottom-right", *chosen]
    assert attn("compute", path, "--only", only, "-o", out, *extra).status == 0
    expected = compute({**_long(path), "causal": "bottom-right"})[only]
    if suffix == "npy":
        np.testing.assert_allclose(np.load(out), expected, rtol=1e-12, atol=1e-14)
        assert np.load(out).flags.c_contiguous
        return
    read = np.loadtxt(out, delimiter="," if suffix == "csv" else "\t", ndmin=2)
    np.testing.assert_allclose(read, expected[(1, 2)[: len(lead)]], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("only", ["output", "context", "weights", "visible", "lse", "layer_norm"])
@pytest.mark.parametrize("chosen", [{}, {"batch": 1}, {"head": 5}, {"query_token": 4}])
@pytest.mark.parametrize("height", [1, 4, 100])
def test_parts_of_heads_behind_the_tokens(
    only: str, chosen: dict[str, Any], height: int,
    attn: Attn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    path, out = tmp_path / "p.npz", tmp_path / "out.npy"
    sizes = {"q": (2, 13, 6, 5), "k": (2, 7, 2, 5), "v": (2, 7, 2, 3)}
    arrays = {name: RNG.normal(size=size) for name, size in sizes.items()}
    np.savez(path, **arrays, axes=np.array("bshd"), layer_norm=np.array(True))  # type: ignore[arg-type]
    monkeypatch.setattr(parts_module, "PART_BYTES", height * 6 * 3 * 8)
    options = [f"--{name.replace('_', '-')}={value}" for name, value in chosen.items()]
    keys = ["--causal", "bottom-right", "--only", only]
    assert attn("compute", path, *keys, *options, "-o", out).status == 0
    problem = {**_long(path), "axes": "bshd", "causal": "bottom-right", "layer_norm": True}
    expected = compute(problem, steps=[only], **chosen)[only]
    assert np.load(out).shape == expected.shape
    np.testing.assert_allclose(np.load(out), expected, rtol=1e-12, atol=1e-14)


def _long(path: Path) -> dict[str, object]:
    archive = np.load(path)
    return {"query": archive["q"], "key": archive["k"], "value": archive["v"]}


def test_more_than_the_memory_allowed_goes_into_a_file(attn: Attn, tmp_path: Path) -> None:
    path, out = saved(tmp_path), tmp_path / "w.npy"
    refused = attn("compute", path, "--only", "weights", "--memory", "300B", "--format", "json")
    assert refused.status == 2
    assert attn("compute", path, "--only", "weights", "--memory", "300B", "-o", out).status == 0
    np.testing.assert_allclose(np.load(out), compute(path)["weights"], rtol=1e-12, atol=1e-14)


def test_a_part_holds_no_more_than_it_may(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    problem = read_problem(from_mapping(_long(saved(tmp_path))))
    monkeypatch.setattr(parts_module, "PART_BYTES", 4 * 7 * 8)
    parted = parts_module.in_parts(problem, Request(steps=("weights",)))
    assert parted is not None
    records = list(parted[1])
    assert [len(record["weights"]) for record in records] == [4, 4, 4, 1]
    assert [list(r.query_tokens) for r in records][3] == ["12"]


def test_labels_stand_once(attn: Attn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path)
    monkeypatch.setattr(parts_module, "PART_BYTES", 1)
    parted = attn("compute", path, "--only", "weights", "--format", "csv", "--labels").out
    assert parted.splitlines()[0] == ",0,1,2,3,4,5,6"
    assert [line.split(",")[0] for line in parted.splitlines()] == ["", *map(str, range(13))]


def test_warnings_of_all_parts_are_said(
    attn: Attn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts_module, "PART_BYTES", 1)
    hidden = "--set", "mask=[[-inf, -inf, -inf, -inf, -inf, -inf, -inf]]"
    ran = attn("compute", saved(tmp_path), "--only", "output", "--format", "csv", *hidden)
    lines = ran.err.splitlines()
    assert lines[0] == "warning: query 0 has no key to attend to: the weights there are 0"
    assert lines[10] == "warning: and 3 more of other parts"
    assert len(lines) == 11


def test_a_failure_in_the_middle_leaves_no_file(
    attn: Attn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, out = saved(tmp_path), tmp_path / "w.npy"
    monkeypatch.setattr(parts_module, "PART_BYTES", 1)
    run, calls = run_module.run, []

    def interrupted(*arguments: object, **named: object) -> object:
        calls.append(arguments)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return run(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(parts_module, "run", interrupted)
    assert attn("compute", path, "--only", "weights", "-o", out).status == 130
    assert [p.name for p in tmp_path.iterdir()] == ["p.npz"]
