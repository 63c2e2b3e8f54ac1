"""`python -m benchmarks --ours .venv/bin/python --peers .venv-peers/bin/python`."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from benchmarks import results
from benchmarks.bench import Bench
from benchmarks.line import Line, failed, table
from benchmarks.machine import facts
from benchmarks.process import FailedError
from benchmarks.rounds import Effort
from benchmarks.rows import ROWS

TRYING = Effort(least=3, most=3, seconds=0)


def main() -> int:
    """Measure the rows asked for, print the table, and return 1 where a mark was missed."""
    asked = _arguments()
    root = Path(__file__).parent.parent
    os.chdir(root)  # the samples, and this package, are found from here
    effort = TRYING if asked.quick else Effort()
    if asked.runs:
        effort = Effort(asked.runs, asked.runs, 0)
    threads = asked.threads or len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="attn-bench-") as folder:
        bench = Bench(asked.ours, asked.peers, Path(folder), threads, effort, asked.quick)
        known = facts(bench)
        lines = [line for row in asked.rows for line in _measured(bench, row)]
    print(table(lines), end="")
    if asked.write or not (asked.quick or set(asked.rows) < set(ROWS)):
        there = results.FILE.read_text(encoding="utf-8") if results.FILE.exists() else ""
        blocks = results.replaced(results.blocks_of(there), results.Block(known, lines))
        results.FILE.write_text(results.document(blocks), encoding="utf-8")
    missed = [line for line in lines if line.missed]
    for line in missed:
        print(f"missed: {line.row} {line.what}", file=sys.stderr)
    return 1 if missed and not asked.quick else 0


def _measured(bench: Bench, row: int) -> list[Line]:
    """Return the lines of a row, said on standard error as they come."""
    lines = []
    try:
        for line in ROWS[row](bench):
            print(f"{line.row} {line.what}: {line.ratio} {line.reached}", file=sys.stderr)
            lines.append(line)
    except (FailedError, OSError) as error:
        lines.append(failed(row, error))
        print(f"{row} failed: {error}", file=sys.stderr)
    return lines


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    for side, has in (("--ours", "this package"), ("--peers", "torch and onnxruntime")):
        parser.add_argument(
            side, type=_interpreter, required=True, metavar="PYTHON", help=f"that has {has}"
        )
    parser.add_argument("--rows", type=_rows, default=list(ROWS), help="such as 1,3 (all)")
    parser.add_argument("--threads", type=int, help="of both sides (the cores there are)")
    parser.add_argument("--runs", type=int, help="exactly so many, instead of as time allows")
    parser.add_argument("--quick", action="store_true", help="tiny: tries the harness, no more")
    parser.add_argument(
        "--write",
        action="store_true",
        help="RESULTS.md in any case: rows that were not measured stay",
    )
    return parser.parse_args()


def _interpreter(path: str) -> str:
    """Return an absolute path; a link to an interpreter stays one, for it is what a venv is."""
    if not os.access(path, os.X_OK):
        raise argparse.ArgumentTypeError(f"{path} is no program")
    return os.path.abspath(path)


def _rows(text: str) -> list[int]:
    rows = [int(part) for part in text.split(",")]
    if not set(rows) <= set(ROWS):
        raise argparse.ArgumentTypeError(f"rows are {', '.join(map(str, ROWS))}")
    return rows


if __name__ == "__main__":
    sys.exit(main())
