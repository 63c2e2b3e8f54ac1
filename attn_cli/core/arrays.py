"""Names of types that the mathematics shares."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]  # the arithmetic: float64, float32 or float16
AnyArray = NDArray[Any]
Bools = NDArray[np.bool_]
Integers = NDArray[np.intp]
