"""Which queries stand for all of them if there are too many scores to compute."""

from __future__ import annotations

LIMIT = 1 << 31  # scores; above it queries are sampled
AIM = 1 << 26  # scores that are computed then
LEAST = 64  # queries of each head that are computed at least


def evenly(count: int, most: int) -> range:
    """Return at most `most` of the numbers below `count`: every s-th, from the middle of the first.

    Their mean is about that of all numbers, so that what grows along the queries is not shifted.

    >>> evenly(10, 3)
    range(1, 10, 4)
    """
    stride = -(-count // max(most, 1)) or 1
    return range((stride - 1) // 2, count, stride)


def sampled(queries: int, keys: int, entries: int) -> range:
    """Return the queries to compute of each of so many batch entries and heads: all, or some."""
    if queries * keys * entries <= LIMIT:
        return range(queries)
    return evenly(queries, max(AIM // (keys * entries), LEAST))
