"""Row 5: sparse patterns inside the API: time grows with n, and torch with the same mask."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.bench import Bench
from benchmarks.line import Line, timed
from benchmarks.rows.dense import NAMES, differs, prepare
from benchmarks.worker import Worker

D = 64
SIZES = (16384, 32768, 65536)
DOUBLED, MASKED = 2.2, 0.06

Keys = dict[str, Any]


def lines(bench: Bench) -> Iterator[Line]:
    """Measure the three patterns doubled and against the mask, then two more against dense."""
    patterns = _patterns(bench.size(256), bench.size(128), bench.size(64))
    with bench.workers() as (ours, peers):
        files = {n: _inputs(bench, ours, n) for n in map(bench.size, SIZES)}
        first = min(files)
        for name in ("window", "block", "window of the conventions"):
            keys, selection = patterns[name]
            yield from _doubled(bench, name, keys, files)
            prepare(bench, ours, files[first], "float32", **keys)
            peers.ask("prepare", arrays=files[first], selection=selection)
            times = bench.paired(ours, peers)
            what = f"against torch with the mask: {name}, n = {first}"
            yield timed(5, what, times, MASKED, differs=differs(bench, ours, peers))
        for name in ("stride", "global_tokens and window"):
            yield _beside_dense(bench, (ours, peers), name, patterns[name], files[first])


def _patterns(window: int, stride: int, tokens: int) -> dict[str, tuple[Keys, dict[str, int]]]:
    """Return each pattern as our keys, and as the selection that torch's mask is made from."""
    selections = {
        "window": {"window": window},
        "block": {"block": window},
        "stride": {"stride": stride},
        "global_tokens and window": {"global_tokens": tokens, "window": window},
    }
    patterns: dict[str, tuple[Keys, dict[str, int]]] = {
        name: ({"score": {"function": "sparse", "inside": "scaled", **selection}}, selection)
        for name, selection in selections.items()
    }
    both = {"left": window, "right": window}
    patterns["window of the conventions"] = {"window": both}, selections["window"]
    return patterns


def _inputs(bench: Bench, ours: Worker, n: int) -> list[str]:
    files = [bench.file(f"{name}-{n}.npy") for name in NAMES]
    ours.ask("normal", files={file: [n, D] for file in files}, seed=n, dtype="float32")
    return files


def _doubled(bench: Bench, name: str, keys: Keys, files: dict[int, list[str]]) -> Iterator[Line]:
    """Compare each size with half of it: the worker of the other side is ours, too."""
    with bench.our_worker() as small, bench.our_worker() as large:
        for n, twice in zip(files, list(files)[1:], strict=False):
            prepare(bench, small, files[n], "float32", **keys)
            prepare(bench, large, files[twice], "float32", **keys)
            times = bench.paired(large, small)
            yield timed(5, f"n doubled: {name}, n = {twice} over {n}", times, DOUBLED)


def _beside_dense(
    bench: Bench,
    workers: tuple[Worker, Worker],
    name: str,
    pattern: tuple[Keys, dict[str, int]],
    files: list[str],
) -> Line:
    """Compare a pattern with ours without one; its result with torch's under the mask."""
    ours, peers = workers
    keys, selection = pattern
    with bench.our_worker() as dense:
        prepare(bench, ours, files, "float32", **keys)
        prepare(bench, dense, files, "float32")
        times = bench.paired(ours, dense)
    peers.ask("prepare", arrays=files, selection=selection)
    peers.ask("run")
    ours.ask("run")
    apart = differs(bench, ours, peers)
    return timed(5, f"against ours, dense: {name}", times, differs=apart)
