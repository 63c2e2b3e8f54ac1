"""Comparison of a step with expected numbers.

A value agrees if |here - expected| <= tolerance * max(1, |expected|). An infinity agrees with the
same infinity only, NaN with NaN only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from attn_cli.dataclass import dataclass, replace
from attn_cli.errors import AttnError
from attn_cli.record import Comparison, Record

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOLERANCE = 5e-5  # half a unit of the fourth decimal, which tables show


@dataclass(frozen=True)
class Expected:
    """The values that a step is compared with."""

    values: Mapping[str, NDArray[Any]]
    tolerance: float = TOLERANCE
    notes: tuple[str, ...] = ()  # notes for the user on how they were read


def compare(record: Record, whole: Record, expected: Expected) -> Record:
    """Return the record with a comparison for each expected step, whose values `whole` holds.

    Raises AttnError if a shape is not the step's.
    """
    results = tuple(
        _compared(whole, name, values, expected.tolerance)
        for name, values in expected.values.items()
    )
    turned = (
        _turned(whole, comparison, expected.values[comparison.step])
        for comparison in results
        if not comparison.agrees
    )
    warnings = (*record.warnings, *expected.notes, *(note for note in turned if note))
    return replace(record, comparisons=results, warnings=warnings)


def _turned(record: Record, comparison: Comparison, values: NDArray[Any]) -> str:
    """Return a warning if the values agree with two axes of one size exchanged; else empty."""
    for b, a in _pairs(values.ndim):
        if values.shape[a] == values.shape[b]:
            exchanged = values.swapaxes(a, b)
            if _compared(record, comparison.step, exchanged, comparison.tolerance).agrees:
                what = f"the expected {comparison.step} agrees with axes {b} and {a} exchanged"
                return f"{what}{_advice(b, a, values.ndim)}"
    return ""


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


def _compared(record: Record, name: str, expected: NDArray[Any], tolerance: float) -> Comparison:
    step = record.steps[name]
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
    off = distance > limit
    worst = np.unravel_index(int((distance / limit if tolerance else distance).argmax()), off.shape)
    place = tuple(int(index) for index in worst)
    return Comparison(
        step=name,
        agrees=not off.any(),
        values=off.size,
        off=int(off.sum()),
        tolerance=tolerance,
        place=tuple(step.labels[axis][index] for axis, index in enumerate(place)),
        letters=tuple(step.letter_of(axis) for axis in range(len(place))),
        here=float(here[place]),
        expected=float(wanted[place]),
    )
