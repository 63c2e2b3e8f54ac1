"""The types of floating-point numbers, and rounding to them.

    float64    53 bits, to 1.8e308       float16     11 bits, to 65504
    float32    24 bits, to 3.4e38        bfloat16     8 bits, to 3.39e38: float32 cut in half

Each rounding is to the nearest, to even on a tie, as in IEEE 754 and the frameworks; numbers that
are too large become infinite. NumPy has no bfloat16: its numbers are carried in float32 arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from attn_cli.arrays import Array
from attn_cli.dataclass import dataclass

BFLOAT16_BITS = 8  # of a significand, the leading 1 included
_DIGITS = {"float64": 53, "float32": 24, "float16": 11, "bfloat16": BFLOAT16_BITS}
BFLOAT16_QUANTUM = -133  # the exponent of the smallest number above 0


@dataclass(frozen=True)
class FloatType:
    """A type of floating-point numbers: its name, and the type of the arrays that carry it."""

    name: str  # float64, float32, float16 or bfloat16
    carrier: np.dtype[Any]

    @property
    def lowest(self) -> float:
        """The smallest finite number."""
        if self.name == "bfloat16":
            return -float(2 - 2.0 ** (1 - BFLOAT16_BITS)) * 2.0**127
        return float(np.finfo(self.carrier).min)

    @property
    def eps(self) -> float:
        """The distance from 1 to the next larger number."""
        return float(2.0 ** (1 - _DIGITS[self.name]))

    def wider(self, other: FloatType) -> bool:
        """Return whether this type has more digits."""
        return _DIGITS[self.name] > _DIGITS[other.name]

    @property
    def read_as(self) -> np.dtype[Any]:
        """The type in which input for this type is read, so that it is rounded only once."""
        return np.dtype(np.float64) if self.name == "bfloat16" else self.carrier

    def round(self, x: Array) -> Array:
        """Return `x` in this type: rounded once, from any type, to the nearest, to even on a tie.

        If neither the values nor the type of the array change, that is `x` itself.
        """
        if self.name != "bfloat16" and x.dtype == self.carrier:
            return x
        # Infinities from here are reported with the name of their step.
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            if self.name == "bfloat16":
                x = _to_bfloat16(x)
            rounded: Array = x.astype(self.carrier, copy=False)
        return rounded

    def number(self, x: float) -> float:
        """Return one number rounded to this type, as `round` does."""
        if self.name == "float64":
            return float(x)
        return float(self.round(np.array([x]))[0])


def _to_bfloat16(x: Array) -> Array:
    """Return `x` rounded to the numbers of bfloat16, as float64 or float32.

    Rounding to float32 on the way would be a second rounding: 1 + 2^-8 + 2^-40 lies above a tie,
    and float32 puts it there.
    """
    if x.dtype != np.float64:
        x = x.astype(np.float32, copy=False)
        if not (x.view(np.uint32) & 0xFFFF).any():
            return x
    _, exponent = np.frexp(x)
    # Below the smallest normal number the spacing is constant.
    quantum = np.maximum(exponent - BFLOAT16_BITS, BFLOAT16_QUANTUM)
    rounded: Array = np.ldexp(np.rint(np.ldexp(x, -quantum)), quantum)
    return rounded


FLOAT_TYPES = {
    name: FloatType(name, np.dtype("float32" if name == "bfloat16" else name))
    for name in ("float64", "float32", "float16", "bfloat16")
}
