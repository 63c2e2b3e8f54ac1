"""Row 1: whole commands on a small problem, against an interpreter that imports numpy and yaml."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from benchmarks.bench import Bench
from benchmarks.line import Line, timed
from benchmarks.process import run
from benchmarks.rounds import in_turn, paired

SAMPLE = "samples/love_coding.yaml"
COMMANDS: dict[str, tuple[tuple[str, ...], float]] = {
    "tables": (("compute", SAMPLE), 1.7),
    "json": (("compute", SAMPLE, "--format", "json"), 1.45),
    "--version": (("--version",), 0.8),
    "--help": (("--help",), 0.8),
}
FLOOR = "import numpy, yaml, typer, rich.table"


def lines(bench: Bench) -> Iterator[Line]:
    """Measure each command, and the imports below which none of them can be."""
    short = replace(bench, effort=replace(bench.effort, most=3 * bench.effort.most))
    for name, (arguments, mark) in COMMANDS.items():
        yield from _lines(short, f"attn {name}", bench.attn(*arguments), mark)
    yield from _lines(short, f"{FLOOR}, nothing else", [bench.ours, "-c", FLOOR], None)


def _lines(bench: Bench, what: str, command: list[str], mark: float | None) -> Iterator[Line]:
    start = [bench.ours, "-c", "import numpy, yaml"]
    rounds = in_turn([partial(run, command), partial(run, start)], bench.effort)
    yield timed(1, f"{what}: wall", paired([(a.wall, b.wall) for a, b in rounds]), mark)
    yield timed(1, f"{what}: CPU", paired([(a.cpu, b.cpu) for a, b in rounds]), mark)
