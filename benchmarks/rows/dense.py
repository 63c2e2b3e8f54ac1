"""Row 2: output only, inside the API, against torch's fused kernel; and how exact both are."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

from benchmarks.bench import Bench
from benchmarks.line import Line, accuracy, timed
from benchmarks.worker import Worker

NAMES = ("query", "key", "value")


class Case(NamedTuple):
    """What is computed; Q times `scale` makes scores whose exponentials may overflow."""

    what: str
    dtype: str
    causal: bool
    mark: float
    scale: float = 1.0


CASES = (
    Case("float32 dense", "float32", False, 1.0),
    Case("float32 dense, maximum needed", "float32", False, 1.25, 20.0),
    Case("float32 causal", "float32", True, 0.85),
    Case("float64 dense", "float64", False, 0.85),
    Case("float64 causal", "float64", True, 0.85),
)
EXACT = ("normal", "steep", "one huge key", "constant rows", "equal keys")
DRAWS = 5


def lines(bench: Bench) -> Iterator[Line]:
    """Measure every case at every size, then the errors."""
    with bench.workers() as (ours, peers):
        for case, n, d in product(CASES, (8192, 16384), (64, 128)):
            yield _line(bench, ours, peers, case, bench.size(n), d)
        yield _onnx(bench, ours, peers, bench.size(8192), 64)
        for name, causal in product(EXACT, (False, True)):
            yield _exact(bench, ours, peers, name, causal)


def _line(bench: Bench, ours: Worker, peers: Worker, case: Case, n: int, d: int) -> Line:
    files = [bench.file(f"{name}.npy") for name in NAMES]
    shapes = {file: [n, d] for file in files}
    ours.ask("normal", files=shapes, seed=n + d, dtype=case.dtype, scale=case.scale)
    prepare(bench, ours, files, case.dtype, causal=case.causal)
    peers.ask("prepare", arrays=files, causal=case.causal)
    times = bench.paired(ours, peers)
    what = f"{case.what}: n = {n}, d = {d}"
    return timed(2, what, times, case.mark, differs=differs(bench, ours, peers), dtype=case.dtype)


def _onnx(bench: Bench, ours: Worker, peers: Worker, n: int, d: int) -> Line:
    files = [bench.file(f"{name}.npy") for name in NAMES]
    ours.ask("normal", files={file: [n, d] for file in files}, seed=n + d, dtype="float32")
    prepare(bench, ours, files, "float32")
    peers.ask("prepare_onnx", arrays=files, threads=bench.threads)
    times = bench.paired(ours, peers)
    what = f"float32 dense against ONNX Runtime: n = {n}, d = {d}"
    return timed(2, what, times, differs=differs(bench, ours, peers))


def _exact(bench: Bench, ours: Worker, peers: Worker, name: str, causal: bool) -> Line:
    """Return the largest error of both over several draws."""
    n, d = bench.size(2048), 64
    files = [bench.file(f"{name}.npy") for name in NAMES]
    reference, result = bench.file("reference.npy"), bench.file("result.npy")
    worst = [0.0, 0.0]
    for seed in range(DRAWS):
        ours.ask("drawn", case=name, files=files, n=n, d=d, seed=seed)
        ours.ask("reference", files=files, file=reference, causal=causal)
        prepare(bench, ours, files, "float32", causal=causal)
        peers.ask("prepare", arrays=files, causal=causal)
        for side, worker in enumerate((ours, peers)):
            worker.ask("run")
            worker.ask("save", file=result)
            error = ours.ask("difference", one=result, other=reference)
            worst[side] = max(worst[side], error)
    what = f"largest error: {name}, {'causal' if causal else 'dense'}, n = {n}, d = {d}"
    return accuracy(2, what, worst, 1.0, DRAWS)


def prepare(bench: Bench, ours: Worker, files: list[str], dtype: str, **keys: object) -> None:
    """Have our worker load Q, K and V, for attention with more keys."""
    arrays = dict(zip(NAMES, files, strict=True))
    ours.ask("prepare", arrays=arrays, threads=bench.threads, dtype=dtype, keys=keys)


def differs(bench: Bench, ours: Worker, peers: Worker) -> float:
    """Return the largest difference of what the two workers computed last."""
    here, there = bench.file("ours.npy"), bench.file("peer.npy")
    ours.ask("save", file=here)
    peers.ask("save", file=there)
    return float(ours.ask("difference", one=here, other=there))
