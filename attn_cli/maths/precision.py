"""In which type which part of attention runs."""

from __future__ import annotations

from math import sqrt

from attn_cli.arrays import Array
from attn_cli.dataclass import dataclass
from attn_cli.floats import FLOAT_TYPES, FloatType


@dataclass(frozen=True)
class RopeTypes:
    """The types inside a rotary embedding. The rotated step is then rounded to its own type.

    angles    frequencies, angles, sines and cosines: each operation is rounded to it
    table     sines and cosines, as they meet q and k
    rotation  q and k as they meet them; each product, and the sum of two
    """

    angles: FloatType
    table: FloatType
    rotation: FloatType


@dataclass(frozen=True)
class NormTypes:
    """The types inside a norm: of the normed row, and of its product with the gain."""

    row: FloatType  # float64 or float32: the mean, the root and the quotient
    gain: FloatType


EXACT = RopeTypes(*(FLOAT_TYPES["float64"],) * 3)


# The parts of `Precision` that are one type, as a problem and its settings name them.
ONE_TYPE = ("accumulate", "scale", "scaled", "scores", "softmax", "weighted_sum", "output")


@dataclass(frozen=True, kw_only=True)
class Precision:
    """Which type each part of an attention computation has."""

    dtype: FloatType  # of each named step that no other line names
    accumulate: FloatType  # in which sums run
    scale: FloatType  # of the scale, or of its root, as it is multiplied
    scaled: FloatType  # of q and k that are scaled before their product
    scores: FloatType  # from the products to the masked scores
    softmax: FloatType  # in which the normaliser works
    weighted_sum: FloatType  # of the weights as they are multiplied with V
    output: FloatType  # of the step `output`
    norm: NormTypes  # of QK norm and of layer norms
    rope: RopeTypes = EXACT

    def wide(self, x: Array) -> Array:
        """Return `x` in the type in which sums are computed; `x` itself if it has that type."""
        return x.astype(self.accumulate.carrier, copy=False)

    def factor(self, scale: float, *, root: bool) -> float:
        """Return the scale as it is multiplied, rounded once; its root, if that is taken."""
        return self.scale.number(sqrt(scale) if root else scale)
