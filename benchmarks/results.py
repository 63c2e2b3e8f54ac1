"""benchmarks/RESULTS.md: the table, the machine, how it was measured; the README's short form."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.line import NOTHING, Line, parsed, table

FILE = Path(__file__).parent / "RESULTS.md"

MACHINE = "| machine | |\n| --- | --- |\n"

HOW = """\
## How it was measured

- Ours and the peer run in turn, A B A B, after one run of each that does not count, never both at
  once. Times are medians; the ratio is the median of the ratios pair by pair, with the smallest and
  the largest in brackets; `runs` is how many pairs.
- Whole processes are started directly, without a shell, with output into the void, and waited for
  with `wait4`: wall time, CPU time (user and system, all threads), and peak memory as the system
  counts it (1 MB = 10^6 bytes). `PYTHONDONTWRITEBYTECODE`, `PYTHONUNBUFFERED` and the variables
  that set numbers of threads are taken out of the environment.
- Inside the API, one process for each side stays alive; both load the same .npy files, and each
  times its own call. Ours has BLAS held to one thread and is called with `threads=`, torch has
  `set_num_threads` of the same.
- Start-up taken off: from each time that of the same command on 8 tokens, run in the same round;
  the ratio is that of the medians of what is left.
- The last column is the largest difference between the two results. In the lines on accuracy, ours
  and peer are the largest errors against the same computation in float64, over several draws.
- A line without a mark is there for information.
"""


def document(lines: list[Line], known: Mapping[str, str]) -> str:
    """Return the text of RESULTS.md; `known` are the date, the machine and the versions."""
    rows = "\n".join(f"| {name} | {value.replace('|', '/')} |" for name, value in known.items())
    missed = sum(line.missed for line in lines)
    marks = sum(line.reached != NOTHING for line in lines)
    return (
        "# Results of `make bench`\n\n"
        "Written by `make bench`; do not edit.\n\n"
        f"{marks - missed} of {marks} marks reached.\n\n"
        f"{MACHINE}{rows}\n\n"
        f"{table(lines)}\n{HOW}"
    )


def replaced(old: list[Line], new: list[Line]) -> list[Line]:
    """Return the lines of both, in the order of their rows; a row that is measured anew is new."""
    rows = {line.row for line in new}
    return sorted([line for line in old if line.row not in rows] + new, key=lambda line: line.row)


def summary(lines: list[Line]) -> str:
    """Return the short table: of each topic that has a mark, the smallest and the largest ratio."""
    topics: dict[tuple[str, str, str], list[Line]] = {}
    for line in lines:
        if line.mark != NOTHING:
            topics.setdefault((line.row, line.topic, line.mark), []).append(line)
    rows = ["| # | what | measured | mark | reached |", "| --- | --- | --- | --- | --- |"]
    for (row, topic, mark), of_topic in topics.items():
        reached = "no" if any(line.missed for line in of_topic) else "yes"
        rows.append(f"| {row} | {topic} | {_span(of_topic)} | {mark} | {reached} |")
    return "\n".join(rows) + "\n"


def table_for_readme(file: Path = FILE) -> str:
    """Return the short table of the RESULTS.md that is there, and on what machine that was."""
    text = file.read_text(encoding="utf-8")
    known = facts(text)
    where = ", ".join(known[name] for name in ("date", "CPU", "ours", "peers"))
    return f"{summary(parsed(text))}\n{where}\n"


def facts(text: str) -> dict[str, str]:
    """Return the machine, the date and the versions of a RESULTS.md."""
    _, _, rest = text.partition(MACHINE)
    rows = rest.partition("\n\n")[0].splitlines()
    cells = [row.strip("| ").split(" | ", 1) for row in rows]
    return {name.strip(): value.strip() for name, value in cells}


def _span(lines: list[Line]) -> str:
    """Return from the best to the worst: ratios, or what was measured if the mark is no ratio."""
    if lines[0].mark.endswith((" MB", " s")):
        return ", ".join(line.ours for line in lines)
    ratios = sorted((line.ratio.split()[0] for line in lines), key=float)
    return ratios[0] + " x" if len(lines) == 1 else f"{ratios[0]}–{ratios[-1]} x"
