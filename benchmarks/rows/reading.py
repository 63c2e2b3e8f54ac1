"""Row 8: a matrix in YAML -> an array, against libyaml's own loader, which makes nested lists."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.bench import Bench
from benchmarks.line import Line, timed

MARK = 0.35
# How the numbers are laid out, digits after the point (0: all there are), and the mark.
FORMS = (("rows", 0, MARK), ("rows", 4, MARK), ("block", 0, None))


def lines(bench: Bench) -> Iterator[Line]:
    """Measure each way to write the matrix; the two readers are in one kind of process each."""
    n = bench.size(512)
    file = bench.file("matrix.yaml")
    with bench.our_worker() as ours, bench.our_worker() as peer:
        for form, digits, mark in FORMS:
            ours.ask("write_yaml", file=file, n=n, form=form, digits=digits)
            ours.ask("prepare_reading", file=file)
            peer.ask("prepare_reading_by_yaml", file=file)
            times = bench.paired(ours, peer)
            here, there = bench.file("here.npy"), bench.file("there.npy")
            ours.ask("save", file=here)
            peer.ask("save", file=there)
            apart = ours.ask("difference", one=here, other=there)
            long = "all digits" if digits == 0 else f"{digits} decimals"
            what = f"YAML matrix: {n} x {n} in {form}, {long}"
            yield timed(8, what, times, mark, differs=apart, dtype="float64")
