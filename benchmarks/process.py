"""Whole processes: wall time, CPU time and peak memory of one command."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Mapping
from typing import NamedTuple

# Each of these changes what is measured, and most shells have none of them.
_SCRUBBED = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHONPROFILEIMPORTTIME")
_ENDINGS = ("_NUM_THREADS",)
_BEGINNINGS = ("ATTN_", "OMP_", "KMP_", "GOMP_")


class FailedError(Exception):
    """A command or a worker that did not do what was asked."""


class Ran(NamedTuple):
    """What one run of a command took: seconds, seconds of all threads, bytes."""

    wall: float
    cpu: float
    peak: float


def run(command: list[str], *, status: int = 0, variables: Mapping[str, str] | None = None) -> Ran:
    """Run a command, an absolute path and arguments, with nothing to read and nobody who reads.

    `variables` are added to the environment. Raises FailedError, with what the command wrote on
    standard error, if it ends with another status than `status`.
    """
    with tempfile.NamedTemporaryFile(prefix="bench-", suffix=".err") as errors:
        files = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, errors.name, os.O_WRONLY, 0),
        ]
        start = time.perf_counter()
        added = environment() | dict(variables or {})
        child = os.posix_spawn(command[0], command, added, file_actions=files)
        try:
            _, ended, used = os.wait4(child, 0)
        except BaseException:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise
        wall = time.perf_counter() - start
        code = os.waitstatus_to_exitcode(ended)
        if code != status:
            said = errors.read().decode(errors="replace").strip()
            raise FailedError(f"status {code} of {command}: {said}")
    return Ran(wall, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)


def environment() -> dict[str, str]:
    """Return the environment of this process without what would change the measurement."""
    return {
        name: value
        for name, value in os.environ.items()
        if name not in _SCRUBBED
        and not name.endswith(_ENDINGS)
        and not name.startswith(_BEGINNINGS)
    }
