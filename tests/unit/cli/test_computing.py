"""Long computations: what is said before and meanwhile, and how they end when interrupted."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from time import sleep

import numpy as np
import pytest

from attn_cli.cli import progress
from attn_cli.errors import ExitStatus
from attn_cli.maths.problem import Request
from tests.conftest import Attn
from tests.helpers.processes import ATTN, program, read_terminal, started
from tests.helpers.tiled import loaded

pytestmark = pytest.mark.slow

N = 1100  # enough scores for tiles
RUN = (
    "import sys; from attn_cli.cli import main, progress; progress.LONG = 0; "
    "sys.exit(main(sys.argv[1:]))"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Q, K and V of some length in files of their own."""
    path = tmp_path_factory.mktemp("long")
    rng = np.random.default_rng(1)
    for side in "qkv":
        np.save(path / f"{side}.npy", rng.normal(size=(N, 2)))  # float64: no note
        large = np.zeros((1 << 17, 64), np.float32)
        np.save(path / f"large_{side}.npy", large)
    return path


def arguments(folder: Path, prefix: str = "") -> list[str]:
    sides = {"query": "q", "key": "k", "value": "v"}
    given = [(f"--{side}", str(folder / f"{prefix}{at}.npy")) for side, at in sides.items()]
    return ["compute", *(text for pair in given for text in pair), "--only", "output"]


def with_terminal(code: str, *said: str) -> tuple[int, bytes, str]:
    """Run some code whose standard error is a terminal, and its standard output a pipe."""
    import pty

    leader, follower = pty.openpty()
    with started(
        ["-c", *said], run=program(code), stdout=subprocess.PIPE, stderr=follower
    ) as process:
        os.close(follower)
        out = process.stdout.read()
        return process.wait(), out, read_terminal(leader).decode()


def test_a_long_computation_says_what_it_will_take(folder: Path) -> None:
    said = [*arguments(folder), "--format", "npy", "--threads", "2", "--tile", "400"]
    status, out, shown = with_terminal(RUN, *said)
    assert status == 0
    assert out.startswith(b"\x93NUMPY")
    assert b"tiles" not in out
    first, _, rest = shown.partition("\r\n")
    assert re.fullmatch(r"1\.21e\+06 scores, about \d+ s and \d+\.\d [KM]iB of memory", first), (
        first
    )
    assert "computing" in rest
    assert re.search(r"3 of 3 tiles, [\d.e+]+ a second", rest)
    assert rest.endswith("\x1b[2K")  # the bar is taken off


def test_what_is_over_soon_says_nothing(folder: Path) -> None:
    code = RUN.replace("LONG = 0", "LONG = 60")
    status, out, shown = with_terminal(code, *arguments(folder), "--format", "npy")
    assert (status, shown) == (0, "")
    assert out.startswith(b"\x93NUMPY")


def test_in_a_pipe_nothing_is_said(
    folder: Path, attn: Attn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LONG", 0)
    ran = attn(*arguments(folder), "-o", folder / "piped.npy")
    assert ran == (0, "", "")


def test_without_standard_error_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    problem = loaded({side: [[1.0]] for side in ("query", "key", "value")})
    with progress.computing(problem, Request()) as tell:
        assert tell is None


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("threads", "number", "status"),
    [
        ("1", signal.SIGINT, ExitStatus.INTERRUPTED),
        ("2", signal.SIGINT, ExitStatus.INTERRUPTED),
        ("2", signal.SIGTERM, ExitStatus.TERMINATED),
        ("1", signal.SIGHUP, ExitStatus.HUNG_UP),
    ],
)
def test_a_signal_ends_at_once_and_leaves_no_file(
    folder: Path, threads: str, number: signal.Signals, status: int, tmp_path: Path
) -> None:
    """Hours of work, interrupted as soon as its temporary file is there: in the middle of it."""
    said = [*arguments(folder, "large_"), "--threads", threads, "-o", str(tmp_path / "out.npy")]
    with started([*ATTN, *said], stderr=subprocess.PIPE) as process:
        while not names(tmp_path):
            assert process.poll() is None
            sleep(0.01)
        sleep(0.1)
        process.send_signal(number)
        _, err = process.communicate()
    assert (process.returncode, err) == (status, b"")
    assert names(tmp_path) == set()
