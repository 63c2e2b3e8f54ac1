"""Sets of keys that lie in ranges: (start, stop) pairs, ascending, apart and none of them empty."""

from __future__ import annotations

from collections.abc import Iterable

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


def intersection(some: Iterable[Range], others: Iterable[Range]) -> Ranges:
    """Return the ranges that hold the keys that both have.

    >>> intersection([(0, 4), (6, 9)], [(2, 7)])
    ((2, 4), (6, 7))
    """
    others = tuple(others)
    return union((max(a, c), min(b, d)) for a, b in some for c, d in others)


def without(some: Iterable[Range], taken: Range) -> Ranges:
    """Return the ranges that hold the keys of `some` that are not in `taken`.

    >>> without([(0, 9)], (3, 5))
    ((0, 3), (5, 9))
    """
    start, stop = taken
    return union(part for a, b in some for part in ((a, min(b, start)), (max(a, stop), b)))


def hull(ranges: Ranges) -> Range:
    """Return the range from the first key to the last; (0, 0) where there is none."""
    return (ranges[0][0], ranges[-1][1]) if ranges else (0, 0)
