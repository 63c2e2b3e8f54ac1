"""One line of the table: what was measured, both sides, the mark, and whether the results agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from statistics import median

from benchmarks.rounds import Paired, over

# What two results may differ by before their times mean nothing. Scores of a hundred in float32
# move the weights by this much.
AGREE = {"float32": 1e-3, "float64": 1e-9}
NOTHING = "–"
MORE = "s more"  # the unit of a mark on a difference


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table, as it is printed. `what` is 'topic: case'; no mark is information."""

    row: str
    what: str
    ours: str
    peer: str = NOTHING
    ratio: str = NOTHING
    mark: str = NOTHING
    reached: str = NOTHING
    runs: str = NOTHING
    results: str = NOTHING

    @property
    def topic(self) -> str:
        """What lines with the same mark have in common."""
        return self.what.partition(":")[0]

    @property
    def missed(self) -> bool:
        """Whether the mark, or the peer's result, was missed."""
        return self.reached == "no"


HEADER = ("#", "what", "ours", "peer", "ratio", "mark", "reached", "runs", "results differ by")


def timed(
    row: int,
    what: str,
    times: Paired,
    mark: float | None = None,
    *,
    differs: float | None = None,
    dtype: str = "float32",
) -> Line:
    """Return the line of two times, whose ratio must be `mark` at most.

    `differs` is the largest difference of the two results.
    """
    agree = differs is None or differs <= AGREE[dtype]
    return Line(
        str(row),
        what,
        seconds(times.ours),
        seconds(times.peer),
        f"{times.ratio:.3f} ({times.low:.3f}–{times.high:.3f})",
        *_mark(mark, "x", agree and (mark is None or times.ratio <= mark), agree),
        str(times.runs),
        NOTHING if differs is None else f"{differs:.1e}",
    )


def peak(row: int, what: str, ours: float, mark: float, peer: float | None = None) -> Line:
    """Return the line of peak memory in bytes, which must be `mark` MB at most."""
    ratio = NOTHING if peer is None else f"{over(ours, peer):.3f}"
    there = NOTHING if peer is None else megabytes(peer)
    reached = ours <= mark * 1e6
    return Line(str(row), what, megabytes(ours), there, ratio, *_mark(mark, "MB", reached), "1")


def within(row: int, what: str, ours: float, mark: float | None, runs: int = 1) -> Line:
    """Return the line of a time without a peer, which must be `mark` seconds at most."""
    in_seconds = mark is None or mark >= 1
    limit = mark if mark is None or in_seconds else 1000 * mark
    cells = _mark(limit, "s" if in_seconds else "ms", mark is None or ours <= mark)
    return Line(str(row), what, seconds(ours), NOTHING, NOTHING, *cells, str(runs))


def added(row: int, what: str, times: Sequence[tuple[float, float]], mark: float) -> Line:
    """Return the line of pairs of times, ours `mark` seconds more than the peer's at most."""
    more = [ours - peer for ours, peer in times]
    usual = median(more)
    ours, peer = (seconds(median(side)) for side in zip(*times, strict=True))
    ratio = f"{usual:+.2f} s ({min(more):+.2f}–{max(more):+.2f})"
    return Line(
        str(row), what, ours, peer, ratio, *_mark(mark, MORE, usual <= mark), str(len(more))
    )


def stored(row: int, what: str, size: int, mark: float) -> Line:
    """Return the line of a file's size in bytes, which must be `mark` kB (of 1000) at most."""
    cells = _mark(mark, "kB", size <= 1000 * mark)
    return Line(str(row), what, f"{size / 1000:.1f} kB", NOTHING, NOTHING, *cells, "1")


def rate(row: int, what: str, per_second: float, mark: float) -> Line:
    """Return the line of a speed, which must be `mark` per second at least."""
    reached = "yes" if per_second >= mark else "no"
    cells = (f"≥ {mark:g} /s", reached)
    return Line(str(row), what, f"{per_second:.0f} /s", NOTHING, NOTHING, *cells, "1")


def skipped(row: int, what: str, why: str) -> Line:
    """Return the line of what could not be measured here, and is no failure."""
    return Line(str(row), f"{what}: not measured, {why}", NOTHING)


def accuracy(row: int, what: str, errors: Sequence[float], mark: float, draws: int) -> Line:
    """Return the line of our largest error against float64 and the peer's, and `mark` times it.

    The third digit is the luck of the draw: where both round the same scores, nothing else counts.
    """
    ours, peer = errors
    ratio = round(over(ours, peer), 2)
    cells = _mark(mark, "x", ratio <= mark)
    return Line(str(row), what, f"{ours:.2e}", f"{peer:.2e}", f"{ratio:.2f}", *cells, str(draws))


def failed(row: int, error: Exception) -> Line:
    """Return the line of a row that could not be measured."""
    text = f"{type(error).__name__}: {error}"
    return Line(str(row), " ".join(text.replace("|", "/").split())[:300], NOTHING, reached="no")


def seconds(time: float) -> str:
    """Write a time with three digits.

    >>> seconds(0.012345), seconds(1.2345), seconds(123.45)
    ('12.3 ms', '1.23 s', '123 s')
    """
    if time < 0.9995:
        return f"{1000 * time:#.3g}".rstrip(".") + " ms"
    return f"{time:#.3g}".rstrip(".") + " s"


def megabytes(size: float) -> str:
    """Write bytes in units of a million.

    >>> megabytes(123_456_789)
    '123 MB'
    """
    return f"{size / 1e6:.0f} MB"


def table(lines: list[Line]) -> str:
    """Return the lines as one table in Markdown, its columns aligned."""
    cells = [HEADER, *(astuple(line) for line in lines)]
    widths = [max(len(row[n]) for row in cells) for n in range(len(HEADER))]
    rows = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |"
            for row in cells]  # fmt: skip
    rows.insert(1, "| " + " | ".join("-" * w for w in widths) + " |")
    return "\n".join(rows) + "\n"


def parsed(text: str) -> list[Line]:
    """Return the lines of the one table in a text, as `table` wrote them."""
    rows = [
        [cell.strip() for cell in row.strip().strip("|").split(" | ")]
        for row in text.splitlines()
        if row.startswith("| ")
    ]
    start = next((n for n, cells in enumerate(rows) if tuple(cells) == HEADER), len(rows))
    return [Line(*cells) for cells in rows[start + 2 :] if len(cells) == len(fields(Line))]


def _mark(mark: float | None, unit: str, reached: bool, agree: bool = True) -> tuple[str, str]:
    """Return the cells of the mark and of whether it was reached."""
    if mark is None:
        return NOTHING, NOTHING if agree else "no"
    return f"≤ {mark:g} {unit}", "yes" if reached else "no"
