"""Numbers as people read them, and what all tables for people have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, product
from math import isfinite, prod
from typing import TYPE_CHECKING, Any

import numpy as np

from attn_cli.dataclass import dataclass
from attn_cli.errors import printable
from attn_cli.record import Comparison, Numbered, Record, Step

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from attn_cli.views.view import Style

HIDDEN = "."  # for a key that is hidden from a query
MARK = "*"  # after the largest weight of each query
GAP = "..."  # for rows or columns that are left out
COLUMN_GAP = 3  # between two columns of a table
LABEL_WIDTH = 32  # columns of a terminal; a longer word is shortened
SHORTEST = 12  # to which a narrow terminal shortens words


@dataclass(frozen=True)
class Sheet:
    """One matrix of a step, ready to be set: all text, rows and columns in their order.

    A step that repeats an earlier one has no rows and no columns, and `repeats` names that one.
    """

    step: Step  # the whole step
    heading: str  # the batch entry and head, on the first sheet of each
    title: str
    repeats: str
    corner: str
    columns: list[str]
    rows: list[str]
    cells: list[list[str]]
    values: NDArray[np.floating[Any]]
    hidden: NDArray[np.bool_]
    weighs: bool  # whether these are weights, to be shaded and marked
    largest: NDArray[np.bool_]
    row_gaps: list[int]  # in front of which something is left out
    column_gaps: list[int]
    notes: list[str]  # what the marks mean; that something is left out, on a step's last sheet


def sheets(record: Record, style: Style, *, width: int | None = None) -> Iterator[Sheet]:
    """Yield a sheet for each matrix of a record; a vector is one row.

    Steps that follow one another and have the same leading axes come entry by entry: all of one
    head, then all of the next. On a terminal of a narrow `width` words are shortened to a third of
    it.
    """
    first = style.first
    lead = _chosen(record, first) if first else ""
    room = room_of_words(width)
    for axes, group in groupby(record.steps.values(), key=lambda step: step.as_matrix().axes[:-2]):
        steps = list(group)
        of_step = [list(product(*map(step.indices, range(len(axes))))) for step in steps]
        for entry in sorted({at for entries in of_step for at in entries}):
            heading = ", ".join(f"{axis} {n + first}" for axis, n in zip(axes, entry, strict=True))
            for step, entries in zip(steps, of_step, strict=True):
                if entry not in entries:
                    continue
                heading, lead = ", ".join(filter(None, (lead, heading))), ""
                same = record.repeats.get(step.name, "")
                if same in record.steps:
                    yield _repetition(step, same, len(entry), heading)
                else:
                    note = shortened(step, style.in_full) if entry == entries[-1] else None
                    sheet = _sheet(step, entry, style.decimals, heading, first, room)
                    sheet.notes.extend([note] if note else [])
                    yield sheet
                heading = ""


def room_of_words(width: int | None) -> int:
    """Return the columns of the longest word: fewer on a narrow terminal."""
    return LABEL_WIDTH if width is None else min(LABEL_WIDTH, max(width // 3, SHORTEST))


def _chosen(record: Record, first: int) -> str:
    """Return the batch entry and head that were chosen, which options count from 0."""
    chosen = ((axis, record.settings.get(axis)) for axis in ("batch", "head"))
    return ", ".join(f"{axis} {n + first}" for axis, n in chosen if isinstance(n, int))


def _repetition(step: Step, same: str, beyond: int, heading: str) -> Sheet:
    """Return the sheet of a step that is equal to one that was shown before."""
    nothing = np.zeros((0, 0))
    return Sheet(
        step=step,
        heading=heading,
        title=title_of(step, beyond=beyond),
        repeats=same,
        corner="",
        columns=[],
        rows=[],
        cells=[],
        values=nothing,
        hidden=nothing.astype(np.bool_),
        weighs=False,
        largest=nothing.astype(np.bool_),
        row_gaps=[],
        column_gaps=[],
        notes=[f"the same as {same}"],
    )


def _sheet(
    step: Step, entry: tuple[int, ...], digits: int, heading: str, first: int, room: int
) -> Sheet:
    """Return one matrix of a step, that of a batch entry and head."""
    whole, step = step, step.as_matrix()
    at = tuple(step.indices(axis).index(index) for axis, index in enumerate(entry))
    values = step.values[at]
    # NaN in a hidden cell is what empty_rows asked for, and goes on into the output.
    hidden = None if step.hidden is None else np.where(np.isnan(values), 0, step.hidden[at])
    shown = [[""] * len(row) for row in values] if step.blank else cells(values, digits)
    if hidden is not None:
        shown = [
            [HIDDEN if code else text for text, code in zip(texts, codes, strict=True)]
            for texts, codes in zip(shown, hidden.tolist(), strict=True)
        ]
    return Sheet(
        step=whole,
        heading=heading,
        title=title_of(whole, beyond=len(entry)),
        repeats="",
        corner=step.axes[-2],
        columns=labels_along(step, -1, first, room),
        rows=labels_along(step, -2, first, room),
        cells=shown,
        values=values,
        hidden=np.zeros(values.shape, dtype=np.bool_) if hidden is None else hidden != 0,
        weighs=step.peaks is not None,
        largest=_largest(step, at, values),
        row_gaps=gaps(step.indices(-2)),
        column_gaps=gaps(step.indices(-1)),
        notes=_legend(step, values, hidden),
    )


def _legend(step: Step, values: NDArray[Any], hidden: NDArray[np.uint8] | None) -> list[str]:
    """Return the line that says what codes mean, or why cells are hidden; none if none are."""
    if not step.legend:
        return []
    codes = sorted(set((values if hidden is None else hidden).ravel().tolist()))
    if hidden is None:
        return [", ".join(f"{code} {step.legend[code]}" for code in codes)]
    reasons = [step.legend[code] for code in codes if code]
    return [f"{HIDDEN} hidden by: {', '.join(reasons)}"] if reasons else []


def title_of(step: Step, *, beyond: int = 0) -> str:
    """Return the name of a step, its formula, and its shape with the names of its axes.

    `beyond` is how many leading axes a heading above it speaks of.
    """
    named = step.formula
    if not step.expression.defines(step.name):
        named = f"{step.name}: {named}"
    return f"{named}   ({size_of(step, beyond=beyond)})"


def size_of(step: Step, *, beyond: int = 0) -> str:
    """Return the names of the axes of a step and their lengths: `query x key: 3 x 5`."""
    return f"{' x '.join(step.axes[beyond:])}: {' x '.join(map(str, step.shape[beyond:]))}"


def shortened(step: Step, in_full: str) -> str | None:
    """Return the line that says that not all of a step is shown, or None where all is."""
    if step.whole:
        return None
    count = prod(step.shape)
    return f"{step.name} has {count} values: the middle is left out, {in_full} shows all"


def cells(values: NDArray[np.floating[Any]], digits: int) -> list[list[str]]:
    """Return numbers as text: whole numbers as such, others with `digits` decimals.

    Where all decimals would be 0, or a number has more than eight digits before its point, the
    matrix is set in scientific notation.
    """
    numbers = values.tolist()
    sizes = [abs(x) for row in numbers for x in row if isfinite(x) and x != 0]
    scientific = bool(sizes) and (max(sizes) >= 1e8 or max(sizes) < 0.5 * 10.0**-digits)
    fractions = any(x != int(x) for row in numbers for x in row if isfinite(x))
    if scientific and not (not fractions and max(sizes) < 1e15):
        return [[f"{x:.{digits}e}" if x else "0" for x in row] for row in numbers]

    def text(x: float) -> str:
        if not isfinite(x):
            return f"{x}"
        return f"{int(x)}" if x == int(x) else f"{x:.{digits}f}"

    return [[text(x) for x in row] for row in numbers]


def pointed(
    rows: list[list[str]], marks: Sequence[Sequence[bool]] | None = None
) -> list[list[str]]:
    """Return numbers with blanks behind them, so that on the right their points are in one column.

    A dot for a hidden key is in that column too. With marks, the marked numbers have `MARK` right
    behind them, and every cell has room for one.

    >>> pointed([["1", "."], ["0.25", "0.75"]], [[True, False], [False, True]])
    [['1*   ', '.   '], ['0.25 ', '0.75*']]
    """
    behind = max((_behind(text) for row in rows for text in row if text != HIDDEN), default=0)
    room = behind + (marks is not None)

    def padded(text: str, marked: bool) -> str:
        blanks = room - min(_behind(text), behind)
        return text + (MARK + " " * (blanks - 1) if marked else " " * blanks)

    if marks is None:
        return [[padded(text, False) for text in row] for row in rows]
    return [
        [padded(text, marked) for text, marked in zip(row, of_row, strict=True)]
        for row, of_row in zip(rows, marks, strict=True)
    ]


def _behind(number: str) -> int:
    """Return how many characters a number has from its point on."""
    at = number.find(".")
    return len(number) - at if at >= 0 else 0


def verdict(comparison: Comparison, first: int = 0) -> str:
    """Return what a comparison says, with the labels of tables."""
    c = comparison
    within = f"within {c.tolerance:g}"
    if c.agrees:
        said = f"check {c.step}: yes, {c.values} of {c.values} values agree {within}"
        return f"{said}: this is {c.step} transposed, and right" if c.transposed else said
    place = ", ".join(
        printable(label) if letter is None else f"{letter}{int(label) + first}"
        for label, letter in zip(c.place, c.letters, strict=True)
    )
    what = f"{c.step}, given transposed" if c.transposed else c.step
    return (
        f"check {what}: no, {c.off} of {c.values} values differ by more than {c.tolerance:g}, "
        f"most at ({place}): {c.here:.10g} here, {c.expected:.10g} expected"
    )


def ordinal(number: int) -> str:
    """Return a number as the place in a row.

    >>> [ordinal(n) for n in (2, 3, 11, 21, 500)]
    ['2nd', '3rd', '11th', '21st', '500th']
    """
    teens = number % 100 in (11, 12, 13)
    return f"{number}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def gaps(indices: Sequence[int]) -> list[int]:
    """Return the places in front of which something is left out.

    >>> gaps([0, 1, 2, 97, 98, 99])
    [3]
    """
    return [at for at in range(1, len(indices)) if indices[at] != indices[at - 1] + 1]


def cell_width(text: str) -> int:
    """Return how many columns of a terminal a text takes: Chinese characters take two each."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def column_blocks(
    label_width: int, widths: list[int], width: int | None, gap: int = COLUMN_GAP
) -> Iterator[tuple[int, int]]:
    """Yield ranges of columns that fit the width beside the labels; at least one column each."""
    first, used = 0, label_width
    for at, column in enumerate(widths):
        if width is not None and at > first and used + column + gap > width:
            yield first, at
            first, used = at, label_width
        used += column + gap
    yield first, len(widths)


def with_gaps(items: list[Any], places: list[int], gap: Any) -> list[Any]:
    """Return the items with a gap put in at each place."""
    result = list(items)
    for place in reversed(places):
        result.insert(place, gap)
    return result


def labels_along(step: Step, axis: int, first: int, room: int) -> list[str]:
    """Return the labels along an axis: words, or numbers, those of features behind a letter."""
    labels, indices = step.labels[axis], step.indices(axis)
    if isinstance(labels, Numbered):
        letter = step.letter_of(axis)
        return [f"{letter}{labels.number(index) + first}" for index in indices]
    return [short_word(labels[index], room) for index in indices]


def short_word(word: str, room: int, cut: str = GAP) -> str:
    """Return a word as it can be printed; of more than `room` columns, shortened, and `cut`."""
    shown = printable(word)
    if cell_width(shown) <= room:
        return shown
    kept = ""
    for character in word[:room]:  # an escape is kept whole, or not at all
        longer = kept + printable(character)
        if cell_width(longer) > room - len(cut):
            break
        kept = longer
    return kept + cut


def _largest(
    step: Step, at: tuple[int, ...], values: NDArray[np.floating[Any]]
) -> NDArray[np.bool_]:
    """Return True at the largest weight of each query, ties included."""
    if step.peaks is None:
        return np.zeros(values.shape, dtype=np.bool_)
    peaks = step.peaks[at]
    peaks = peaks[None, :] if step.axes[-1] == "query" else peaks[:, None]
    largest: NDArray[np.bool_] = values == peaks  # -inf, and so no mark, if no key is seen
    return largest
