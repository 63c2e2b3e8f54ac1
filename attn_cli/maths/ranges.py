"""Sets of keys that lie in ranges: (start, stop) pairs, ascending, apart and none of them empty."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from attn_cli.arrays import Bools

Range = tuple[int, int]  # keys from .. up to, but not including
Ranges = tuple[Range, ...]


def union(some: Iterable[Range]) -> Ranges:
    """Return the ranges that hold every key of some ranges, in any order, and no other.

    >>> union([(5, 8), (0, 2), (7, 9), (2, 3), (4, 4)])
    ((0, 3), (5, 9))
    """
    found: list[Range] = []
    for start, stop in sorted(some):
        if start >= stop:
            continue
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(stop, found[-1][1])
        else:
            found.append((start, stop))
    return tuple(found)


def up_to(n: int) -> Ranges:
    """Return the first n keys."""
    return ((0, n),) if n > 0 else ()


def intersection(some: Iterable[Range], others: Iterable[Range]) -> Ranges:
    """Return the ranges that hold the keys that both have.

    >>> intersection([(0, 4), (6, 9)], [(2, 7)])
    ((2, 4), (6, 7))
    """
    found: list[Range] = []
    mine, theirs = iter(some), iter(others)
    a, b = next(mine, (0, 0))
    c, d = next(theirs, (0, 0))
    while a < b and c < d:  # both are ascending
        if max(a, c) < min(b, d):
            found.append((max(a, c), min(b, d)))
        if b <= d:
            a, b = next(mine, (0, 0))
        else:
            c, d = next(theirs, (0, 0))
    return tuple(found)


def without(some: Iterable[Range], taken: Range) -> Ranges:
    """Return the ranges that hold the keys of `some` that are not in `taken`.

    >>> without([(0, 9)], (3, 5))
    ((0, 3), (5, 9))
    """
    start, stop = taken
    return union(part for a, b in some for part in ((a, min(b, start)), (max(a, stop), b)))


def runs(found: Bools) -> Ranges:
    """Return the ranges of the indices at which an array of booleans is true.

    >>> runs(np.array([True, True, False, True]))
    ((0, 2), (3, 4))
    """
    padded = np.zeros(len(found) + 2, dtype=np.bool_)
    padded[1:-1] = found
    edges = np.flatnonzero(padded[1:] != padded[:-1]).tolist()
    return tuple(zip(edges[::2], edges[1::2], strict=True))


def longest(ranges: Ranges) -> Range:
    """Return the longest range; (0, 0) if there is none."""
    return max(ranges, key=lambda part: part[1] - part[0], default=(0, 0))


def joined(ranges: Ranges, gap: int) -> Ranges:
    """Return the ranges with those joined that are at most so many keys apart.

    >>> joined(((0, 2), (3, 5), (9, 12)), 1)
    ((0, 5), (9, 12))
    """
    found: list[Range] = []
    for start, stop in ranges:
        if found and start - found[-1][1] <= gap:
            found[-1] = found[-1][0], stop
        else:
            found.append((start, stop))
    return tuple(found)


def hull(ranges: Ranges) -> Range:
    """Return the range from the first key to the last; (0, 0) if there is none."""
    return (ranges[0][0], ranges[-1][1]) if ranges else (0, 0)
