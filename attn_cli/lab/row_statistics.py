"""Statistics of rows of weights: how far a query spreads its attention, and where it goes.

w_j is the weight of key j, one of the n keys that query i sees; s = sum_j w_j, and p_j = w_j / s.

    entropy     H = -sum_j p_j log2 p_j      in bits; 0 log2 0 = 0
    effective   2^H                          the number of equal weights with that entropy
    relative    H / log2 n                   1: equal weights; n is 2 or more
    distance    sum_j p_j |x_j - x_i|        x_i, x_j: positions of query i and key j
    top_90      the least m such that m of the p_j add up to 0.9 or more
    max         max_j w_j
    first       w_j of x_j = 0
    diagonal    w_j of x_j = x_i             0 if that key is hidden
    previous    w_j of x_j = x_i - 1

The first five have no value if a weight is negative, if s is 0, or if s is not finite; the last
three if the sequence has no such key.
"""

from __future__ import annotations

import numpy as np

from attn_cli.arrays import AnyArray, Array, Bools, Integers
from attn_cli.dataclass import dataclass
from attn_cli.maths.visible.base import CODES

SHARE = 0.9  # of the weights, of `top_90`
_ROUNDING = 1e-9  # nine equal weights of ten are 0.9, whatever their sum is rounded to
_FEW = 64  # weights that are sorted at first
# Reasons why a key is not a token of the query's sequence at all.
_ABSENT = np.array([CODES["key_lengths"], CODES["key_start"], CODES["documents"]], dtype=np.uint8)


@dataclass(frozen=True)
class RowStatistics:
    """One value per row; NaN if there is none. `key` is -1 and `keys` 0 if no key is seen."""

    keys: Integers  # the number of keys that the query sees
    zeros: Bools  # whether one of them has weight 0
    total: Array  # the sum of their weights
    wild: Bools  # whether a weight is negative, or the sum is not finite
    shared: Bools  # whether weights are shares of their sum: entropy and so on have a value
    entropy: Array
    effective: Array
    relative: Array
    max: Array
    key: Integers  # the first that has the largest weight
    distance: Array
    first: Array  # the weight of the key at position 0
    diagonal: Array  # of the key at the position of the query
    previous: Array  # of the key one before it
    top_90: Array


FIELDS = tuple(RowStatistics.__annotations__)


def row_statistics(
    weights: AnyArray,
    codes: AnyArray,
    keys: Integers,
    queries: Integers | None,
    *,
    sorts: bool = True,
) -> RowStatistics:
    """Return the statistics of each row of weights (rows, keys).

    `codes` are those of the step `visible`, of the same shape: 0 if the query sees the key; other
    weights have no meaning. `keys` and `queries` are the positions of columns and rows; None if the
    queries are not among the keys. Without `sorts`, which is most of the work, top_90 has no value.
    """
    seen = codes == 0
    w = np.where(seen, weights, 0.0).astype(np.float64, order="C", copy=False)
    count = seen.sum(axis=1)
    some = count > 0
    with np.errstate(invalid="ignore", over="ignore"):
        total = w.sum(axis=1)
        wild = ~np.isfinite(total) | ~(w.min(axis=1, initial=0.0) >= 0)
    shared = some & ~wild & (total > 0)
    p = w[shared] / total[shared, None]
    entropy = _entropy(p)
    key, largest = _largest(w, seen)
    first = np.zeros(len(w), dtype=np.intp)
    return RowStatistics(
        keys=count,
        zeros=(seen & (w == 0)).any(axis=1),
        total=np.where(some, total, np.nan),
        wild=wild,
        shared=shared,
        entropy=_placed(shared, entropy),
        effective=_placed(shared, np.exp2(entropy)),
        relative=_placed(shared, entropy / _log2_of_several(count[shared])),
        max=np.where(some, largest, np.nan),
        key=np.where(some, key, -1),
        distance=_distance(p, keys, queries, shared),
        first=_at(w, codes, keys, first),
        diagonal=_at(w, codes, keys, queries),
        previous=_at(w, codes, keys, None if queries is None else queries - 1),
        top_90=_placed(shared, _holders(p, SHARE) if sorts else np.full(len(p), np.nan)),
    )


def _entropy(p: Array) -> Array:
    """Return -sum p log2 p of each row, not below 0."""
    logarithms = np.log2(np.maximum(p, np.finfo(p.dtype).tiny))
    entropy: Array = np.maximum(-np.einsum("ij,ij->i", p, logarithms), 0.0)
    return entropy


def _log2_of_several(count: Integers) -> Array:
    """Return log2 of each number, NaN of those below 2."""
    logarithms: Array = np.log2(np.where(count < 2, np.nan, count))
    return logarithms


def _largest(w: Array, seen: Bools) -> tuple[Integers, Array]:
    """Return the first seen key with the largest weight of each row, and that weight."""
    rows = np.arange(len(w))
    key = w.argmax(axis=1)
    low = np.flatnonzero(~(w[rows, key] > 0))  # the 0 there may be that of a hidden key
    if len(low):
        key[low] = np.where(seen[low], w[low], -np.inf).argmax(axis=1)
    return key, w[rows, key]


def _distance(p: Array, keys: Integers, queries: Integers | None, shared: Bools) -> Array:
    """Return sum p |p(j) - p(i)| of each row."""
    if queries is None:
        return np.full(len(shared), np.nan)
    apart = np.abs(np.subtract.outer(queries[shared], keys)).astype(np.float64)
    return _placed(shared, np.einsum("ij,ij->i", p, apart))


def _at(w: Array, codes: AnyArray, keys: Integers, wanted: Integers | None) -> Array:
    """Return the weight of the keys at a position of each row; NaN if its sequence has none there.

    Padding and other documents are not of its sequence. A row that sees no key has NaN too.
    """
    found = np.full(len(w), np.nan)
    if wanted is None:
        return found
    order = np.argsort(keys, kind="stable")
    begin, end = (np.searchsorted(keys, wanted, side, order) for side in ("left", "right"))
    for nth in range(int((end - begin).max(initial=0))):  # several keys may be at one position
        rows = np.flatnonzero(begin + nth < end)
        j = order[begin[rows] + nth]
        there = ~np.isin(codes[rows, j], _ABSENT)
        rows, j = rows[there], j[there]
        found[rows] = np.where(np.isnan(found[rows]), 0.0, found[rows]) + w[rows, j]
    found[(codes != 0).all(axis=1)] = np.nan
    return found


def _placed(where: Bools, values: AnyArray) -> Array:
    """Return the values at their rows, NaN at all others."""
    found = np.full(len(where), np.nan)
    found[where] = values
    return found


def _holders(p: Array, share: float) -> Integers:
    """Return of each row the least number of values that add up to a share of 1.

    If the largest few can hold it they are sorted first, as they mostly do, else all.
    """
    needed, few = share * (1 - _ROUNDING), min(_FEW, p.shape[1])
    found = np.zeros(len(p), dtype=np.intp)
    due = np.arange(len(p))
    maybe = due[p.max(axis=1, initial=0.0) * few >= needed]
    if len(maybe) and few < p.shape[1]:
        counts = _counted(np.partition(p[maybe], -few, axis=1)[:, -few:], needed)
        found[maybe] = np.where(counts > few, 0, counts)
        due = np.flatnonzero(found == 0)
    if len(due):
        found[due] = np.minimum(_counted(p[due], needed), p.shape[1])
    return found


def _counted(values: Array, needed: float) -> Integers:
    """Return how many of the largest values add up to what is needed; one more than all: none."""
    sums = np.cumsum(np.sort(values, axis=1)[:, ::-1], axis=1)
    counts: Integers = 1 + (sums < needed).sum(axis=1)
    return counts
