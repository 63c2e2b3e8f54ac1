"""Row 7: the additive score against its broadcast form in torch, which holds n x n x h numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.line import Line, peak, timed
from benchmarks.process import run
from benchmarks.rows.dense import NAMES, differs, prepare

H = D = 64
FASTER, LEANER = 0.3, 300


def lines(bench: Bench) -> Iterator[Line]:
    """Measure time inside the API, and memory of the whole process."""
    n = bench.size(2048)
    files = [bench.file(f"{name}.npy") for name in NAMES]
    shapes = {bench.file("W1.npy"): [H, D], bench.file("W2.npy"): [H, D], bench.file("v.npy"): [H]}
    learnt = dict(zip(("W1", "W2", "v"), shapes, strict=True))
    with bench.workers() as (ours, peers):
        ours.ask("normal", files={file: [n, D] for file in files}, seed=n, dtype="float32")
        ours.ask("normal", files=shapes, seed=H, dtype="float32")
        prepare(bench, ours, files, "float32", score={"function": "additive", **learnt})
        peers.ask("prepare_additive", arrays=files, **learnt)
        times = bench.paired(ours, peers)
        apart = differs(bench, ours, peers)
        there = peers.ask("peak")
    what = f"n = {n}, h = {H}, d = {D}, float32"
    yield timed(7, f"additive: {what}", times, FASTER, differs=apart)
    problem = Path(bench.file("additive.json"))
    keys = dict(zip(NAMES, files, strict=True)) | {"score": {"function": "additive", **learnt}}
    problem.write_text(json.dumps(keys), encoding="utf-8")
    output = bench.file("ours.npy")
    command = bench.compute(*(str(problem), "--dtype", "float32", "--only", "output", "-o", output))
    yield peak(7, f"additive, peak memory: {what}", run(command).peak, LEANER, there)
