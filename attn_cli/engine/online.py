"""Softmax and its sum of values over keys that come one tile after another.

    total_i   = sum_j exp(s_ij - m_i),    weighed_i = sum_j exp(s_ij - m_i) V_j
    context_i = weighed_i / total_i,      lse_i     = m_i + log(total_i)

m_i is the largest score so far; when it grows, the sums are scaled: Milakov and Gimelshein 2018
(arXiv 1805.02867). m_i may lag behind a little without an overflow of exp, so it seldom has to
grow. If a bound on the scores proves that no exp can overflow, m_i stays the largest score of the
first tile in which the row sees a key. m_i = 0 would do as well, but then the exp of the largest
score is not exactly 1, which rounds the largest weights once more.

Scores that are products may come as s_ij - m_i: m_i is one more column of their first factor.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from math import exp, inf, log
from typing import Any

import numpy as np

from attn_cli.arrays import Array, Bools, every, some
from attn_cli.dataclass import dataclass

SLACK = 8.0  # by which a score may exceed m


@dataclass(frozen=True)
class Bounds:
    """Bounds on |score| and |value|, infinite or NaN if they are not known."""

    score: float
    value: float
    keys: int
    dtype: np.dtype[Any]

    @property
    def sums_are_finite(self) -> bool:
        """Whether no sum of values overflows if no exp is above 1."""
        return self.value * self.keys < self._most

    @property
    def need_no_maximum(self) -> bool:
        """Whether no sum overflows if m is any score of the row.

        Two scores differ by at most twice the bound. The key whose score is m contributes 1, so
        that no total is 0.
        """
        return 2 * self.score + log(max(self.value, 1.0) * self.keys) < log(self._most)

    @property
    def max_slack(self) -> float:
        """The amount by which a score may exceed m without overflow: infinite, SLACK, or 0."""
        if self.need_no_maximum:
            return inf
        return SLACK if max(self.value, 1.0) * self.keys * exp(SLACK) < self._most else 0.0

    @property
    def _most(self) -> float:
        """The bound for sums, low enough that they stay finite with their rounding."""
        return float(np.finfo(self.dtype).max) / 4

    @property
    def underflow_floor(self) -> float | None:
        """The least s - m of keys that count; None if all must, because the loss may matter.

        exp below it is subnormal, and takes two or three times as long. The loss is smaller than
        numbers at which products have all their digits.
        """
        info = np.finfo(self.dtype)
        floor = log(float(info.tiny)) + 1.5
        lost = exp(floor) * self.value * self.keys
        matters = not lost < float(info.tiny / info.eps)
        return None if self.need_no_maximum or matters else floor


class Sums:
    """The sums of some queries so far."""

    def __init__(
        self,
        weighed: Array,
        total: Array,
        highest: Array,
        *,
        max_slack: float,
        underflow_floor: float | None = None,
        neg_max: Array | None = None,
    ) -> None:
        self.weighed, self.total, self.highest = weighed, total, highest
        self._max_slack = max_slack  # by which a score may exceed m; infinite: m never changes
        self._underflow_floor = underflow_floor  # for s - m
        self._neg_max = neg_max  # -m, if scores come as s - m; None if they come as s
        unseen = np.count_nonzero(highest == -inf)
        self._begun = unseen == 0  # whether every row has an m
        self._m = _finite(highest.copy())
        self._none = unseen == len(highest)  # whether nothing has been summed
        self._buffers: tuple[Array, Array] | None = None  # for the sums of one tile; allocated once

    @classmethod
    def of(
        cls,
        rows: int,
        d_v: int,
        dtype: np.dtype[Any],
        *,
        max_slack: float,
        underflow_floor: float | None = None,
    ) -> Sums:
        """Return the sums over no keys."""
        weighed, total = np.zeros((rows, d_v), dtype), np.zeros(rows, dtype)
        highest = np.full(rows, -inf, dtype=dtype)
        return cls(weighed, total, highest, max_slack=max_slack, underflow_floor=underflow_floor)

    def part(self, rows: slice, neg_max: Array | None = None) -> Sums:
        """Return a view of the sums of some queries: adding to it adds to these sums.

        `neg_max`, one number per query, receives -m, and added scores must come as s - m. A part
        of these sums inherits its share of it.
        """
        if self._neg_max is not None:
            neg_max = self._neg_max[rows]
        own = self.weighed[rows], self.total[rows], self.highest[rows]
        sums = Sums(
            *own, max_slack=self._max_slack, underflow_floor=self._underflow_floor, neg_max=neg_max
        )
        if neg_max is not None:
            np.negative(sums._m, out=neg_max)
        return sums

    def add(self, scores: Array, V: Array) -> None:
        """Add some keys, by their scores (rows x keys), -inf where one is hidden.

        The scores are overwritten.
        """
        if self._max_slack < inf or not self._begun:
            self._raise(scores)
        if self._neg_max is None:
            scores -= self._m[:, None]
        e, ones = self._exponentials(scores), _ones(len(V), scores.dtype)
        if self._none:
            np.matmul(e, V, out=self.weighed)
            np.matmul(e, ones, out=self.total)  # a product is the fastest sum
            self._none = False
            return
        if self._buffers is None:
            self._buffers = np.empty_like(self.weighed, order="C"), np.empty_like(self.total)
        weighed, total = self._buffers
        self.weighed += np.matmul(e, V, out=weighed)
        self.total += np.matmul(e, ones, out=total)

    def _exponentials(self, scores: Array) -> Array:
        """Return exp(s - m), 0 at the floor or below, in place of the scores."""
        if self._underflow_floor is None:
            return np.exp(scores, out=scores)
        # A row: NumPy's loops for one number are three times as slow.
        floor = np.full(scores.shape[-1], self._underflow_floor, dtype=scores.dtype)
        np.maximum(scores, floor, out=scores)
        e = np.exp(scores, out=scores)
        e -= np.exp(floor)
        return e

    def _raise(self, scores: Array) -> None:
        """Raise m to the largest score if it may change, or has none yet; adjust scores s - m."""
        highest = scores.max(axis=1)
        if self._neg_max is not None:
            highest += self._m
        most = self.highest  # that m may lag behind
        if not self._none:
            most = np.where(self.highest == -inf, self.highest, self._m + self._max_slack)
        grows = highest > most
        if not some(grows):
            return
        if not every(grows):
            highest = np.where(grows, highest, self.highest)
        finite = _finite(highest)
        if not self._none:
            self._shrink(np.exp(self.highest - finite))
        if self._neg_max is not None:
            _take(scores, finite - self._m)
            np.negative(finite, out=self._neg_max)
        self.highest[:] = highest
        self._begun, self._m = finite is highest, finite

    def _shrink(self, by: Array) -> None:
        self.weighed *= by[:, None]
        self.total *= by

    def merge(self, other: Sums) -> None:
        """Add the sums over other keys for the same queries.

            m = max(m_1, m_2),   total = total_1 exp(m_1 - m) + total_2 exp(m_2 - m)

        and the weighed values likewise. Any split of the keys, merged in any order, gives the
        result of all keys at once up to rounding.
        """
        highest = np.maximum(self.highest, other.highest)
        finite = _finite(highest)
        theirs = np.exp(other.highest - finite)
        if not self._none:
            self._shrink(np.exp(self.highest - finite))
        self.weighed += theirs[:, None] * other.weighed
        self.total += theirs * other.total
        self._none = self._none and other._none
        if self._neg_max is not None:
            np.negative(finite, out=self._neg_max)
        self.highest[:] = highest
        self._begun, self._m = finite is highest, finite

    def finished(self, sinks: Iterable[float]) -> tuple[Array, Array, Bools]:
        """Return contexts, lse, and which rows had no key; the context of those is 0.

        Nothing can be added afterwards: the contexts overwrite the sums.
        `sinks` are logits that add to the total and weigh no value.
        """
        empty: Bools = self.highest == -inf
        # Vectorised exp may round the same floor differently at different positions.
        if some(empty):
            self.total[empty], self.weighed[empty] = 0, 0
        lse: Array = _finite(self.highest) + np.log(self.total)  # log(0) is -inf
        for sink in sinks:
            logit = self.total.dtype.type(sink)
            lse = np.logaddexp(lse, logit)  # exact even if one of the two is tiny
            highest = np.maximum(self.highest, logit)
            self._shrink(np.exp(self.highest - highest))
            self.total += np.exp(logit - highest)
            self.highest[:] = highest
        if every(self.total):
            self.weighed /= self.total[:, None]
        else:  # not by 0
            self.weighed /= np.where(self.total == 0, self.total.dtype.type(1), self.total)[:, None]
        return self.weighed, lse, empty


@lru_cache(maxsize=8)
def _ones(count: int, dtype: np.dtype[Any]) -> Array:
    ones = np.ones(count, dtype)
    ones.flags.writeable = False
    return ones


def _take(scores: Array, grown: Array) -> None:
    """Subtract the growth of m from each row of scores; few rows have any."""
    rows = np.flatnonzero(grown)
    if len(rows) < len(grown) // 4:
        scores[rows] -= grown[rows, None]
    else:
        scores -= grown[:, None]


def _finite(highest: Array) -> Array:
    """Return m, or 0 if no key has been seen: -inf - (-inf) is NaN.

    If every row has seen one, that is the array itself.
    """
    unseen = highest == -inf
    return np.where(unseen, highest.dtype.type(0), highest) if some(unseen) else highest
