"""Array types shared by the mathematics, and functions on plain arrays."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.floating[Any]]  # the arithmetic: float64, float32 or float16
    AnyArray = NDArray[Any]
    Bools = NDArray[np.bool_]
    Integers = NDArray[np.intp]
else:  # numpy.typing takes a millisecond to import, and only type checkers read it
    Array = AnyArray = Bools = Integers = np.ndarray


def max_abs(x: AnyArray) -> float:
    """Return the largest |x|, or NaN if any x is; without a temporary array of that size."""
    return max(float(x.max()), -float(x.min())) if x.size else 0.0


def some(found: AnyArray) -> bool:
    """Return whether any is true, or not 0: for few, `found.any()` takes four times as long."""
    return bool(np.count_nonzero(found))


def every(found: AnyArray) -> bool:
    """Return whether all are true, or not 0: for few, `found.all()` takes four times as long."""
    return bool(np.count_nonzero(found) == found.size)


def all_finite(x: AnyArray) -> bool:
    """Return whether no value is infinite or NaN."""
    return every(np.isfinite(x))


def part_of(numbers: Integers, part: slice) -> Integers:
    """Return a part of some numbers; if it is all of them, the same array."""
    whole = part.start == 0 and part.stop == len(numbers) and part.step in {None, 1}
    return numbers if whole else numbers[part]


def consecutive(numbers: Integers) -> list[tuple[int, int]]:
    """Return the runs of consecutive integers, in their order: from .. up to, not including.

    >>> consecutive(np.array([0, 1, 2, 7, 9, 10, 4]))
    [(0, 3), (7, 8), (9, 11), (4, 5)]
    """
    (breaks,) = (numbers[1:] - numbers[:-1] != 1).nonzero()
    ends = [0, *(breaks + 1).tolist(), len(numbers)]
    return [(int(numbers[a]), int(numbers[b - 1]) + 1) for a, b in pairwise(ends) if a < b]


class Tensor(Protocol):
    """A source of rows: an array in memory, or one in a file of which rows are read.

    An integer gives an entry of the leading axis, again a Tensor. Slices and positions of the first
    axis give an array.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """The size of each axis."""

    @property
    def ndim(self) -> int:
        """The number of axes."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the numbers."""

    def __getitem__(self, index: Any, /) -> Any: ...

    def swapaxes(self, first: int, second: int, /) -> Tensor:
        """Return the tensor with two axes swapped."""

    def reshape(self, shape: tuple[int, ...], /) -> Tensor:
        """Return the tensor with its last axis split in two."""
