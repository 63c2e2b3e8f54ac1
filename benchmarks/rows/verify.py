"""Row 12: `attn verify`: every case of the grid, of a kernel in NumPy that is right."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.bench import Bench
from benchmarks.line import Line, within
from benchmarks.process import run

FUNCTION = "tests.helpers.faulty_kernel:RIGHT"
SECONDS = 30


def lines(bench: Bench) -> Iterator[Line]:
    """Measure the whole command, its child process included."""
    ran = run(bench.attn("verify", FUNCTION, "--like", "torch"))
    yield within(12, "attn verify of a NumPy function, like torch: wall", ran.wall, SECONDS)
