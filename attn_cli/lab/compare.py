"""Comparison of a step with expected numbers.

A value agrees if |here - expected| <= tolerance * max(1, |expected|); numbers that were written out
have the tolerance of their decimals instead (`lab.tolerance`). An infinity agrees with the same
infinity only, NaN with NaN only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from attn_cli.dataclass import dataclass, field, replace
from attn_cli.errors import AttnError
from attn_cli.lab.tolerance import EXACT, LEAST, allowed, half_unit
from attn_cli.record import Comparison, Record
from attn_cli.sources.matrices.matrix import FILE_KEYS, names_file, read_array
from attn_cli.sources.text.decimals import most_decimals

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from attn_cli.arrays import Bools
    from attn_cli.sources.matrices.document import Document


@dataclass(frozen=True)
class Expected:
    """The values that a step is compared with.

    `tolerance` None: 5e-5, and the rule of `decimals` for the steps that are in it.
    """

    values: Mapping[str, NDArray[Any]]
    tolerance: float | None = None
    decimals: Mapping[str, int | None] = field(default_factory=dict)
    notes: tuple[str, ...] = ()  # notes for the user on how they were read
    # Rows by their words, which can be read if the words of the step are known.
    rows: Mapping[str, Document] = field(default_factory=dict)
    given: Mapping[str, Bools] = field(default_factory=dict)  # of rows: which values are expected

    @property
    def steps(self) -> tuple[str, ...]:
        """The names of the steps that are compared."""
        return (*self.values, *self.rows)

    @property
    def size(self) -> int:
        """The number of values of the largest step that is compared."""
        return max((values.size for values in self.values.values()), default=0)


def expected_of(
    documents: Mapping[str, Document], tolerance: float | None, notes: Sequence[str]
) -> Expected:
    """Return what is expected of steps, each of which has a document with its values."""
    values, decimals, rows = {}, {}, {}
    for step, document in documents.items():
        node = document.tree[step]
        if isinstance(node, Mapping) and not names_file(node) and not node.keys() & {*FILE_KEYS}:
            rows[step] = document
            continue
        try:
            values[step] = read_array(document, node, (step,))
        except AttnError as error:
            raise document.located(error) from None
        if not names_file(node):
            decimals[step] = most_decimals(node)
    return Expected(values, tolerance, decimals, tuple(notes), rows)


def with_rows(expected: Expected, whole: Record) -> Expected:
    """Return what is expected with the values of rows that are named by their words.

    Raises AttnError if a step has no row of a word, or if the row has another size.
    """
    if not expected.rows:
        return expected
    from attn_cli.lab.answers.answer_reader import AnswerReader

    values, decimals, given = {**expected.values}, {**expected.decimals}, {}
    for step, document in expected.rows.items():
        reader = AnswerReader(document, whole.steps[step], expected.tolerance)
        try:
            answer = reader.answer(document.tree[step], (step,))
        except AttnError as error:
            raise document.located(error) from None
        values[step], decimals[step], given[step] = answer.values, answer.decimals, answer.given
    return replace(expected, values=values, decimals=decimals, given=given, rows={})


def compare(record: Record, whole: Record, expected: Expected) -> Record:
    """Return the record with a comparison for each expected step, whose values `whole` holds.

    Raises AttnError if a shape is not the step's. Values that were written out may be those of the
    step transposed.
    """
    results = tuple(
        _compared(whole, name, values, expected) for name, values in expected.values.items()
    )
    turned = (
        _turned(whole, comparison, expected) for comparison in results if not comparison.agrees
    )
    warnings = (*record.warnings, *expected.notes, *(note for note in turned if note))
    return replace(record, comparisons=results, warnings=warnings)


def _turned(record: Record, comparison: Comparison, expected: Expected) -> str:
    """Return a warning if the values agree with two axes of one size exchanged; else empty."""
    values = expected.values[comparison.step]
    for b, a in _pairs(values.ndim):
        if values.shape[a] == values.shape[b]:
            exchanged = values.swapaxes(a, b)
            if _compared(record, comparison.step, exchanged, expected).agrees:
                if comparison.step in expected.decimals and a == values.ndim - 1 == b + 1:
                    return f"the expected {comparison.step} is {comparison.step} transposed"
                what = f"the expected {comparison.step} agrees with axes {b} and {a} exchanged"
                return f"{what}{_advice(b, a, values.ndim)}"
    return ""


def fitting(record: Record, expected: Expected, every: Record) -> Record:
    """Return the record with a warning for each wrong answer that is another step of `every`."""
    notes = []
    for comparison in record.comparisons:
        values = expected.values[comparison.step]
        for name, step in every.steps.items():
            if comparison.agrees or name == comparison.step or step.values.shape != values.shape:
                continue
            if _compared(every, name, values, _as_if(expected, comparison.step, name)).agrees:
                notes.append(f"the expected {comparison.step} are the numbers of {name}")
                break
    return replace(record, warnings=(*record.warnings, *notes))


def _as_if(expected: Expected, step: str, name: str) -> Expected:
    """Return what is expected with the decimals and rows of a step for another one."""
    decimals = {name: expected.decimals[step]} if step in expected.decimals else {}
    given = {name: expected.given[step]} if step in expected.given else {}
    return replace(expected, decimals=decimals, given=given)


def _pairs(axes: int) -> Iterator[tuple[int, int]]:
    """Yield all pairs of axes, b < a, the inner ones first: these are the usual ones."""
    for a, b in combinations(reversed(range(axes)), 2):
        yield b, a


def _exchanged(given: tuple[int, ...], here: tuple[int, ...]) -> str:
    """Return a message if exchanging two axes explains a wrong shape; empty if it does not.

    If several pairs explain it, the inner axes count.
    """
    for b, a in _pairs(len(given)):
        shape = list(given)
        shape[a], shape[b] = shape[b], shape[a]
        if tuple(shape) == here:
            return f"it fits with axes {b} and {a} exchanged{_advice(b, a, len(given))}"
    return ""


def _advice(b: int, a: int, axes: int) -> str:
    """Return the advice for exchanged axes, as the end of a sentence."""
    if (b, a) == (1, 2) and axes == 4:
        return "; if Q, K and V are so too, write axes: bshd"
    if (b, a) == (axes - 2, axes - 1):
        return ": write {file: ..., transpose: true}"
    return ""


def _compared(record: Record, name: str, expected: NDArray[Any], asked: Expected) -> Comparison:
    step = record.steps[name]
    tolerance = EXACT if asked.tolerance is None else asked.tolerance
    turned = expected.shape != step.values.shape and name in asked.decimals
    if turned and expected.ndim > 1 and expected.swapaxes(-1, -2).shape == step.values.shape:
        expected = expected.swapaxes(-1, -2)
    if expected.shape != step.values.shape:
        shape = ", ".join(map(str, expected.shape))
        raise AttnError(
            f"the expected {name} has shape ({shape}) but {name} has "
            f"({', '.join(step.axes)}) = ({', '.join(map(str, step.shape))})",
            help=_exchanged(expected.shape, step.values.shape)
            or "give one expected value for each value of the step",
        )
    here = step.values.astype(np.float64)
    wanted = expected.astype(np.float64)
    with np.errstate(invalid="ignore"):
        distance = np.abs(here - wanted)
    distance[(here == wanted) | (np.isnan(here) & np.isnan(wanted))] = 0
    distance[np.isnan(distance)] = np.inf
    limit = tolerance * np.maximum(1, np.where(np.isfinite(wanted), np.abs(wanted), 1))
    if asked.tolerance is None and name in asked.decimals:
        tolerance = max(half_unit(asked.decimals[name]), LEAST)
        limit = allowed(wanted, asked.decimals[name])
    given = asked.given.get(name)
    if given is not None:
        distance[~given] = 0
    off = distance > limit
    worst = np.unravel_index(int((distance / limit if tolerance else distance).argmax()), off.shape)
    place = tuple(int(index) for index in worst)
    return Comparison(
        step=name,
        agrees=not off.any(),
        values=off.size if given is None else int(given.sum()),
        off=int(off.sum()),
        tolerance=tolerance,
        place=tuple(step.labels[axis][index] for axis, index in enumerate(place)),
        letters=tuple(step.letter_of(axis) for axis in range(len(place))),
        here=float(here[place]),
        expected=float(wanted[place]),
        transposed=turned,
    )
