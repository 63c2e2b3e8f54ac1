"""Row 10: `attn stats` of a sequence whose weights would be 40 GB: time and peak memory."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.bench import Bench
from benchmarks.line import Line, peak, within
from benchmarks.process import run
from benchmarks.rows.script import NAMES, D

SECONDS, MEGABYTES = 30, 1000


def lines(bench: Bench) -> Iterator[Line]:
    """Measure one run, in which some queries stand for all."""
    n = bench.size(100_000)
    files = {name: bench.file(f"{name}-{n}.npy") for name in NAMES}
    with bench.our_worker() as worker:
        shapes = {file: [n, D] for file in files.values()}
        worker.ask("normal", files=shapes, seed=n, dtype="float32")
    given = [text for name, file in files.items() for text in (f"--{name}", file)]
    made = run(bench.attn("stats", *given, "--causal", "true", "--dtype", "float32"))
    what = f"n = {n}, d = {D}, float32, causal"
    yield within(10, f"statistics of sampled queries: {what}", made.wall, SECONDS)
    yield peak(10, f"peak memory of statistics: {what}", made.peak, MEGABYTES)
