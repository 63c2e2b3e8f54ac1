"""Row 15: a step of training, inside the API, against the same step in torch."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.bench import Bench
from benchmarks.line import Line, timed
from benchmarks.rounds import in_turn, paired

SIZES = {"vocabulary": 1000, "examples": 200, "words": 6, "d": 32, "heads": 2}
FIRST, LAST = 20, 200
MARK = 1.5


def lines(bench: Bench) -> Iterator[Line]:
    """Measure CPU time per step, on one thread, and compare the losses that are reached."""
    file = bench.file("training.json")
    with bench.workers() as (ours, peers):
        ours.ask("write_training", file=file, steps=LAST, **SIZES)
        peers.ask("set_threads", threads=1)
        for worker in (ours, peers):
            worker.ask("prepare_training", file=file, first=FIRST)
        calls = [lambda: ours.ask("learn"), lambda: peers.ask("learn")]
        rounds = in_turn(calls, bench.effort)
    times = paired([(a["seconds"], b["seconds"]) for a, b in rounds])
    differs = max(abs(a["loss"] - b["loss"]) for a, b in rounds)
    what = "step of training, one thread, CPU: 200 examples of 6 words of 1000, d = 32, 2 heads"
    yield timed(15, what, times, MARK, differs=differs, dtype="float64")
