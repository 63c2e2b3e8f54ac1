"""Row 13: `attn identify`: every single hypothesis against one attention; pairs; long sequences."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.bench import Bench
from benchmarks.line import Line, timed, within
from benchmarks.process import run
from benchmarks.rounds import in_turn, paired
from benchmarks.rows.script import NAMES

HEADS, N, D = 12, 64, 64
MARK = 20.0
PAIRS, LONG = 60.0, 10.0  # seconds
UNDECIDED = 3  # the status if nothing explains the output
SIZE = f"{HEADS} x {N} x {D}"


class Case(NamedTuple):
    """The output of a kernel, in causal order or not, and what is believed of it."""

    what: str
    causal: bool
    believed: bool
    dtype: str


CASES = (
    Case("dense", False, False, "bfloat16"),
    Case("dense", False, False, "float32"),
    Case("causal", True, True, "bfloat16"),
    Case("causal", True, True, "float32"),
    Case("causal, dense believed", True, False, "bfloat16"),
)


def lines(bench: Bench) -> Iterator[Line]:
    """Measure the search inside the API, then whole commands."""
    for case in CASES:
        yield _against_attention(bench, case)
    moved = _written(bench, N, "bfloat16", causal=False, shift=3)
    pairs = run(_command(bench, moved, "--depth", "2"), status=UNDECIDED)
    yield within(13, f"identify --depth 2, nothing explains it: {SIZE}", pairs.wall, PAIRS)
    n = bench.size(4096)
    long = run(_command(bench, _written(bench, n, "bfloat16", causal=False)))
    yield within(13, f"identify of a long input: {HEADS} x {n} x {D}", long.wall, LONG)


def _against_attention(bench: Bench, case: Case) -> Line:
    """Return the line of the search and of one attention, whose output is observed."""
    files, output = _written(bench, N, case.dtype, causal=case.causal)
    with bench.our_worker() as ours, bench.our_worker() as peer:
        ours.ask("prepare_search", files=files, output=output, causal=case.believed)
        peer.ask("prepare_all_steps", files=files, causal=case.believed)
        times = paired(in_turn([ours.cpu, peer.cpu], bench.effort))
    what = f"identify against attention, one thread, CPU: {case.what}, {case.dtype}, {SIZE}"
    return timed(13, what, times, MARK)


def _written(
    bench: Bench, n: int, dtype: str, *, causal: bool, shift: int = 0
) -> tuple[dict[str, str], str]:
    """Write Q, K and V and the output of a kernel; return their files."""
    files = {name: bench.file(f"identify-{name}.npy") for name in NAMES}
    output = bench.file("identify-output.npy")
    with bench.our_worker() as worker:
        shapes = {file: [1, HEADS, n, D] for file in files.values()}
        worker.ask("normal", files=shapes, seed=n, dtype="float32")
        worker.ask(
            "write_output", files=files, output=output, dtype=dtype, causal=causal, shift=shift
        )
    return files, output


def _command(bench: Bench, written: tuple[dict[str, str], str], *more: str) -> list[str]:
    """Return the command line for a problem that is believed, and an output."""
    files, output = written
    problem = Path(bench.file("identify.json"))
    problem.write_text(json.dumps(files), encoding="utf-8")
    return bench.attn("identify", str(problem), "--observed", f"output={output}", *more)
