"""Row 3: q, k, v .npy -> output .npy, whole processes, against the same job as a torch script."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from benchmarks.bench import Bench
from benchmarks.line import Line, timed
from benchmarks.process import run
from benchmarks.rounds import in_turn, paired, without_start

NAMES = ("query", "key", "value")
D = 64
EMPTY = 8  # tokens of the job that is nothing but start-up
MARKS = {4096: 0.2, 16384: 0.5}
ALONE = 1.1


def lines(bench: Bench) -> Iterator[Line]:
    """Measure the job whole, and with the start-up of both taken off."""
    empty = jobs(bench, EMPTY)
    effort = replace(bench.effort, seconds=10 * bench.effort.seconds)
    for size, mark in MARKS.items():
        n = bench.size(size)
        both = jobs(bench, n)
        rounds = in_turn([partial(run, job) for job in (*both, *empty)], effort)
        walls = [tuple(ran.wall for ran in ran_in_turn) for ran_in_turn in rounds]
        differs = difference(bench, n)
        whole = paired([(ours, peer) for ours, peer, *_ in walls])
        yield timed(3, f".npy to .npy, n = {n}: d = {D}", whole, mark, differs=differs)
        alone = without_start(walls)
        what = f".npy to .npy, start-up taken off: n = {n}, d = {D}"
        yield timed(3, what, alone, ALONE, differs=differs)
        start = paired([(ours, peer) for _, _, ours, peer in walls])
    yield timed(3, f"start-up, on {EMPTY} tokens: wall", start)


def jobs(bench: Bench, n: int) -> tuple[list[str], list[str]]:
    """Write Q, K and V of n tokens, and return our command line and the peer's."""
    files = [bench.file(f"{name}-{n}.npy") for name in NAMES]
    with bench.our_worker() as worker:
        worker.ask("normal", files={file: [n, D] for file in files}, seed=n, dtype="float32")
    query, key, value = files
    ours = bench.compute(
        *("--query", query, "--key", key, "--value", value, "--dtype", "float32"),
        *("--only", "output", "-o", bench.file(f"ours-{n}.npy")),
    )
    out, threads = bench.file(f"peer-{n}.npy"), str(bench.threads)
    return ours, bench.script(bench.peers, "torch_attention.py", *files, out, threads)


def difference(bench: Bench, n: int) -> float:
    """Return the largest difference of what the two jobs wrote."""
    here, there = bench.file(f"ours-{n}.npy"), bench.file(f"peer-{n}.npy")
    with bench.our_worker() as worker:
        return float(worker.ask("difference", one=here, other=there))
