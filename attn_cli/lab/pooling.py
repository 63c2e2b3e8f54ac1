"""Blocks of a matrix as one number each, while its rows come: never the matrix as a whole.

    mass   mean over the queries of a block of what they give to its keys together
    max    the number of the largest magnitude, with its sign; hidden keys take no part

Rows pooled by mass sum to what the rows of the weights sum to on average, mostly 1. A cell is
hidden if all of its block is, for the first of the reasons.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from attn_cli.arrays import AnyArray, Array, Integers
from attn_cli.dataclass import dataclass

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

How = Literal["mass", "max"]
NEVER = 255  # more than any code of a reason: no row has come yet


@dataclass(frozen=True)
class Cut:
    """Which positions of an axis are drawn, how many share a cell, and which of them are read."""

    first: int
    stop: int
    block: int = 1
    stride: int = 1  # divides the block

    @property
    def cells(self) -> int:
        """The number of cells."""
        return len(self.starts)

    @property
    def starts(self) -> range:
        """The first position of each cell."""
        return range(self.first, self.stop, self.block)

    @property
    def read(self) -> range:
        """The positions that are read: all, or every stride-th."""
        return range(self.first, self.stop, self.stride)

    @property
    def whole(self) -> bool:
        """Whether each position has a cell of its own."""
        return self.block == 1


def cut(positions: range, most: int | None, *, sampled: int | None = None, least: int = 1) -> Cut:
    """Return the cut of positions into at most so many cells, all of one size but the last.

    `sampled` is how many positions of each block are read at most, evenly apart; None: all.
    `least` is the size of a block at least.
    """
    first, stop = positions.start, positions.stop
    block = least if most is None else max(least, -(-len(positions) // most))
    if sampled is None or block <= sampled:
        return Cut(first, stop, block)
    stride = -(-block // sampled)
    return Cut(first, stop, stride * -(-block // stride), stride)


class Pool:
    """Takes the rows of one matrix, some at a time, and holds a number for each cell."""

    def __init__(self, rows: Cut, columns: Cut, how: How) -> None:
        self.rows, self.columns, self.how = rows, columns, how
        shape = rows.cells, columns.cells
        self._sums = np.zeros(shape)
        self._most = np.full(shape if how == "max" else (0, 0), -np.inf)
        self._least = np.full(shape if how == "max" else (0, 0), np.inf)
        self._count = np.zeros(rows.cells, np.intp)
        self._hidden = np.full(shape, NEVER, np.uint8)

    def add(self, at: Integers, values: AnyArray, hidden: AnyArray | None) -> None:
        """Take the rows at positions `at`, ascending, with the codes of their hidden cells."""
        if not len(at):
            return
        cell = (at - self.rows.first) // self.rows.block
        firsts = np.flatnonzero(np.diff(cell, prepend=-1))
        cells = cell[firsts]
        self._count[cells] += np.diff(firsts, append=len(at))
        if hidden is not None:
            # NaN in a hidden cell is what empty_rows asked for, and goes on into the output.
            hidden = np.where(np.isnan(values), 0, hidden)
        self._add_codes(cells, firsts, hidden)
        if self.how == "mass":
            self._sums[cells] += self._reduced(np.add, values, firsts, np.float64)
            return
        for held, ufunc, filling in (
            (self._most, np.maximum, -np.inf),
            (self._least, np.minimum, np.inf),
        ):
            seen = values if hidden is None else np.where(hidden == 0, values, filling)
            held[cells] = ufunc(held[cells], self._reduced(ufunc, seen, firsts, seen.dtype))

    def finished(self) -> tuple[Array, NDArray[np.uint8]]:
        """Return the numbers of the cells, and the codes of those that are hidden."""
        if self.how == "mass":
            values: Array = self._sums / np.maximum(self._count, 1)[:, None]
        else:
            values = np.where(self._most >= -self._least, self._most, self._least)
            values = np.where(np.isnan(self._most), np.nan, values)
        values[(self._hidden != 0) & ~np.isfinite(values)] = 0.0
        return values, np.where(self._hidden == NEVER, 0, self._hidden).astype(np.uint8)

    def _add_codes(self, cells: Integers, firsts: Integers, hidden: AnyArray | None) -> None:
        """Keep the smallest code of each block: 0 as soon as one of its keys is seen."""
        if hidden is None:
            self._hidden[cells] = 0
            return
        codes = self._reduced(np.minimum, hidden, firsts, np.uint8)
        self._hidden[cells] = np.minimum(self._hidden[cells], codes)

    def _reduced(
        self, ufunc: np.ufunc, values: AnyArray, firsts: Integers, dtype: DTypeLike
    ) -> AnyArray:
        """Return the values of each block as one: first along the keys, then along the queries."""
        columns = self.columns
        if not columns.whole:
            starts = np.arange(0, columns.stop - columns.first, columns.block)
            values = ufunc.reduceat(values, starts, axis=1, dtype=dtype)
        if len(firsts) == len(values):
            return values
        reduced: AnyArray = ufunc.reduceat(values, firsts, axis=0, dtype=dtype)
        return reduced
