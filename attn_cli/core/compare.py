"""Whether a step holds the numbers that somebody expects.

A value agrees where |here - expected| <= tolerance * max(1, |expected|). Infinities agree with
themselves, NaN with NaN alone.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    notes: tuple[str, ...] = ()  # what there is to say of how they were read


def compare(record: Record, whole: Record, expected: Expected) -> Record:
    """Return the record with a comparison for each expected step, whose values `whole` holds.

    Raises AttnError where a shape is not the step's.
    """
    made = tuple(
        _compared(whole, name, values, expected.tolerance)
        for name, values in expected.values.items()
    )
    warnings = (*record.warnings, *expected.notes)
    return replace(record, comparisons=made, warnings=warnings)


def _exchanged(given: tuple[int, ...], here: tuple[int, ...]) -> str:
    """Return which two axes of what is given have changed places; empty if that explains nothing.

    If several pairs explain it, the last one counts: the inner axes are the usual ones.
    """
    for a, b in combinations(reversed(range(len(given))), 2):
        shape = list(given)
        shape[a], shape[b] = shape[b], shape[a]
        if tuple(shape) == here:
            fits = f"it fits with axes {b} and {a} exchanged"
            if (b, a) == (1, 2) and len(given) == 4:
                return f"{fits}; if Q, K and V are so too: --axes bshd"
            if a == len(given) - 1 and b == a - 1:
                return f"{fits}: write {{file: ..., transpose: true}}"
            return fits
    return ""


def _compared(record: Record, name: str, expected: NDArray[Any], tolerance: float) -> Comparison:
    step = record.steps[name]
    if expected.shape != step.values.shape:
        shape = ", ".join(map(str, expected.shape))
        raise AttnError(
            f"--check {name} has shape ({shape}) but {name} has "
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
        here=float(here[place]),
        expected=float(wanted[place]),
    )
