"""A block of queries against keys: the argument of masks, biases and positions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from attn_cli.arrays import Bools, Integers
from attn_cli.maths.token_positions import TOP_LEFT, TokenPositions

if TYPE_CHECKING:
    from numpy.typing import NDArray

FAR = 1 << 60  # further than any key is from any query

Kind = TypeVar("Kind", bound=np.generic)


class Place(NamedTuple):
    """Some queries against some keys, of one batch entry and one query head.

    i are the numbers of the query rows, j those of the keys, from 0, the past first. Their
    positions, which may be below 0 or beyond the last key, follow from `token_positions`.
    """

    batch: int  # 0 without a batch axis
    head: int  # 0 without heads
    i: Integers
    j: Integers
    token_positions: TokenPositions = TOP_LEFT

    @property
    def p_i(self) -> Integers:
        """The positions of the queries, (len(i))."""
        return self.token_positions.queries(self.batch, self.i)

    @property
    def p_j(self) -> Integers:
        """The positions of the keys, (len(j))."""
        return self.token_positions.keys(self.batch, self.j)

    @property
    def keys(self) -> slice:
        """The keys as a slice: their numbers are evenly spaced."""
        if not len(self.j):
            return slice(0, 0)
        step = int(self.j[1] - self.j[0]) if len(self.j) > 1 else 1
        return slice(int(self.j[0]), int(self.j[-1]) + 1, step)


def cells(whole: NDArray[Kind], at: Place) -> NDArray[Kind]:
    """Return the part of a (batch, heads, n_q, n_k) array that belongs to a range of keys j."""
    # Keys first, so that only the needed part of each row is copied.
    part: NDArray[Any] = whole[at.batch, at.head, :, at.keys][at.i]
    return part


def near(of: Integers, j: Integers, left: int, right: int) -> Bools:
    """Return (len(of) x len(j)): whether of - left <= j <= of + right, for each query and key."""
    if not (len(of) and len(j)):
        return np.zeros((len(of), len(j)), dtype=np.bool_)
    step = int(j[1] - j[0]) if len(j) > 1 else 1
    if step < 1 or (of[1:] - of[:-1] != step).any() or (j[1:] - j[:-1] != step).any():
        found: Bools = j[None, :] >= of[:, None] - left
        found &= j[None, :] <= of[:, None] + right
        return found
    # Both have the same step, and the difference alone matters: each query's row is that of the
    # query before it, one further.
    whole = np.zeros(len(of) + len(j) - 1, dtype=np.bool_)
    lowest = int(j[0] - of[-1])  # that j - of can be
    start, stop = -((lowest + left) // step), (right - lowest) // step + 1
    whole[max(start, 0) : max(stop, 0)] = True
    return np.ndarray((len(of), len(j)), np.bool_, whole, len(of) - 1, (-1, 1)).copy()
