"""Processes that tests start: they begin as from a terminal, and none outlives its test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from tests.helpers.forked import Fork, serves

ROOT = Path(__file__).parent.parent.parent
# Numbers that no test may take from the shell that runs it.
SCRUBBED = (
    "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "COLORTERM", "COLORFGBG", "PYTHONUNBUFFERED",
)  # fmt: skip
ATTN = (sys.executable, "-m", "attn_cli")
# What a shell ignores for a job in the background, and nohup for any. A process inherits that.
_SIGNALS = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def started(
    arguments: Sequence[str | bytes] | str,
    *,
    run: Callable[[], object] | None = None,
    **options: Any,
) -> Iterator[Any]:
    """Start a process in a session of its own; end it, and all that it started, at the end.

    Gives the Popen, whose options these are. Signals are at their defaults, also if this process
    ignores them. `ATTN` and its arguments are a fork of this process, as Python is slow to start;
    so is a process that is to call `run`, which finds the arguments in sys.argv.
    """
    options = {"cwd": ROOT, **options}
    with _signals_at_their_defaults():
        process: subprocess.Popen[Any]
        if run is None and tuple(arguments[:3]) == ATTN and serves(options.get("env")):
            run, arguments = _attn, ("attn", *arguments[3:])
            _make_program(*arguments[1:2])
        if run is not None:
            process = Fork(run, arguments, **options)
        else:
            process = subprocess.Popen(arguments, start_new_session=True, **options)
    with process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):  # the usual end: nothing of it is left
                os.killpg(process.pid, signal.SIGKILL)


def _attn() -> None:
    from attn_cli.__main__ import entry

    entry()


def _make_program(*wanted: str | bytes) -> None:
    """Make the program of a command here, where the forks of several tests find it."""
    from attn_cli.cli import app
    from tests.helpers.programs import program_once

    app.program = program_once
    if wanted and wanted[0] in app.COMMANDS:
        program_once(os.fsdecode(wanted[0]))


def program(code: str) -> Callable[[], object]:
    """What `started` may run: some code, as `python -c` does."""
    return partial(exec, code, {"__name__": "__main__"})


def run_to_end(
    arguments: Sequence[str | bytes] | str,
    *,
    stdin: bytes = b"",
    timeout: float | None = None,
    **options: Any,
) -> subprocess.CompletedProcess[bytes]:
    """Run a process to its end, as `subprocess.run` does; its streams are pipes."""
    pipe = subprocess.PIPE
    with started(arguments, **{"stdin": pipe, "stdout": pipe, "stderr": pipe, **options}) as child:
        out, err = child.communicate(stdin, timeout)
        return subprocess.CompletedProcess(child.args, child.returncode, out, err)


def read_terminal(leader: int) -> bytes:
    """Return what is written to a terminal until its other end is closed; close this one."""
    shown = b""
    try:
        with suppress(OSError):  # the other end is closed: Linux says so with EIO
            while chunk := os.read(leader, 65536):
                shown += chunk
    finally:
        os.close(leader)
    return shown


@contextmanager
def _signals_at_their_defaults() -> Iterator[None]:
    ignored = [each for each in _SIGNALS if signal.getsignal(each) is signal.SIG_IGN]
    for each in ignored:
        signal.signal(each, signal.SIG_DFL)
    try:
        yield
    finally:
        for each in ignored:
            signal.signal(each, signal.SIG_IGN)
