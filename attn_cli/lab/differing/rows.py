"""Which query rows are compared, and how many of them at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from attn_cli.arrays import Integers

LIMIT = 1 << 22  # pairs of queries and keys, over all heads; above it rows are sampled
AT_ONCE = 1 << 18  # that are compared at a time
LEAST = 8  # rows that are compared at least


def rows_of(queries: int, keys: int, entries: int, *, exact: bool) -> Integers:
    """Return the rows to compare: all, or some.

    Sampled rows have an odd distance, so that a fault of every 64th row is met; the first and the
    last are among them.
    """
    most = max(LIMIT // max(keys * entries, 1), LEAST)
    if exact or queries <= most:
        return np.arange(queries)
    stride = -(-queries // most) | 1
    return np.union1d(np.arange(0, queries, stride), [queries - 1]).astype(np.intp)


def parts(rows: Integers, keys: int, entries: int) -> Iterator[Integers]:
    """Yield the rows a few at a time."""
    height = max(AT_ONCE // max(keys * entries, 1), 1)
    for first in range(0, len(rows), height):
        yield rows[first : first + height]


def said(rows: Integers, queries: int) -> str:
    """Return which rows are compared, if not all are."""
    if len(rows) == queries:
        return ""
    stride = int(rows[1] - rows[0])
    return f"{len(rows)} of {queries} rows were compared: every {stride}th, and the last"
