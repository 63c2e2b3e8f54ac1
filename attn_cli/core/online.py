"""Softmax and its sum of values over keys that come one tile after another.

    total_i   = sum_j exp(s_ij - m_i),    weighed_i = sum_j exp(s_ij - m_i) V_j
    context_i = weighed_i / total_i,      lse_i     = m_i + log(total_i)

m_i is any number; 0 serves where `Bounds` prove it. Else it is the largest score so far, and when
it grows, what was summed is scaled: Milakov and Gimelshein 2018 (arXiv 1805.02867).
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
    """What holds of all scores and values: infinite or NaN where nothing is known.

    A third of the exponents that the type has goes to exp, a third to the values and how many
    there are; the last keeps sums apart from what is too large, and from what is too small.
    """

    score: float  # no |s_ij| is larger
    value: float  # no |V_jc| is larger
    least: float  # the smallest of the largest |V_jc| of each column that is not all 0
    keys: int
    dtype: np.dtype[Any]

    @property
    def sums_are_finite(self) -> bool:
        """Whether no sum of values overflows, before it is divided by the total."""
        return self.value * self.keys < float(np.finfo(self.dtype).max) / 4

    @property
    def no_maximum(self) -> bool:
        """Whether m = 0 serves: no exp overflows, and no row of them vanishes."""
        info = np.finfo(self.dtype)
        third = float(info.max) ** (1 / 3)
        return (
            self.score < log(third)
            and self.value * self.keys < third
            and self.least > float(info.tiny) ** (1 / 3)
        )


def bounds_of(V: Array, score: float) -> Bounds:
    """Return what is known, with no |score| larger than `score`."""
    columns = np.maximum(V.max(axis=0), -V.min(axis=0))
    some = columns[columns != 0]
    least = float(some.min()) if some.size else np.inf
    return Bounds(score, float(columns.max()), least, len(V), V.dtype)


class Sums:
    """The sums of some queries so far."""

    def __init__(self, weighed: Array, total: Array, highest: Array, *, follow: bool) -> None:
        self.weighed, self.total, self.highest = weighed, total, highest
        self._follow = follow  # whether m is the largest score

    @classmethod
    def of(cls, rows: int, d_v: int, dtype: np.dtype[Any], *, follow: bool) -> Sums:
        """Return the sums over no keys."""
        highest = np.full(rows, -np.inf if follow else 0.0, dtype=dtype)
        return cls(np.zeros((rows, d_v), dtype), np.zeros(rows, dtype), highest, follow=follow)

    def part(self, rows: slice) -> Sums:
        """Return the sums of some of the queries: what is added there is added here."""
        return Sums(self.weighed[rows], self.total[rows], self.highest[rows], follow=self._follow)

    def add(self, scores: Array, V: Array) -> None:
        """Add some keys, by their scores (rows x keys), -inf where one is hidden.

        The scores are overwritten.
        """
        if self._follow:
            highest = np.maximum(self.highest, scores.max(axis=1))
            if (highest > self.highest).any():
                self._shrink(np.exp(self.highest - _finite(highest)))
                self.highest[:] = highest
            scores -= _finite(self.highest)[:, None]
        e = np.exp(scores, out=scores)
        self.weighed += e @ V
        self.total += e @ np.ones(len(V), dtype=e.dtype)  # a product is the fastest sum

    def _shrink(self, by: Array) -> None:
        self.weighed *= by[:, None]
        self.total *= by

    def finished(self, sinks: Iterable[float]) -> tuple[Array, Array, Bools]:
        """Return contexts, lse, and which rows had no key; 0 is the context of those.

        `sinks` are logits beside the keys, which add to the total and weigh no value.
        """
        empty: Bools = self.total == 0
        for sink in sinks:
            logit = self.total.dtype.type(sink)
            highest = np.where(empty, logit, np.maximum(self.highest, logit))
            self._shrink(np.where(empty, 0, np.exp(self.highest - highest)))
            self.total += np.exp(logit - highest)
            self.highest[:] = highest
        lse: Array = _finite(self.highest) + np.log(self.total)  # log(0) is -inf
        divisor = np.where(self.total == 0, self.total.dtype.type(1), self.total)
        return self.weighed / divisor[:, None], lse, empty


def _finite(highest: Array) -> Array:
    """Return m, 0 where no key has been seen: -inf - (-inf) is NaN."""
    finite: Array = np.where(np.isneginf(highest), highest.dtype.type(0), highest)
    return finite
