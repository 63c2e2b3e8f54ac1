"""What every scheme that hides keys is, and how the answers of several are joined.

A scheme answers two questions about positions: `sees`, which of these keys these queries see, and
`reach`, outside which range they see none. What any scheme hides is hidden.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from attn_cli.core.arrays import Bools, Integers
from attn_cli.core.place import Place

Reach = tuple[int, int]  # keys from .. up to, but not including
Lead = tuple[int, ...]  # which batch entry and head
Codes = NDArray[np.uint8]

# Why a key is hidden. The index is the code in the step `visible`; where several hide a key, the
# first of them here is named.
REASONS = ("visible", "causal", "window", "length", "document", "sparse", "user", "top_k")
CODES = {reason: code for code, reason in enumerate(REASONS)}


class Scheme(Protocol):
    """What every scheme that hides keys can be asked."""

    reason: ClassVar[str]  # one of REASONS

    @property
    def formula(self) -> str:
        """What it asks of i and j for a key to be seen, for the title of the step."""
        ...

    def sees(self, at: Place) -> Bools:
        """Return (len(i) x len(j)), or what broadcasts to it: True where query i sees key j."""
        ...

    def reach(self, batch: int, p: Integers, n_k: int) -> Reach:
        """Return the range of keys outside which queries that stand at p see none.

        p holds at least one position; 0 <= start <= stop <= n_k.
        """
        ...


def all_of(schemes: Iterable[Scheme], at: Place) -> Bools:
    """Return (len(i) x len(j)) True where every scheme lets query i see key j."""
    visible = np.ones((len(at.i), len(at.j)), dtype=np.bool_)
    for scheme in schemes:
        visible &= scheme.sees(at)
    return visible


def codes(schemes: Iterable[Scheme], at: Place) -> Codes:
    """Return (len(i) x len(j)): 0 where a key is seen, else the first reason why it is not."""
    found = np.zeros((len(at.i), len(at.j)), dtype=np.uint8)
    # The first reason is written last.
    for scheme in sorted(schemes, key=lambda s: CODES[s.reason], reverse=True):
        np.copyto(found, CODES[scheme.reason], where=~scheme.sees(at))
    return found


def common_reach(schemes: Iterable[Scheme], batch: int, p: Integers, n_k: int) -> Reach:
    """Return the range of keys that no scheme excludes whole; (0, 0) where there is none."""
    start, stop = (0, n_k) if len(p) else (0, 0)
    for scheme in schemes if len(p) else ():
        first, last = scheme.reach(batch, p, n_k)
        start, stop = max(start, first), min(stop, last)
    return (start, stop) if start < stop else (0, 0)
