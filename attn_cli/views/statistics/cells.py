"""What the tables of statistics have in common: columns of text, and the lines below them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np

from attn_cli.lab.statistics import Statistics
from attn_cli.views.cells import LABEL_WIDTH, SHORTEST, cells, ordinal, pointed, short_word

NONE = "-"  # for a missing value
MARK = "*"  # behind what is computed from shares of a sum that is not 1


_EXACT = 12  # decimals beyond which a difference from a whole number is rounding


class Text(NamedTuple):
    """A column as text: its head, and a cell per line."""

    head: str
    cells: list[str]
    words: bool  # set on the left; numbers are set on the right


def title(found: Statistics) -> str:
    """Return the name of the step, its formula, and its shape with the names of its axes."""
    formula, shape = found.formula, " x ".join(map(str, found.shape))
    if formula != found.step and not formula.startswith(f"{found.step} = "):
        formula = f"{found.step}: {formula}"
    return f"{formula}   ({' x '.join(found.axes)}: {shape})"


def texts(found: Statistics, digits: int, *, align: bool, width: int | None = None) -> list[Text]:
    """Return the columns that tables have; on a terminal of a narrow width words are shortened.

    A line has the word of a query in every block, beside at least one column: `at` has two words.
    """
    room = LABEL_WIDTH if width is None else max(SHORTEST, min(LABEL_WIDTH, (width - 12) // 3))
    shown = []
    even = _even(found)
    for column in (each for each in found.columns if each.head):
        if even and column.name in _SUMS:
            continue
        values = found.values[column.name]
        if column.name == "largest":
            shown += [Text(column.head, _numbers(values, [], digits, align=align), False)]
            shown += [Text("at", _places(found, room), True)]
        elif any(isinstance(value, str) for value in values):
            shown.append(Text(column.head, [_word(value, room) for value in values], True))
        else:
            marks = [
                MARK if column.of_shares and uneven and value is not None else ""
                for uneven, value in zip(found.uneven, values, strict=True)
            ]
            shown.append(Text(column.head, _numbers(values, marks, digits, align=align), False))
    return shown


_SUMS = ("no_key", "row_sum_min", "row_sum_max", "row_sum")


def _even(found: Statistics) -> bool:
    """Return whether every query sees a key, and all weights add up to 1."""
    blind = any(found.values["no_key"]) if "no_key" in found.values else 0 in found.values["keys"]
    return not any(found.uneven) and not blind


def _places(found: Statistics, room: int) -> list[str]:
    """Return the query and the key of the largest weight of each line."""
    ends = zip(found.values["query_token"], found.values["key_token"], strict=True)
    return [
        NONE if query is None else f"{_word(query, room)} -> {_word(key, room)}"
        for query, key in ends
    ]


def notes(found: Statistics) -> list[str]:
    """Return the notes below a table: units, marks, missing values, and sampling."""
    even = "; every query sees a key, and its weights add up to 1" if _even(found) else ""
    lines = [f"entropy in bits{even}"]
    if found.stride > 1:
        lines.append(
            f"{found.queries} of {found.shape[-2]} queries, every {ordinal(found.stride)}: "
            "--exact takes all"
        )
    shares = [value is not None for value in found.values["entropy"]]
    if any(uneven and share for uneven, share in zip(found.uneven, shares, strict=True)):
        lines.append(f"{MARK} of w / sum w: the weights do not add up to 1")
    if any(uneven and not share for uneven, share in zip(found.uneven, shares, strict=True)):
        lines.append("no entropy if a weight is below 0 or not finite, or if all are 0")
    if not found.placed:
        lines.append("queries are not among the keys: no distance, diagonal and previous")
    if not found.known:
        lines.append("a weight of 0 may be that of a hidden key, so relative has no value")
    if found.empty:
        rows = "1 query has" if found.empty == 1 else f"{found.empty} queries have"
        lacking = "entropy, effective, relative, distance and top 90 %"
        lines.append(f"{rows} weights that are all 0, which have no {lacking}")
    return lines


def _word(value: Any, room: int) -> str:
    return NONE if value is None else short_word(value, room)


def _numbers(values: Sequence[Any], marks: list[str], digits: int, *, align: bool) -> list[str]:
    """Return numbers as text, with their marks; if one has a mark, all are as wide."""
    there = [value for value in values if value is not None]
    column = np.array([round(value, _EXACT) for value in there], dtype=np.float64).reshape(-1, 1)
    whole = not any(isinstance(value, float) for value in there)
    rows = cells(column, 0 if whole else digits)
    shown = iter(row[0] for row in (pointed(rows) if align else rows))
    pad = " " if align and any(marks) else ""
    found = []
    for value, mark in zip_longest(values, marks, fillvalue=""):
        text = NONE if value is None else next(shown)
        number = text.rstrip()
        found.append(number + (mark or pad) + text[len(number) :])
    return found
