"""The positions that sparse attention selects: the union of the given selections.

Positions are numbers from 0; i is a query's, j a key's.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce

import numpy as np

from attn_cli.arrays import Array, Bools, Integers
from attn_cli.dataclass import dataclass
from attn_cli.maths.place import near
from attn_cli.maths.ranges import Range, Ranges, intersection, runs, union, up_to


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The selections of sparse attention, united.

    pairs           (i, j) is in the list
    window          |i - j| <= window
    stride          (i - j) mod stride = 0
    block           i div block = j div block
    global_tokens   i < global_tokens or j < global_tokens
    top_k           the top_k largest visible scores of the row; ties with the last are kept

    A key that is not `defined` is never selected; if nothing else is given, all others are.
    """

    pairs: Integers | None = None  # (number of pairs, 2), sorted by query
    window: int | None = None
    stride: int | None = None
    block: int | None = None
    global_tokens: int | None = None
    top_k: int | None = None
    defined: Bools | None = None  # (n_k): keys for which there is a score; None: all

    @property
    def empty(self) -> bool:
        """Whether no selection is given."""
        return all(value is None for name, value in vars(self).items() if name != "defined")

    @property
    def only_defined(self) -> bool:
        """Whether all defined keys are selected."""
        return self.defined is not None and self.empty

    def __call__(self, i: Integers, j: Integers, scores: Array, visible: Bools) -> Bools:
        """Return (len(i) x len(j)): whether a position is selected.

        `scores` and `visible` belong to the same positions; only `top_k` reads them.
        """
        found = list(self._each(i, j, scores, visible))
        chosen = reduce(np.logical_or, found) if found else np.zeros((len(i), len(j)), np.bool_)
        return chosen if self.defined is None else chosen & self.defined[None, j]

    def _each(self, i: Integers, j: Integers, scores: Array, visible: Bools) -> Iterator[Bools]:
        """Yield the positions of each given selection."""
        rows, columns = i[:, None], j[None, :]
        if self.only_defined:
            yield np.ones((len(i), len(j)), dtype=np.bool_)
        if self.pairs is not None:
            yield among(self.pairs, i, j)
        if self.window is not None:
            yield near(i, j, self.window, self.window)
        if self.stride is not None:
            yield (rows - columns) % self.stride == 0
        if self.block is not None:
            yield rows // self.block == columns // self.block
        if self.global_tokens is not None:
            yield (rows < self.global_tokens) | (columns < self.global_tokens)
        if self.top_k is not None:
            seen = visible if self.defined is None else visible & self.defined[None, j]
            yield k_largest(scores, seen, self.top_k)

    def reach(self, i: Integers, n_k: int) -> Ranges:
        """Return the ranges outside which no key can be selected for the queries i."""
        first, last, shared = int(i.min()), int(i.max()), self.global_tokens or 0
        if self.only_defined or self.stride is not None or self.top_k is not None or first < shared:
            return up_to(n_k)
        found: list[Range] = [(0, shared)]
        if self.window is not None:
            found.append((first - self.window, last + self.window + 1))
        if self.block is not None:
            found.append((first // self.block * self.block, (last // self.block + 1) * self.block))
        if self.pairs is not None:
            keys = self.pairs[slice(*np.searchsorted(self.pairs[:, 0], (first, last + 1))), 1]
            if len(keys):
                found.append((int(keys.min()), int(keys.max()) + 1))
        return union((max(start, 0), min(stop, n_k)) for start, stop in found)

    def open(self, i: Integers, n_k: int) -> Range:
        """Return a range of which every key is selected for each of the queries i; (0, 0): none.

        It is the longest one that follows from the first and the last query.
        """
        first, last = int(i.min()), int(i.max())
        found: list[Range] = [
            (0, n_k if self.only_defined or last < (self.global_tokens or 0) else 0)
        ]
        found.append((0, self.global_tokens or 0))
        if self.window is not None:
            found.append((last - self.window, first + self.window + 1))
        if self.block is not None and first // self.block == last // self.block:
            start = first // self.block * self.block
            found.append((start, start + self.block))
        whole = union((max(start, 0), min(stop, n_k)) for start, stop in found)
        if self.defined is not None:
            whole = intersection(whole, runs(self.defined))
        return max(whole, key=lambda part: part[1] - part[0], default=(0, 0))


def among(pairs: Integers, i: Integers, j: Integers) -> Bools:
    """Return (len(i) x len(j)): whether (i, j) is one of the pairs, which are sorted by query.

    The keys are neighbours, or all as far from each other.
    """
    found = np.zeros((len(i), len(j)), dtype=np.bool_)
    first = int(j[0]) if len(j) else 0
    step = int(j[1]) - first if len(j) > 1 else 1
    starts = np.searchsorted(pairs[:, 0], i, side="left")
    stops = np.searchsorted(pairs[:, 0], i, side="right")
    for row in np.flatnonzero(stops > starts):
        columns, between = np.divmod(pairs[starts[row] : stops[row], 1] - first, step)
        found[row, columns[(between == 0) & (columns >= 0) & (columns < len(j))]] = True
    return found


def k_largest(scores: Array, visible: Bools, count: int) -> Bools:
    """Return True at the `count` largest visible scores of each row and at ties with the last.

    A NaN that is visible counts as larger than all: it must show, not vanish.
    """
    ranked = np.where(visible, np.where(np.isnan(scores), np.inf, scores), -np.inf)
    if count >= scores.shape[1]:
        return visible
    last = np.partition(ranked, -count, axis=1)[:, -count, None]
    chosen: Bools = (ranked >= last) & visible
    return chosen
