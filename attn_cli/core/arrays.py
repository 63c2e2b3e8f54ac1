"""Types of arrays that the mathematics shares, and how large their numbers are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.floating[Any]]  # the arithmetic: float64, float32 or float16
    AnyArray = NDArray[Any]
    Bools = NDArray[np.bool_]
    Integers = NDArray[np.intp]
else:  # numpy.typing takes a millisecond to load, and nothing that runs reads it
    Array = AnyArray = Bools = Integers = np.ndarray


def largest(x: AnyArray) -> float:
    """Return the largest |x|, NaN where one is; without an array of that size."""
    return max(float(x.max()), -float(x.min())) if x.size else 0.0
