"""The environment that every test runs in: no colour, no terminal size, no threads of its own."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import NamedTuple

import pytest
from hypothesis import settings

from attn_cli.cli import main
from tests.helpers.processes import ATTN, ROOT, read_terminal, run_to_end, started

# A slow machine is no failure. What decides over a change draws the same examples every time; the
# others are drawn by `make fuzz`.
settings.register_profile("attn", deadline=None, derandomize=True)
settings.register_profile("random", deadline=None, max_examples=1000)
settings.load_profile("attn")

SAMPLES = ROOT / "samples"
# Numbers that no test may take from the shell that runs it.
SCRUBBED = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "COLORTERM", "PYTHONUNBUFFERED")


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SCRUBBED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


class Ran(NamedTuple):
    """What one run of the command line gave."""

    status: int
    out: str
    err: str


Attn = Callable[..., Ran]


@pytest.fixture
def attn(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Attn:
    """Run a command line in this process, as in a pipe."""

    def run(*arguments: object, stdin: bytes | str | None = None) -> Ran:
        data = stdin.encode() if isinstance(stdin, str) else stdin or b""
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
        capfd.readouterr()
        status = main([str(a) for a in arguments])
        captured = capfd.readouterr()
        return Ran(status, captured.out, captured.err)

    return run


def in_process(
    *arguments: str, stdin: bytes = b"", **env: str
) -> subprocess.CompletedProcess[bytes]:
    """Run the command line as a process of its own, in a pipe."""
    return run_to_end([*ATTN, *arguments], stdin=stdin, env={**os.environ, **env})


def on_terminal(*arguments: str, columns: int = 100, env: dict[str, str] | None = None) -> Ran:
    """Run the command line on a terminal of a fixed width; stderr stays apart."""
    leader, follower = pty.openpty()
    import fcntl
    import struct
    import termios

    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    with started(
        [*ATTN, *arguments],
        stdin=follower,
        stdout=follower,
        stderr=subprocess.PIPE,
        env={**os.environ, **(env or {})},
    ) as process:
        os.close(follower)
        shown = read_terminal(leader)
        err = process.stderr.read().decode()
        return Ran(process.wait(), shown.decode().replace("\r\n", "\n"), err)
