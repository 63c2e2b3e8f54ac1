"""How far a number may be from the expected one: by the decimals with which it was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from attn_cli.arrays import AnyArray

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXACT = 5e-5  # of numbers without a decimal point, and of files of programs
LEAST = 1e-6  # of max(1, |x|): the smallest tolerance, whatever the decimals


def half_unit(decimals: int | None) -> float:
    """Return half a unit of the last decimal; 5e-5 if there is no decimal point."""
    return EXACT if decimals is None else 0.5 * 10.0**-decimals


def allowed(expected: AnyArray, decimals: int | None) -> NDArray[np.float64]:
    """Return how far each written number may be from the expected one.

    Half a unit of the last decimal, or 1e-6 max(1, |x|) if that is more. A tie agrees: decimal
    numbers are not exact in binary.
    """
    size = np.abs(np.where(np.isfinite(expected), expected, 0).astype(np.float64))
    return np.maximum(half_unit(decimals), LEAST * np.maximum(1, size)) * (1 + 1e-9) + 1e-12
