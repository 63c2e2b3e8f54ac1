"""Sizes that the cases share: a different one for each axis.

A run takes as long as there are heads and batch entries: a convention that has nothing to do with
heads is tried in THREE or TWO, and in FOUR as one of its family.
"""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

from tests.conformance.strategies.sizes import Sizes

Cases = dict[str, tuple[Sizes, dict[str, Any]]]
"""The sizes and the keys of a problem by the name of the convention."""

TWO = Sizes(
    *(2, 1, 1, 1),  # axes, batch, heads, kv_heads
    *(5, 7, 0),  # n_q, new, past
    *(4, 3),  # d_k, d_v
    has_heads=False,
    numbers=random.Random(11),
)
SQUARE = replace(TWO, new=5)
THREE = replace(TWO, axes=3, batch=2)
PACKED = replace(THREE, heads=6, kv_heads=3, has_heads=True)
FOUR = replace(PACKED, axes=4)
SHARED = replace(FOUR, heads=3, kv_heads=1)
PAST = replace(FOUR, past=2)
STANDS = {"offset": [1, 3]}
"""The positions of the queries of the batch entries, for keys that need them."""

_M = FOUR.choices([True, True, False], 2, 6, 5, 7)
BOOLEANS = {"values": _M, "true_means": "attend"}
OTHER_WAY = {"values": _M, "true_means": "ignore"}
NUMBERS = FOUR.choices([-math.inf, -1.5, 0.0, 0.25], 2, 1, 5, 7)
# The same for THREE, which has no heads.
BOOLEANS_OF_ENTRIES = {"values": [heads[0] for heads in _M], "true_means": "attend"}
NUMBERS_OF_ENTRIES = [heads[0] for heads in NUMBERS]
