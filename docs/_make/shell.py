"""Runs the commands that pages show: `attn` in a fork of this process, all else in a shell.

A fork shares what is imported here already, so that a command takes some milliseconds instead of a
start of Python. Its output is that of a process with both streams in a pipe.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import runpy
import shlex
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import IO, NamedTuple, NoReturn

ROOT = Path(__file__).parents[2]
_SCRUBBED = ("NO_COLOR", "FORCE_COLOR", "PYTHONUNBUFFERED", "ATTN_THREADS", "ATTN_TILE")
_STATUS = "; echo exit status $?"
_QUOTED = re.compile(r"'[^']*'|\"[^\"$`]*\"")
_SPECIAL = re.compile(r"[|;&<>$`*?~(){}!#\\'\"\n]")


class Ran(NamedTuple):
    """What a command printed, on both streams, and its exit status."""

    output: str
    status: int


def run(command: str, folder: Path = ROOT) -> Ran:
    """Run one shell line in a folder, with `attn` on the path, and return what it prints.

    Lines that run in the checkout and write nothing are run once, however often they are shown.
    """
    writes = " -o " in command or ">" in command or folder != ROOT
    return (_run if writes else _run_once)(command, folder)


def _run(command: str, folder: Path) -> Ran:
    line, asked, _ = command.partition(_STATUS)
    parts = _pipeline(line)
    ran = _in_shell(line, folder) if parts is None else _forked(parts, folder)
    return Ran(ran.output + f"exit status {ran.status}\n", 0) if asked else ran


_run_once = cache(_run)


def _pipeline(line: str) -> list[list[str]] | None:
    """Return the words of each command of a pipe; None if a shell is needed for one of them."""
    bare = _QUOTED.sub(lambda quoted: "q" * len(quoted[0]), line)
    cuts = [-1, *(at for at, sign in enumerate(bare) if sign == "|"), len(line)]
    pieces = [slice(start + 1, end) for start, end in itertools.pairwise(cuts)]
    if any(_SPECIAL.search(bare[piece]) for piece in pieces):
        return None
    words = [shlex.split(line[piece]) for piece in pieces]
    known = all(
        each[:1] == ["attn"] or (each[:1] == ["python"] and "-c" not in each) for each in words
    )
    return words if known else None


def _forked(parts: list[list[str]], folder: Path) -> Ran:
    with contextlib.ExitStack() as stack:
        stdin: IO[bytes] = stack.enter_context(open(os.devnull, "rb"))
        shown = stack.enter_context(tempfile.TemporaryFile())
        for place, words in enumerate(parts):
            last = place == len(parts) - 1
            stdout = shown if last else stack.enter_context(tempfile.TemporaryFile())
            status = _fork(words, folder, stdin, stdout, shown)
            stdout.seek(0, os.SEEK_END if last else os.SEEK_SET)
            stdin = stdout
        shown.seek(0)
        return Ran(shown.read().decode(), status)


def _fork(
    words: list[str], folder: Path, stdin: IO[bytes], stdout: IO[bytes], stderr: IO[bytes]
) -> int:
    _preload()
    child = os.fork()
    if not child:
        for number, stream in enumerate((stdin, stdout, stderr)):
            os.dup2(stream.fileno(), number)
        _leave_with(lambda: _as_command(words, folder))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _leave_with(command: Callable[[], int]) -> NoReturn:
    """Leave a forked process with the status of a command, without the exit of its parent."""
    status = 70
    try:
        status = command()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # what else a process does at its top
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _as_command(words: list[str], folder: Path) -> int:
    from attn_cli.cli import main

    os.environ.update(COLUMNS="80")
    for name in _SCRUBBED:
        os.environ.pop(name, None)
    os.chdir(folder)
    sys.argv = words
    sys.stdin, sys.stdout, sys.stderr = (
        open(number, mode, encoding="utf-8", buffering=1)  # noqa: SIM115
        for number, mode in enumerate("rww")
    )
    if words[0] == "attn":
        return main(words[1:])
    sys.path[0] = str(folder)
    sys.argv = words[1:]
    runpy.run_path(words[1], run_name="__main__")
    return 0


@cache
def _preload() -> None:
    """Import what commands import, before the first fork."""
    from attn_cli.cli.app import build

    build()
    import numpy  # noqa: F401


def _in_shell(line: str, folder: Path) -> Ran:
    scrubbed = {name: value for name, value in os.environ.items() if name not in _SCRUBBED}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    ran = subprocess.run(
        line,
        shell=True,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={**scrubbed, "PATH": path, "COLUMNS": "80"},
    )
    return Ran(ran.stdout, ran.returncode)
