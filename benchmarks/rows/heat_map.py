"""Row 9: `attn heatmap`: pooled while weights are computed, and of rows that stand for all."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.bench import Bench
from benchmarks.line import Line, peak, timed, within
from benchmarks.process import run
from benchmarks.rounds import in_turn, paired
from benchmarks.rows.script import NAMES, D

SLOWER = 2.0  # than the same weights in a file
SECONDS, MEGABYTES = 30, 1000


def lines(bench: Bench) -> Iterator[Line]:
    """Measure a map of all rows against `attn compute`, and one of sampled rows."""
    n = bench.size(2048)
    given = _given(bench, n)
    written = bench.compute(*given, "--only", "weights", "-o", bench.file("weights.npy"))
    drawn = bench.attn("heatmap", *given, "--width", "100", "--color", "always")
    rounds = in_turn([lambda: run(drawn), lambda: run(written)], bench.effort)
    what = f"n = {n}, d = {D}, float32, causal"
    for name, mark in (("wall", SLOWER), ("cpu", None)):
        times = paired([(getattr(ours, name), getattr(peer, name)) for ours, peer in rounds])
        yield timed(9, f"heat map against weights in NPY: {what}, {name}", times, mark)
    n = bench.size(100_000)
    what = f"n = {n}, d = {D}, float32, causal"
    made = run(bench.attn("heatmap", *_given(bench, n), "--width", "100", "--color", "always"))
    yield within(9, f"heat map of sampled rows: {what}", made.wall, SECONDS)
    yield peak(9, f"peak memory of a heat map: {what}", made.peak, MEGABYTES)


def _given(bench: Bench, n: int) -> list[str]:
    """Return the options of a problem of n tokens, whose arrays are written."""
    files = {name: bench.file(f"{name}-{n}.npy") for name in NAMES}
    with bench.our_worker() as worker:
        shapes = {file: [n, D] for file in files.values()}
        worker.ask("normal", files=shapes, seed=n, dtype="float32")
    given = [text for name, file in files.items() for text in (f"--{name}", file)]
    return [*given, "--causal", "true", "--dtype", "float32"]
