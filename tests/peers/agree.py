"""How near two implementations have to be, and which version of a peer an observation is about."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import ml_dtypes
import numpy as np

# One rounding more or less, and another order of summation, move no number further than this.
TOLERANCE = {"float64": 1e-12, "float32": 2e-6}
DTYPES = tuple(TOLERANCE)
# In these two a step has so few digits that another order of summation seldom shows.
NARROW: dict[str, Any] = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16}
TYPES = (*DTYPES, *NARROW)
# Parts of the sums in these tests are about this large.
FLOOR = 2.0**-4
# Units in the last place where scores too are of 16 bits. Sums in another order put a score on the
# other side of a tie: one below 8 moves by up to 4 units of 1, and its weight by as many of its own
# twice over, where that lies low between two powers of two.
ROUNDED_SCORES = 8
# And where three operations are rounded one by one there, which are one step here.
ROUNDED_STEPS = 2 * ROUNDED_SCORES


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


def near(here: Any, there: Any, dtype: str, units: float = 1) -> None:
    """Assert that two results of a type agree: in 16 bits to `units` in the last place.

    The unit is that of the larger of the two numbers, and that of numbers near `FLOOR` below it:
    a small sum of larger parts has their error.
    """
    if dtype not in NARROW:
        agrees(here, there, TOLERANCE[dtype])
        return
    here, there = np.asarray(here, np.float64), np.asarray(there, np.float64)
    assert here.shape == there.shape
    assert (np.isnan(here) == np.isnan(there)).all()
    _, exponent = np.frexp(np.maximum(np.maximum(abs(here), abs(there)), FLOOR))
    unit = np.ldexp(float(ml_dtypes.finfo(NARROW[dtype]).eps), exponent - 1)
    with np.errstate(invalid="ignore"):
        far = np.where(here == there, 0, abs(here - there)) / unit
    assert np.nanmax(far, initial=0) <= units


def narrowed(dtype: str, *arrays: np.ndarray) -> list[np.ndarray]:
    """Return arrays rounded to a type; those of bfloat16 are carried in float32."""
    carrier = "float32" if dtype == "bfloat16" else dtype
    with np.errstate(over="ignore"):
        return [each.astype(NARROW.get(dtype, dtype)).astype(carrier) for each in arrays]


def departs(package: str, seen_in: str) -> None:
    """Assert that a peer is the version in which it was seen to depart from its documentation."""
    here, _, _ = version(package).partition("+")  # torch says which device it was built for
    assert here == seen_in, f"look whether {package} still departs, then say so here"
