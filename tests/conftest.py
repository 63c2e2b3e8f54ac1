"""The environment that all tests run in: no colour, no terminal size, no threads of its own."""

from __future__ import annotations

import gc
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

from attn_cli.cli import app, main
from tests.helpers.processes import ATTN, ROOT, SCRUBBED, read_terminal, run_to_end, started
from tests.helpers.programs import program_once

# A slow machine is not a failure. The tests of a change draw the same examples every time; the
# others are drawn by `make fuzz`.
settings.register_profile("attn", deadline=None, derandomize=True, max_examples=25)
settings.register_profile("random", deadline=None, max_examples=1000)
settings.load_profile("attn")

# What tests change is set back by the `monkeypatch` that changed it.
for _name in SCRUBBED:
    os.environ.pop(_name, None)
os.environ["TERM"] = "xterm-256color"

app.program = program_once

# Python would look for garbage every 700 new objects, among all that the tests have imported.
gc.set_threshold(50_000)

SAMPLES = ROOT / "samples"


# A fork of a process takes longer the more memory it has: these begin before the cases are there.
FORKING = ("tests/unit/cli/", "tests/unit/views/", "tests/docs/", "tests/fuzz/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have the tests that start processes run first."""
    items.sort(key=lambda item: not item.nodeid.startswith(FORKING))


def pytest_collection_finish() -> None:
    """Have the garbage collector leave alone what is there from now on."""
    gc.freeze()


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
