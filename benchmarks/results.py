"""benchmarks/RESULTS.md: the table, the machine, how it was measured; the README's short form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from benchmarks.line import MORE, NOTHING, Line, parsed, table
from benchmarks.machine import LOAD

FILE = Path(__file__).parent / "RESULTS.md"

FIRST = """\
Written by `make bench`; do not edit. Rows that are measured alone replace theirs and keep the
others, each block with its date and machine: `make bench BENCH="--rows 9,13 --write"`.
"""
MACHINE = "| machine | |\n| --- | --- |\n"

HOW = """\
## How it was measured

- Ours and the peer run in turn, A B A B, after one run of each that does not count, never both at
  once. Times are medians; the ratio is the median of the ratios pair by pair, with the smallest and
  the largest in brackets; `runs` is how many pairs.
- The peer is torch in rows 2, 3, 4, 7 and 15. Row 1: an interpreter that imports numpy and yaml. 5:
  torch with the same mask, or ours with half the tokens. 6: a script with NumPy. 8: libyaml. 9, 11:
  `attn compute` of the same problem. 13: `attn_cli.attention` with all steps. 14: reading alone.
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
- CPU time inside the API is that of all threads of the process; a step of training is (200 steps -
  20 steps) / 180, in both from the same numbers, and the losses that are reached are compared.
- Peak memory and CPU time of `attn translate` are those of one word; reading is a script that reads
  the same pairs and vectors with the readers of the package. From a pipe come 5120 words, and times
  are taken when answers arrive, after the first 256, with which reading ends.
- Pages: a file of 1000 bytes is 1 kB; numbers are random, in causal order. In Chromium, without a
  window and a network, ready is the first frame after the page says so, from the navigation on. The
  work of a move of the pointer to another cell is the CPU time of script, style and layout in the
  page's thread until the next frame is drawn; painting in software is shown beside it.
- A line without a mark is there for information.
"""


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that were measured on one day, on one machine, with the same versions."""

    known: Mapping[str, str]  # the date, the machine and the versions
    lines: list[Line]

    @property
    def rows(self) -> str:
        """The numbers of its rows, ascending.

        >>> Block({}, [Line(row, "", "") for row in ("1", "2", "2", "3", "7", "10")]).rows
        'Rows 1–3, 7, 10'
        """
        numbers = sorted({int(line.row) for line in self.lines})
        spans: list[list[int]] = []
        for number in numbers:
            if spans and spans[-1][-1] == number - 1:
                spans[-1].append(number)
            else:
                spans.append([number])
        texts = [str(s[0]) if len(s) == 1 else f"{s[0]}–{s[-1]}" for s in spans]
        return f"Row{'' if len(numbers) == 1 else 's'} {', '.join(texts)}"

    def without(self, rows: Set[str]) -> Block:
        """Return the block without the lines of some rows."""
        return Block(self.known, [line for line in self.lines if line.row not in rows])

    def joined(self, other: Block) -> Block:
        """Return the lines of both, in the order of their rows; the loads are listed."""
        loads = ", ".join(each.known[LOAD] for each in (self, other) if LOAD in each.known)
        known = {**self.known, **({LOAD: loads} if loads else {})}
        return Block(known, sorted((*self.lines, *other.lines), key=lambda line: int(line.row)))

    def matches(self, other: Block) -> bool:
        """Return whether another was measured on the same day, machine and versions."""
        one, two = ({k: v for k, v in b.known.items() if k != LOAD} for b in (self, other))
        return one == two


def document(blocks: Sequence[Block]) -> str:
    """Return the text of RESULTS.md."""
    lines = [line for block in blocks for line in block.lines]
    missed = sum(line.missed for line in lines)
    marks = sum(line.reached != NOTHING for line in lines)
    return (
        f"# Results of `make bench`\n\n{FIRST}\n"
        f"{marks - missed} of {marks} marks reached.\n\n"
        f"{''.join(map(_section, blocks))}{HOW}"
    )


def _section(block: Block) -> str:
    rows = "\n".join(
        f"| {name} | {value.replace('|', '/')} |" for name, value in block.known.items()
    )
    date = block.known.get("date", "")
    return f"## {block.rows}: {date}\n\n{MACHINE}{rows}\n\n{table(block.lines)}\n"


def blocks_of(text: str) -> list[Block]:
    """Return the blocks of a RESULTS.md."""
    return [Block(_facts(part), parsed(part)) for part in text.split(MACHINE)[1:]]


def replaced(old: Sequence[Block], new: Block) -> list[Block]:
    """Return the blocks with new lines: a row that is measured anew is new, with its date."""
    rows = {line.row for line in new.lines}
    left = [kept for block in old if (kept := block.without(rows)).lines]
    for block in [block for block in left if block.matches(new)]:
        left.remove(block)
        new = block.joined(new)
    return sorted((*left, new), key=lambda block: min(int(line.row) for line in block.lines))


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
    """Return the short table of the RESULTS.md that is there, and on what machines that was."""
    blocks = blocks_of(file.read_text(encoding="utf-8"))
    lines = sorted((line for b in blocks for line in b.lines), key=lambda line: int(line.row))
    said = []
    for block in blocks:
        where = ", ".join(block.known[name] for name in ("date", "CPU", "ours", "peers"))
        said.append(f"{block.rows}: {where}")
    return summary(lines) + "\n" + "\n\n".join(said) + "\n"


def _facts(part: str) -> dict[str, str]:
    """Return the machine, the date and the versions with which a part of a RESULTS.md begins."""
    rows = part.partition("\n\n")[0].splitlines()
    cells = [row.strip("| ").split(" | ", 1) for row in rows]
    return {name.strip(): value.strip() for name, value in cells}


def _span(lines: list[Line]) -> str:
    """Return from the best to the worst: ratios, or what was measured if the mark is no ratio."""
    mark = lines[0].mark
    if mark.endswith(MORE):
        return ", ".join(line.ratio.partition(" (")[0] for line in lines)
    if not mark.endswith(" x"):
        measured = sorted((line.ours for line in lines), key=_amount)
        return "–".join(dict.fromkeys((measured[0], measured[-1])))
    ratios = sorted((line.ratio.split()[0] for line in lines), key=float)
    return ratios[0] + " x" if len(lines) == 1 else f"{ratios[0]}–{ratios[-1]} x"


def _amount(text: str) -> float:
    """Return a number with its unit as one number, to sort by.

    >>> sorted(["1.2 s", "718 ms", "3.1 s"], key=_amount)
    ['718 ms', '1.2 s', '3.1 s']
    """
    number, unit = text.split()
    return float(number) * (0.001 if unit == "ms" else 1.0)
