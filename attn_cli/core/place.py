"""Which queries and keys of a block are meant: what masks, biases and positions are asked about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from attn_cli.core.arrays import Bools, Integers

if TYPE_CHECKING:
    from numpy.typing import NDArray

Kind = TypeVar("Kind", bound=np.generic)


class Place(NamedTuple):
    """Some queries against some keys, of one batch entry and one query head.

    i are the numbers of the query rows, p where they stand among the keys: p = i + offset, which
    may be below 0 or beyond the last key. j are the numbers of the keys, from 0, the past first.
    """

    batch: int  # 0 where there is no such axis
    head: int  # 0 where there is no such axis
    i: Integers
    p: Integers
    j: Integers

    @property
    def keys(self) -> slice:
        """The range of keys: they are neighbours, or all as far from each other."""
        if not len(self.j):
            return slice(0)
        step = int(self.j[1] - self.j[0]) if len(self.j) > 1 else 1
        return slice(int(self.j[0]), int(self.j[-1]) + 1, step)


def cells(whole: NDArray[Kind], at: Place) -> NDArray[Kind]:
    """Return the part of a (batch, heads, n_q, n_k) array that belongs to a range of keys j."""
    # Keys first: only what is wanted of each row is copied.
    part: NDArray[Any] = whole[at.batch, at.head, :, at.keys][at.i]
    return part


def between(j: Integers, first: Integers, last: Integers) -> Bools:
    """Return (len(first) x len(j)) True where first <= j <= last, of each query its own.

    Comparisons write one byte a pair, and a difference of positions eight.
    """
    found: Bools = j[None, :] >= first[:, None]
    found &= j[None, :] <= last[:, None]
    return found


def standing(offsets: tuple[int, ...], shift: int = 0) -> str:
    """Write p + shift in terms of i: "i + 3", or "i + offset[batch]" where batch entries differ."""
    if len(set(offsets)) == 1:
        return "i" + _signed(offsets[0] + shift)
    return "i + offset[batch]" + _signed(shift)


def bracketed(offsets: tuple[int, ...]) -> str:
    """Write p in terms of i as it stands behind a minus: "i" or "(i + 3)"."""
    p = standing(offsets)
    return p if p == "i" else f"({p})"


def _signed(number: int) -> str:
    return f" {'-' if number < 0 else '+'} {abs(number)}" if number else ""
