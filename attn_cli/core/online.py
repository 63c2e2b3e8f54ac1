"""Softmax and its sum of values over keys that come one tile after another.

    total_i   = sum_j exp(s_ij - m_i),    weighed_i = sum_j exp(s_ij - m_i) V_j
    context_i = weighed_i / total_i,      lse_i     = m_i + log(total_i)

m_i is the largest score so far, and when it grows, what was summed is scaled: Milakov and
Gimelshein 2018 (arXiv 1805.02867). Where a bound on the scores proves that no exp can overflow, it
is the largest of the first tile in which the row sees a key, and stays: m_i = 0 would do, but the
largest weights would be rounded once more than where exp gives 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import log
from typing import Any

import numpy as np

from attn_cli.core.arrays import Array, Bools
from attn_cli.dataclass import dataclass


@dataclass(frozen=True)
class Bounds:
    """What no |score| and no |value| exceeds, infinite or NaN where that is not known."""

    score: float
    value: float
    keys: int
    dtype: np.dtype[Any]

    @property
    def sums_are_finite(self) -> bool:
        """Whether no sum of values overflows, where no exp is above 1."""
        return self.value * self.keys < float(np.finfo(self.dtype).max) / 4

    @property
    def need_no_maximum(self) -> bool:
        """Whether no sum overflows whichever of a row's scores is taken from all of them.

        Two scores are no further apart than twice the bound. The row whose score is taken counts 1,
        so that no row vanishes.
        """
        largest = log(float(np.finfo(self.dtype).max) / 4)
        return 2 * self.score + log(max(self.value, 1.0) * self.keys) < largest


class Sums:
    """The sums of some queries so far."""

    def __init__(self, weighed: Array, total: Array, highest: Array, *, follow: bool) -> None:
        self.weighed, self.total, self.highest = weighed, total, highest
        self._follow = follow  # whether m is the largest score of all tiles, or of the first
        self._begun = bool(highest.min(initial=0) > -np.inf)  # whether every row has an m
        self._shift = _finite(highest)[:, None]
        # Of the tile at hand: made once, as memory is the one thing that threads wait for.
        self._product = np.empty_like(weighed, order="C")
        self._sum = np.empty_like(total, order="C")

    @classmethod
    def of(cls, rows: int, d_v: int, dtype: np.dtype[Any], *, follow: bool) -> Sums:
        """Return the sums over no keys."""
        highest = np.full(rows, -np.inf, dtype=dtype)
        return cls(np.zeros((rows, d_v), dtype), np.zeros(rows, dtype), highest, follow=follow)

    def part(self, rows: slice) -> Sums:
        """Return the sums of some of the queries: what is added there is added here."""
        return Sums(self.weighed[rows], self.total[rows], self.highest[rows], follow=self._follow)

    def add(self, scores: Array, V: Array) -> None:
        """Add some keys, by their scores (rows x keys), -inf where one is hidden.

        The scores are overwritten.
        """
        if self._follow or not self._begun:
            self._raise(scores.max(axis=1))
        scores -= self._shift
        e = np.exp(scores, out=scores)
        self.weighed += np.matmul(e, V, out=self._product)
        ones = np.ones(len(V), dtype=e.dtype)
        self.total += np.matmul(e, ones, out=self._sum)  # a product is the fastest sum

    def _raise(self, highest: Array) -> None:
        """Let m grow, where it is to be the largest, or is to begin."""
        if not self._follow:
            highest = np.where(np.isneginf(self.highest), highest, self.highest)
        highest = np.maximum(self.highest, highest)
        if not (highest > self.highest).any():
            return
        finite = _finite(highest)
        if self.highest.max() > -np.inf:  # else nothing has been summed
            self._shrink(np.exp(self.highest - finite))
        self.highest[:] = highest
        self._begun, self._shift = bool(highest.min() > -np.inf), finite[:, None]

    def _shrink(self, by: Array) -> None:
        self.weighed *= by[:, None]
        self.total *= by

    def finished(self, sinks: Iterable[float]) -> tuple[Array, Array, Bools]:
        """Return contexts, lse, and which rows had no key; 0 is the context of those.

        `sinks` are logits beside the keys, which add to the total and weigh no value.
        """
        empty: Bools = self.total == 0
        lse: Array = _finite(self.highest) + np.log(self.total)  # log(0) is -inf
        for sink in sinks:
            logit = self.total.dtype.type(sink)
            lse = np.logaddexp(lse, logit)  # which keeps what is tiny beside the sink
            highest = np.maximum(self.highest, logit)
            self._shrink(np.exp(self.highest - highest))
            self.total += np.exp(logit - highest)
            self.highest[:] = highest
        divisor = np.where(self.total == 0, self.total.dtype.type(1), self.total)
        return self.weighed / divisor[:, None], lse, empty


def _finite(highest: Array) -> Array:
    """Return m, 0 where no key has been seen: -inf - (-inf) is NaN."""
    finite: Array = np.where(np.isneginf(highest), highest.dtype.type(0), highest)
    return finite
