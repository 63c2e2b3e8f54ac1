"""Row 11: `attn check` of exercises by hand, against `attn compute` of the same file."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from benchmarks.bench import Bench
from benchmarks.line import Line, timed
from benchmarks.process import run
from benchmarks.rounds import in_turn, paired

MARK = 1.5


class Case(NamedTuple):
    """A sheet of a sample, or none, and the status that the command ends with."""

    what: str
    sample: str
    sheet: tuple[str, ...]
    status: int


CASES = (
    Case("right", "love_coding", ("weights={love: [0.42, 0.16, 0.42]}",), 0),
    Case("wrong, no scale", "love_coding", ("scores={love: [2, 0, 2]}",), 1),
    Case("wrong, unexplained", "love_coding", ("weights={love: [0.2, 0.1, 0.7]}",), 1),
    Case(
        "wrong, with heads", "two_heads", ("output=[[1,2,3,4],[1,2,3,4],[1,2,3,4],[1,2,3,4]]",), 1
    ),
    Case("without a sheet", "love_coding", (), 0),
    Case("without a sheet, with heads", "two_heads", (), 0),
)


def lines(bench: Bench) -> Iterator[Line]:
    """Measure the CPU time of each case."""
    for case in CASES:
        sample = f"samples/{case.sample}.yaml"
        check = partial(run, bench.attn("check", sample, *case.sheet), status=case.status)
        compute = partial(run, bench.attn("compute", sample))
        rounds = in_turn([check, compute], bench.effort)
        times = paired([(a.cpu, b.cpu) for a, b in rounds])
        yield timed(11, f"check against compute, CPU: {case.what}", times, MARK)
