"""Row 6: the weights of one query out of many, whole processes, against a script with NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks.bench import Bench
from benchmarks.line import Line, timed
from benchmarks.process import run
from benchmarks.rounds import in_turn, paired

NAMES = ("query", "key", "value")
D = 64
MARK = 1.5


def lines(bench: Bench) -> Iterator[Line]:
    """Measure wall and CPU time; memory for information."""
    n, row = bench.size(131072), bench.size(70000)
    files = [bench.file(f"{name}-{n}.npy") for name in NAMES]
    query, key, value = files
    here, there = bench.file("ours-w.npy"), bench.file("peer-w.npy")
    ours = bench.compute(
        *("--query", query, "--key", key, "--value", value, "--dtype", "float32"),
        *("--query-token", str(row), "--only", "weights", "-o", here),
    )
    peer = bench.script(bench.ours, "numpy_row.py", query, key, str(row), there)
    with bench.our_worker() as worker:
        worker.ask("normal", files={file: [n, D] for file in files}, seed=n, dtype="float32")
        rounds = in_turn([partial(run, ours), partial(run, peer)], bench.effort)
        differs = worker.ask("difference", one=here, other=there)
    what = f"one query's weights: n = {n}, d = {D}"
    walls = paired([(a.wall, b.wall) for a, b in rounds])
    yield timed(6, f"{what}, wall", walls, MARK, differs=differs)
    yield timed(6, f"{what}, CPU", paired([(a.cpu, b.cpu) for a, b in rounds]))
