"""Row 4: peak memory of the job of row 3 on a sequence whose scores alone would be 17 GB."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from benchmarks.bench import Bench
from benchmarks.line import Line, peak, timed
from benchmarks.process import run
from benchmarks.rounds import paired
from benchmarks.rows.script import D, difference, jobs


def lines(bench: Bench) -> Iterator[Line]:
    """Measure memory, and time for information, in one run of each."""
    n = bench.size(65536)
    ours, peer = (run(job) for job in jobs(bench, n))
    what = f"n = {n}, d = {D}, float32, output only"
    differs = f"{difference(bench, n):.1e}"
    yield replace(peak(4, f"peak memory: {what}", ours.peak, 250, peer.peak), results=differs)
    yield timed(4, f"wall: {what}", paired([(ours.wall, peer.wall)]))
