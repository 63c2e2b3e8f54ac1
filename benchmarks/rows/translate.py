"""Row 14: `attn translate` with a dictionary of 100 000 pairs and vectors of 300 dimensions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from benchmarks.arriving import arrivals
from benchmarks.bench import Bench
from benchmarks.line import Line, added, peak, rate, timed
from benchmarks.process import run
from benchmarks.rounds import in_turn, paired

PAIRS, OTHERS, D = 100_000, 5_000, 300
BATCH = 256  # answers that come together, at most
ASKED = 20 * BATCH
THOUSAND = 4 * BATCH
MORE = 1.0  # seconds beyond reading
ROOM = 100  # MB beyond three times the vectors
PER_SECOND, SLOWER = 200.0, 1.2
# Vectors as an array, and as text, which takes half a minute to read: fewer runs.
FORMS = {"NPY": (("vectors.npy", "words.txt"), None), "text": (("vectors.vec",), 3)}


def lines(bench: Bench) -> Iterator[Line]:
    """Measure one word, against reading alone, and then words from a pipe."""
    pairs = bench.size(PAIRS)
    with bench.our_worker() as worker:
        worker.ask(
            "write_dictionary",
            folder=str(bench.folder), pairs=pairs, others=bench.size(OTHERS), d=D, asked=ASKED,
        )  # fmt: skip
    for form, (files, runs) in FORMS.items():
        effort = bench.effort if runs is None else replace(bench.effort, least=runs, most=runs)
        yield from _one_word(replace(bench, effort=effort), f"{pairs} pairs, {form}", files, pairs)
        yield from _from_a_pipe(bench, f"{pairs} pairs, {form}", files)


def _one_word(bench: Bench, what: str, files: tuple[str, ...], pairs: int) -> Iterator[Line]:
    given = [bench.file(name) for name in files]
    reading = bench.script(bench.ours, "read_dictionary.py", bench.file("pairs.csv"), *given)
    command = [*_command(bench, files), f"w{pairs // 2}"]
    rounds = in_turn([partial(run, command), partial(run, reading)], bench.effort)
    most = 3 * pairs * D * 8 / 1e6 + ROOM
    yield peak(14, f"peak memory of translate: {what}", max(a.peak for a, _ in rounds), most)
    cpu = [(a.cpu, b.cpu) for a, b in rounds]
    yield added(14, f"translate beyond reading, CPU: {what}", cpu, MORE)


def _from_a_pipe(bench: Bench, what: str, files: tuple[str, ...]) -> Iterator[Line]:
    """Measure the answers after the first batch, with which reading ends."""
    command = [*_command(bench, files), "--unknown", "keep"]
    times = arrivals(command, bench.file("asked.txt"))[BATCH - 1 :]
    speed = (len(times) - 1) / (times[-1] - times[0])
    yield rate(14, f"words translated from a pipe, wall: {what}", speed, PER_SECOND)
    first, last = times[THOUSAND] - times[0], times[-1] - times[-1 - THOUSAND]
    what = f"last {THOUSAND} words over the first: {what}"
    yield timed(14, what, paired([(last, first)]), SLOWER)


def _command(bench: Bench, files: tuple[str, ...]) -> list[str]:
    vectors, *words = (bench.file(name) for name in files)
    listed = ["--words", *words] if words else []
    return bench.attn("translate", "-d", bench.file("pairs.csv"), "--embeddings", vectors, *listed)
