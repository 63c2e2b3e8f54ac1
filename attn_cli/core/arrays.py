"""Types of arrays that the mathematics shares, and how large their numbers are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]  # the arithmetic: float64, float32 or float16
AnyArray = NDArray[Any]
Bools = NDArray[np.bool_]
Integers = NDArray[np.intp]


def largest(x: AnyArray) -> float:
    """Return the largest |x|, NaN where one is; without an array of that size."""
    return max(float(x.max()), -float(x.min())) if x.size else 0.0
