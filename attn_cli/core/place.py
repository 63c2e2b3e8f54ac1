"""Which queries and keys of a block are meant: what masks, biases and positions are asked about."""

from __future__ import annotations

from typing import NamedTuple

from attn_cli.core.arrays import Integers


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
