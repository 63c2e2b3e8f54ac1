"""Row 16: the page of a record: its size, writing it, opening it, and following the pointer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.bench import Bench
from benchmarks.line import Line, skipped, stored, within
from benchmarks.process import run
from benchmarks.rows.script import NAMES
from benchmarks.worker import Worker

WRITTEN, READY, WORK = 10.0, 1.0, 0.008  # seconds
MOVES = 60
WORDS = ("the", "cat", "sat", "on", "a", "mat", "because", "it", "was", "warm", "and", "then")


class Case(NamedTuple):
    """A page: of a sample, or of random numbers in causal order; at most so many kB."""

    tokens: int
    heads: int
    most: int
    sample: str = ""
    d: int = 16

    @property
    def name(self) -> str:
        """Its size, as the table says it."""
        return f"{self.tokens} x {self.heads}" + ("" if self.sample else f", d = {self.d}")


CASES = (
    Case(2, 1, 50, "not_like"),
    Case(4, 2, 60, "two_heads"),
    Case(14, 1, 110, "dog_sentence"),
    Case(8, 12, 200, d=4),
    Case(8, 12, 200),
    Case(40, 12, 1000),
    Case(64, 1, 200),
    Case(64, 12, 1000),
    Case(512, 1, 4000, d=64),
    Case(512, 12, 5000),
    Case(2048, 12, 5000, d=64),
)


def lines(bench: Bench) -> Iterator[Line]:
    """Measure every size, the writing of the largest page, and then the pages in a browser."""
    pages: dict[str, str] = {}
    walls = []
    cases = CASES[:5] if bench.quick else CASES
    for case in cases:
        page = pages[case.name] = bench.file(f"page-{case.tokens}x{case.heads}x{case.d}.html")
        given = _of_sample(case) if case.sample else _drawn(bench, case)
        walls.append(run(bench.attn("compute", *given, "-o", page)).wall)
        size = os.path.getsize(page)
        yield stored(16, f"size of the page, tokens x heads: {case.name}", size, case.most)
    what = f"page written, whole command: {cases[-1].name}"
    yield within(16, what, walls[-1], WRITTEN)
    with Worker(bench.ours, "browser", {}) as browser:
        missing = browser.ask("missing")
        if missing:
            yield skipped(16, "pages in a browser", missing)
            return
        for name, page in pages.items():
            yield from _followed(bench, browser, name, page)


def _followed(bench: Bench, browser: Worker, name: str, page: str) -> Iterator[Line]:
    """Measure how long a page takes to open, and the work of the pointer's moves."""
    times = [browser.ask("open_page", file=page) for _ in range(bench.effort.least)]
    yield within(16, f"open to ready: {name}", median(times), READY, len(times))
    moves = browser.ask("hovers", file=page, count=MOVES)
    work, whole = (median(move[part] for move in moves) for part in ("work", "all"))
    yield within(16, f"work per move of the pointer: {name}", work, WORK, MOVES)
    yield within(16, f"with painting and the measurement: {name}", whole, None, MOVES)


def _of_sample(case: Case) -> list[str]:
    return [f"samples/{case.sample}.yaml"]


def _drawn(bench: Bench, case: Case) -> list[str]:
    """Return the options of a problem of random numbers, whose arrays are written."""
    n = case.tokens
    files = {name: bench.file(f"page-{name}.npy") for name in NAMES}
    with bench.our_worker() as worker:
        shapes = {file: [1, case.heads, n, case.d] for file in files.values()}
        worker.ask("normal", files=shapes, seed=n, dtype="float64")
    words = Path(bench.file("page-words.txt"))
    words.write_text("".join(f"{WORDS[at % len(WORDS)]}\n" for at in range(n)), encoding="utf-8")
    given = [text for name, file in files.items() for text in (f"--{name}", file)]
    return [*given, "--causal", "true", "--tokens-file", str(words)]
