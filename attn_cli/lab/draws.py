"""Random bits for many roundings, by a fixed seed.

A kernel's emulation rounds tens of arrays per head, and drawing a number for each cell would be
most of its time. So short arrays take a stretch of one table, from a place and changed by a word
that are drawn each time:

    bits = table[at : at + size] XOR word

Any two bits of different arrays are independent then, also if they are of one place in the table:
both are uniform, and so is their XOR, that of two words. Long arrays have bits of their own.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from attn_cli.arrays import Array

if TYPE_CHECKING:
    from numpy.typing import NDArray

Words: TypeAlias = "NDArray[np.uint64]"
_TABLE = 1 << 15
_LONG = 1 << 14  # cells of an array that has bits of its own
_PLACE = 49  # the highest bits of a word choose the place


class Draws:
    """Random bits, and factors about 1, from one seed."""

    def __init__(self, seed: int) -> None:
        self.source = np.random.SFC64(seed)
        self._table: Words | None = None
        self._bits: dict[int, Words] = {}  # the table under each mask
        self._factors: dict[float, tuple[Array, Array]] = {}

    @property
    def generator(self) -> np.random.Generator:
        """Further numbers of the same source."""
        return np.random.Generator(self.source)

    def bits(self, shape: tuple[int, ...], mask: int) -> Words:
        """Return random words of which only the bits of a mask are kept."""
        size = prod(shape)
        if size > _LONG:
            found = self.source.random_raw(size)
            found &= np.uint64(mask)
        else:
            if mask not in self._bits:
                self._bits[mask] = self._words & np.uint64(mask)
            word = self.source.random_raw()
            at = (word >> _PLACE) % (_TABLE - size)
            found = self._bits[mask][at : at + size] ^ np.uint64(word & mask)
        return found.reshape(shape)

    def factors(self, shape: tuple[int, ...], eps: float) -> Array:
        """Return factors from 1 - eps to 1 + eps, uniformly.

        Of two arrays, one is about 1 as the other is or turned around, with equal chances.
        """
        size = prod(shape)
        if size > _LONG:
            return self._drawn(size, eps).reshape(shape)
        if eps not in self._factors:
            drawn = self._drawn(_TABLE, eps)
            self._factors[eps] = drawn, 2 - drawn
        word = self.source.random_raw()
        at = (word >> _PLACE) % (_TABLE - size)
        return self._factors[eps][word & 1][at : at + size].reshape(shape)

    def _drawn(self, size: int, eps: float) -> Array:
        found = self.generator.random(size)
        found -= 0.5
        found *= 2 * eps
        found += 1
        return found

    @property
    def _words(self) -> Words:
        if self._table is None:
            self._table = self.source.random_raw(_TABLE)
        return self._table
