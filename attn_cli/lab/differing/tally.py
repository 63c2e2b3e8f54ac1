"""What is kept of the differences of one step while its rows come: sums, and the worst cells.

    added      there - the stage computed from the earlier steps there
    inherited  that stage - the same step here
    total      there - here

The noise that `added` is held against are emulations of the stage in its type. All sums are kept
per head, row block and key block (or block of features), so that a fault of one of them is seen
although it is small overall.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any, NamedTuple

import numpy as np

from attn_cli.arrays import AnyArray, Bools, Integers
from attn_cli.dataclass import dataclass
from attn_cli.errors import AttnError

BINS = 8  # blocks of rows, and of keys or features
# What follows was set on the runs of docs/howto/noise-or-bug.md. Random rounding has sqrt(2)
# times the error of rounding to nearest, so that a kernel is at about 0.7.
MARGIN, SMALL = 1.25, 2.0  # a group of n rows is noise up to MARGIN + SMALL / sqrt(n)
# Of float32 and float64 the order of sums is most of the noise, and kernels differ in it.
WIDE, MARGIN_OF_WIDE = 2.0**-20, 3.0
CLEARLY = 1e-3  # a weight above it is not 0 for want of digits
FAR = 24.0  # a cell is noise up to so many of its own errors
LARGEST = 1e140  # squares of larger numbers cannot be summed


class Cell(NamedTuple):
    """One cell: its index, what is here and there, and what the stage gives from there."""

    place: tuple[int, ...]
    here: float
    there: float
    expected: float


class Values(NamedTuple):
    """Some rows of a step, all of one shape; `errors` has an axis of emulations before the rest."""

    here: AnyArray
    expected: AnyArray
    there: AnyArray
    errors: AnyArray
    counts: Bools | None  # which cells are compared; None: all


@dataclass(frozen=True)
class Group:
    """Sums of one head, one row block or one key block."""

    axis: str
    first: int
    stop: int
    rows: int
    added: float  # of squares
    noise: float  # of squares, the mean over the emulations
    margin: float

    @property
    def ratio(self) -> float:
        """What was added, in floors of the group."""
        return sqrt(self.added / self.noise) if self.noise else float(np.inf) * (self.added > 0)

    @property
    def noisy(self) -> bool:
        """Whether what was added is no more than noise."""
        if self.added == 0:
            return True
        return self.added <= self.noise * (self.margin + SMALL / sqrt(max(self.rows, 1))) ** 2


class Tally:
    """The sums of one step. `sizes` are those of the whole step, in the order computed.

    `of` names the step and whose it is, for errors.
    """

    def __init__(
        self,
        axes: Sequence[str],
        sizes: Sequence[int],
        eps: float,
        tolerance: float | None,
        *,
        of: str,
    ) -> None:
        self.axes, self.sizes, self.eps, self.of = tuple(axes), tuple(sizes), eps, of
        self.tolerance = tolerance
        self.zero_alone = 0  # cells that are 0 on one side alone
        self.beyond = 0  # cells off by more than tolerance * max(1, |expected|)
        self.cells = self.differing = 0
        self.added = self.inherited = self.total = self.noise = 0.0  # sums of squares
        self.size = 0.0  # sum of squares of what is expected
        self.nan_here = self.nan_there = self.nan_both = self.infinite = 0
        self.worst: Cell | None = None  # by what was added
        self.furthest: Cell | None = None  # by the difference in all
        self.strange: Cell | None = None  # NaN or infinity against a number
        self.odd: Cell | None = None  # the cell that is the most of its own errors off
        self._most = self._most_total = -1.0
        self.reach = 0.0  # of `odd`, in its own errors
        self.largest = 0.0  # of what was added
        lead = [n for n, axis in zip(sizes, axes, strict=True) if axis in _LEADING]
        self._lead = tuple(lead)
        self._groups = {
            name: np.zeros((size, 3))
            for name, size in (("head", max(int(np.prod(lead)), 1)), ("row", BINS), ("last", BINS))
        }

    def add(self, rows: Integers, values: Values) -> None:
        """Take some rows of queries, keys or tokens, which have these numbers.

        Raises AttnError for numbers whose squares cannot be summed.
        """
        here, expected, there, errors, counts = values
        if _large(expected).any():
            raise AttnError(
                f"{self.of} has numbers larger than {LARGEST:g}: their squares cannot be summed",
                help="divide V, or the step of both sides, by a large number",
            )
        there = _bounded(there)
        whole: Bools = np.ones(there.shape, np.bool_) if counts is None else counts
        whole = np.broadcast_to(whole, there.shape)
        with np.errstate(invalid="ignore"):
            added, inherited, total = there - expected, expected - here, there - here
        same = (there == expected) | (np.isnan(there) & np.isnan(expected))
        finite = np.isfinite(there) & np.isfinite(expected) & whole
        self._add_strange(rows, values, whole & ~finite & ~same, whole)
        self.cells += int(np.count_nonzero(whole))
        self.differing += int(np.count_nonzero(whole & (there != here) & ~np.isnan(there)))
        square = _square(added, finite)
        noise = _mean_square(errors, finite)
        self.added += float(square.sum())
        self.noise += float(noise.sum())
        self.size += float(_square(expected, finite).sum())
        self.inherited += float(_square(inherited, finite).sum())
        self.total += float(_square(total, finite).sum())
        self._add_worst(rows, values, np.sqrt(square), _size(total, finite))
        own = np.sqrt(noise) + self.eps / 2 * np.abs(np.where(finite, expected, 0))
        with np.errstate(invalid="ignore", divide="ignore"):
            far = np.where(square > 0, np.sqrt(square) / own, 0)
        if far.size and far.max() > self.reach:
            at = np.unravel_index(int(far.argmax()), far.shape)
            self.reach, self.odd = float(far[at]), self._cell(rows, values, at)
        zero = finite & ((there == 0) != (expected == 0))
        self.zero_alone += int(np.count_nonzero(zero & (np.sqrt(square) > CLEARLY)))
        if self.tolerance is not None:
            limit = self.tolerance * np.maximum(1, np.abs(np.where(finite, expected, 0)))
            self.beyond += int(np.count_nonzero(np.sqrt(square) > limit))
        self._add_groups(rows, square, noise)

    def _add_strange(self, rows: Integers, values: Values, strange: Bools, whole: Bools) -> None:
        nan_there, nan_here = np.isnan(values.there), np.isnan(values.expected)
        self.nan_both += int(np.count_nonzero(nan_there & nan_here & whole))
        self.nan_there += int(np.count_nonzero(strange & nan_there))
        self.nan_here += int(np.count_nonzero(strange & nan_here))
        self.infinite += int(np.count_nonzero(strange & ~nan_there & ~nan_here))
        if self.strange is None and strange.any():
            self.strange = self._cell(
                rows, values, np.unravel_index(int(strange.argmax()), strange.shape)
            )

    def _add_worst(self, rows: Integers, values: Values, added: AnyArray, total: AnyArray) -> None:
        if not added.size:
            return
        at = np.unravel_index(int(added.argmax()), added.shape)
        if added[at] > self._most:
            self._most, self.worst = float(added[at]), self._cell(rows, values, at)
            self.largest = float(added[at])
        at = np.unravel_index(int(total.argmax()), total.shape)
        if total[at] > self._most_total:
            self._most_total, self.furthest = float(total[at]), self._cell(rows, values, at)

    def _cell(self, rows: Integers, values: Values, at: Sequence[Any]) -> Cell:
        place = [int(index) for index in at]
        if self.row_axis is not None:
            place[self.row_axis] = int(rows[place[self.row_axis]])
        index = tuple(int(i) for i in at)
        return Cell(
            tuple(place),
            float(values.here[index]),
            float(values.there[index]),
            float(values.expected[index]),
        )

    @property
    def row_axis(self) -> int | None:
        """The axis of queries, keys or tokens; None for a step with one number per head."""
        return len(self._lead) if len(self.axes) > len(self._lead) else None

    def _add_groups(self, rows: Integers, square: AnyArray, noise: AnyArray) -> None:
        """Add to the sums of each head, row block and key block."""
        leads = len(self._lead)
        flat = square.reshape(max(int(np.prod(self._lead)), 1), *square.shape[leads:])
        other = noise.reshape(flat.shape)
        inner = tuple(range(1, flat.ndim))
        per_head = flat.shape[1] if flat.ndim > 1 else 1
        self._groups["head"] += np.stack(
            [flat.sum(axis=inner), other.sum(axis=inner), np.full(len(flat), per_head)], axis=1
        )
        if flat.ndim < 2:
            return
        bins = self._bins(rows, self.sizes[leads])
        outer = (0, *range(2, flat.ndim))
        np.add.at(
            self._groups["row"],
            bins,
            np.stack(
                [flat.sum(axis=outer), other.sum(axis=outer), np.full(len(rows), len(flat))],
                axis=1,
            ),
        )
        if flat.ndim == 3:
            bins = self._bins(np.arange(flat.shape[2]), self.sizes[-1])
            added = np.stack(
                [flat.sum(axis=(0, 1)), other.sum(axis=(0, 1)), np.zeros(flat.shape[2])], axis=1
            )
            np.add.at(self._groups["last"], bins, added)
            self._groups["last"][:, 2] += len(flat) * flat.shape[1]

    @staticmethod
    def _bins(numbers: Integers, count: int) -> Integers:
        return numbers * min(BINS, count) // count

    def groups(self) -> list[Group]:
        """Return the groups: heads, row blocks, blocks of keys or features."""
        found = []
        leads = len(self._lead)
        margin = MARGIN_OF_WIDE if self.eps < WIDE else MARGIN
        of_rows = self.axes[leads:]
        for name, sums in self._groups.items():
            if name == "head":
                edges = [(at, at + 1) for at in range(len(sums))]
                axis = "head"
            elif len(of_rows) > (name == "last"):
                axis = of_rows[name == "last"]
                edges = _edges(self.sizes[leads + (name == "last")])
            else:
                continue
            for (first, stop), (added, noise, rows) in zip(edges, sums, strict=False):
                if rows:
                    found.append(
                        Group(axis, first, stop, int(rows), float(added), float(noise), margin)
                    )
        return found

    def lead_of(self, number: int) -> tuple[int, ...]:
        """Return the batch entry and head of a group of heads."""
        return tuple(int(i) for i in np.unravel_index(number, self._lead)) if self._lead else ()

    @property
    def tolerant(self) -> bool:
        """Whether a tolerance takes the place of the emulations."""
        return self.tolerance is not None

    @property
    def off(self) -> int:
        """The number of NaN and infinities against numbers."""
        return self.nan_here + self.nan_there + self.infinite

    def rms(self, sum_of_squares: float) -> float:
        """Return the root of a mean of squares."""
        return sqrt(sum_of_squares / self.cells) if self.cells else 0.0


_LEADING = ("batch", "head", "key head")


def _edges(count: int) -> list[tuple[int, int]]:
    """Return the blocks of an axis: from .. up to, not including."""
    bins = min(BINS, count)
    return [(-(-at * count // bins), -(-(at + 1) * count // bins)) for at in range(bins)]


def _bounded(x: AnyArray) -> AnyArray:
    """Return numbers, infinities as they are, others of at most LARGEST."""
    large = _large(x)
    return np.where(large, np.copysign(LARGEST, x), x) if large.any() else x


def _large(x: AnyArray) -> Bools:
    if float(np.finfo(x.dtype).max) < LARGEST:  # in float32 LARGEST would be infinite
        return np.zeros(x.shape, dtype=bool)
    found: Bools = (np.abs(x) > LARGEST) & np.isfinite(x)
    return found


def _size(x: AnyArray, finite: Bools) -> AnyArray:
    return np.abs(np.where(finite & np.isfinite(x), x, 0))


def _square(x: AnyArray, finite: Bools) -> AnyArray:
    with np.errstate(over="ignore"):
        found: AnyArray = np.where(finite & np.isfinite(x), x, 0) ** 2
    return found


def _mean_square(errors: AnyArray, finite: Bools) -> AnyArray:
    found: AnyArray = _square(errors, finite).mean(axis=0)
    return found
