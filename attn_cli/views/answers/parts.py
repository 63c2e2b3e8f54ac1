"""What the views of answers have in common: verdicts in words, and grids of given numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from attn_cli.arrays import AnyArray
from attn_cli.errors import printable
from attn_cli.lab.answers.judgement import Judgement
from attn_cli.views.cells import cells, labels_along, room_of_words

LEFT_OUT = "-"  # in place of a number that was left out


class Grid(NamedTuple):
    """One matrix of an answer as text: wrong numbers have the expected ones behind them."""

    heading: str
    corner: str
    columns: list[str]
    rows: list[str]
    cells: list[list[str]]
    wrong: list[list[bool]]


def verdict(judgement: Judgement) -> str:
    """Return what is said of a step, in one line."""
    answer, wrong = judgement.answer, int(judgement.wrong.sum())
    given = int(answer.given.sum())
    count = f"{wrong} of {given} {'number' if given == 1 else 'numbers'}"
    if judgement.follows:
        return f"follows correctly from your {' and '.join(judgement.follows)}"
    if judgement.verdict == "agrees":
        return f"this is {answer.step} transposed, and right" if answer.turned else "agrees"
    if judgement.verdict == "rounded":
        return "agrees with rounded intermediate results"
    if judgement.verdict == "truncated":
        return f"truncated: {count} cut off instead of rounded"
    return f"differs in {count}"


def reasons(judgement: Judgement) -> Iterator[str]:
    """Yield what explains a step that differs, each in a sentence."""
    if judgement.verdict != "differs" or judgement.follows:
        return
    for explanation in judgement.explanations:
        yield explanation.sentence
    near = judgement.nearest
    if judgement.explanations or near is None:
        return
    none, given = (
        "none of the usual mistakes gives these numbers",
        int(judgement.answer.given.sum()),
    )
    if near.name == "right":
        yield f"{none}, and none is nearer than the right ones, at most {near.far:.3g} away"
    else:
        yield (
            f"{none}; the nearest: {near.sentence}, which leaves {near.off} of {given} "
            f"unexplained, at most {near.far:.3g} away"
        )
    slip = judgement.slip
    if slip is not None:
        at, decimals = ", ".join(map(printable, slip.place)), judgement.answer.decimals or 0
        before = matrix(np.array(slip.before), max(4, decimals))
        yield (
            f"one earlier number would explain them: {slip.step} ({at}) would have to be "
            f"{slip.after:.10g} instead of {before}"
        )


def solved(judgement: Judgement, digits: int) -> str | None:
    """Return the sentence with the weights that a wrong context was computed with."""
    if judgement.solved is None:
        return None
    digits = max(digits, judgement.answer.decimals or 0)
    if judgement.changed:
        pairs = (
            f"{matrix(np.array(there), digits)} instead of {matrix(np.array(here), digits)}"
            for here, there in judgement.changed
        )
        return f"the weights would have to be {', and '.join(pairs)}"
    if judgement.solved.size > 100 or judgement.explanations:
        return None
    return f"the weights that give these numbers: {matrix(judgement.solved, digits)}"


def matrix(values: AnyArray, digits: int) -> str:
    """Return an array in one line, as nested lists; 2.0000000000000004 is 2."""
    values = values.astype(np.float64)  # the unit of the last decimal overflows in float16
    small = np.abs(values) < 1e12
    values = np.where(small, np.round(np.where(small, values, 0), 12), values)
    if values.ndim == 0:
        return cells(np.array([[values]]), digits)[0][0]
    if values.ndim == 1:
        return f"[{', '.join(cells(values[None, :], digits)[0])}]"
    return f"[{', '.join(matrix(part, digits) for part in values)}]"


def grids(judgement: Judgement, digits: int, width: int | None = None) -> Iterator[Grid]:
    """Yield the matrices of an answer, one per batch entry and head."""
    answer, step = judgement.answer, judgement.step
    matrix_of, room = step.as_matrix(), room_of_words(width)
    corner, rows = matrix_of.axes[-2], labels_along(matrix_of, -2, 0, room)
    columns = labels_along(matrix_of, -1, 0, room)
    decimals = digits if answer.decimals is None else answer.decimals
    lead = max(step.values.ndim - 2, 0)
    for place in np.ndindex(step.values.shape[:lead]):
        named = zip(step.axes, place, strict=False)
        parts = (answer.values, answer.given, step.values, judgement.wrong)
        values, given, expected, wrong = (np.atleast_2d(part[place]) for part in parts)
        shown = cells(np.where(given, values, 0), decimals)
        right = cells(expected, max(digits, decimals))
        yield Grid(
            heading=", ".join(f"{axis} {at}" for axis, at in named),
            corner=corner,
            columns=columns,
            rows=rows,
            cells=[
                [_cell(*one) for one in zip(*line, strict=True)]
                for line in zip(shown, right, given.tolist(), wrong.tolist(), strict=True)
            ],
            wrong=wrong.tolist(),
        )


def _cell(given: str, expected: str, there: bool, wrong: bool) -> str:
    if not there:
        return LEFT_OUT
    return f"{given} ({expected})" if wrong else given
