"""T5's relative bias: a learned number for each bucket of distances and each head.

    bias(i, j) = T[bucket(p_j - p_i), head]

p_i and p_j are the positions of query i and key j: see `maths.token_positions`. Raffel et al. 2020
(arXiv 1910.10683), section 2.1. Of `count` buckets on one side the first e = count div 2 hold one
distance each, d = 0 .. e - 1; the others grow in a geometric progression up to max_distance M, and
the last holds all beyond:

    bucket(d) = d                                                             where d < e
    bucket(d) = min(e + floor((count - e) ln(d/e) / ln(M/e)), count - 1)      otherwise

`bidirectional` gives half of the buckets to keys up to the query, d = p_i - p_j, and the other half
to keys after it, d = p_j - p_i, whose numbers come last. Otherwise all are for keys up to the
query, and later keys count as distance 0.

If the quotient of logarithms is a whole number, the bucket is decided here in integers: d reaches
e (M/e)^(t/n), n = count - e, if d^n e^t >= M^t e^n. Implementations take logarithms in float32,
whose rounding may put a distance on such a boundary into the bucket below. With T5's own 32 buckets
and max_distance 128, NumPy's float32 puts every distance into the right bucket.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from attn_cli.arrays import Array, Integers
from attn_cli.dataclass import dataclass
from attn_cli.formula import Call, Formula, Index, Symbol
from attn_cli.maths.place import Place
from attn_cli.maths.token_positions import TOP_LEFT, TokenPositions


@dataclass(frozen=True)
class RelativeBias:
    """The table, (buckets x heads). `own` positions replace those of the problem."""

    table: Array
    bidirectional: bool = True
    max_distance: int = 128
    token_positions: TokenPositions = TOP_LEFT  # for the formula
    own: TokenPositions | None = None

    @property
    def formula(self) -> Formula:
        """The look-up, with the offset as a number."""
        token_positions = self.own or self.token_positions
        distance = token_positions.key_formula - token_positions.query_formula()
        return Index(Symbol("relative_bias"), Call("bucket", distance), Symbol("head"))

    def values(self, at: Place) -> Array:
        """Return (len(i) x len(j)): the table's entry for the bucket of each distance."""
        if self.own is not None:
            at = at._replace(token_positions=self.own)
        distance = at.p_j[None, :] - at.p_i[:, None]
        found = bucket(distance, len(self.table), self.bidirectional, self.max_distance)
        numbers: Array = self.table[found, at.head]
        return numbers


def bucket(distance: Integers, buckets: int, bidirectional: bool, max_distance: int) -> Integers:
    """Return the bucket of each distance p_j - p_i, 0 .. buckets - 1.

    max_distance must exceed half of the buckets of one side; otherwise the last bucket holds all
    distances that are not near.
    """
    count = buckets // 2 if bidirectional else buckets
    near = count // 2
    d = np.abs(distance) if bidirectional else np.maximum(-distance, 0)
    far = near + np.searchsorted(_boundaries(count, max_distance), d, side="right")
    found = np.where(d < near, d, far)
    return np.where(distance > 0, found + count, found) if bidirectional else found


@lru_cache(maxsize=16)
def _boundaries(count: int, max_distance: int) -> Integers:
    """Return the least distance of each logarithmic bucket except the first.

    Python's integers are unbounded, so the comparison is exact.
    """
    near = count // 2
    steps = count - near
    found = []
    for t in range(1, steps):
        d = int(near * (max_distance / near) ** (t / steps))  # it, or less by one
        while d**steps * near**t < max_distance**t * near**steps:
            d += 1
        found.append(d)
    return np.array(found, dtype=np.intp)
