"""A command that answers line by line: when each answer arrived."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from benchmarks.process import FailedError, environment

CHUNK = 1 << 16


def arrivals(command: list[str], asked: str) -> list[float]:
    """Return when each line of output arrived; the lines of the file `asked` come by a pipe.

    Raises FailedError if the command fails, or answers with another number of lines.
    """
    times: list[float] = []
    with (
        subprocess.Popen(["cat", asked], stdout=subprocess.PIPE) as source,
        subprocess.Popen(
            command,
            stdin=source.stdout,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(),
            bufsize=0,
        ) as process,
    ):
        assert source.stdout is not None
        assert process.stdout is not None
        source.stdout.close()  # here; the command has it
        while data := process.stdout.read(CHUNK):
            times += [time.perf_counter()] * data.count(b"\n")
    expected = Path(asked).read_bytes().count(b"\n")
    if process.returncode != 0 or len(times) != expected:
        raise FailedError(
            f"status {process.returncode} of {command}: {len(times)} answers to {expected} lines"
        )
    return times
