"""How near two implementations have to be, and which version of a peer an observation is about."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np

# One rounding more or less, and another order of summation, move no number further than this.
TOLERANCE = {"float64": 1e-12, "float32": 2e-6}
DTYPES = tuple(TOLERANCE)


def agrees(here: Any, there: Any, tolerance: float) -> None:
    """Assert one shape, NaN in the same places, and values that differ by `tolerance` at most.

    Absolute below 1 and relative above. Shapes come first because numpy would broadcast them.
    """
    here, there = np.asarray(here, np.float64), np.asarray(there, np.float64)
    assert here.shape == there.shape
    np.testing.assert_allclose(here, there, rtol=tolerance, atol=tolerance)


def normal(seed: int, *shapes: tuple[int, ...], dtype: str = "float64") -> list[np.ndarray]:
    """Return an array of standard normal numbers of each shape."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def departs(package: str, seen_in: str) -> None:
    """Assert that a peer is the version in which it was seen to depart from its documentation."""
    here, _, _ = version(package).partition("+")  # torch says which device it was built for
    assert here == seen_in, f"look whether {package} still departs, then say so here"
