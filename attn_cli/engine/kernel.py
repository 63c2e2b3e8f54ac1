"""The tiles of one batch entry and head: `engine.tiles` has a drawing and the terms.

Blocks that cannot be summed safely are left to the definition: see `Kernel.contexts`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from math import sqrt
from typing import NamedTuple

import numpy as np

from attn_cli.arrays import Array, Bools, all_finite, max_abs
from attn_cli.dataclass import replace
from attn_cli.engine.online import Bounds, Sums
from attn_cli.engine.threads import Workers
from attn_cli.maths.block import Entry, score_of
from attn_cli.maths.place import Place
from attn_cli.maths.problem import Tile
from attn_cli.maths.ranges import Range, Ranges, intersection, without
from attn_cli.maths.select import Selection
from attn_cli.maths.visible.base import all_of, common_reach, open_to_all

Trace = Callable[[str, object], None]  # is called with the name of an event, and a value

NOTHING = np.zeros((0, 0)), np.zeros((0, 0), dtype=np.bool_)  # top_k alone reads scores


class Contexts(NamedTuple):
    """The results of some queries."""

    context: Array  # (rows, d_v)
    lse: Array  # (rows)
    empty: Bools  # (rows) True for queries that see no key


class UnsafeError(Exception):
    """Scores that only the definition handles correctly, such as NaN."""


class Cuts(NamedTuple):
    """Sizes of the parts into which queries and keys are cut."""

    tile: Tile  # queries and keys of a tile
    subtile: int  # queries whose keys are looked up again if not all of a tile see the same
    aligned: int  # keys: ranges are cut at multiples of it, for products like round numbers


class StridePass(NamedTuple):
    """One pass over the queries: every `step`-th together, against every `step`-th key."""

    step: int = 1
    selected: Selection | None = None  # the pairs that count; None: all
    counted: Selection | None = None  # the pairs that another pass has counted; None: none

    def reach(self, at: Place, n_k: int) -> Ranges:
        """Return the ranges outside which no key counts."""
        if self.selected is None:
            return ((0, n_k),)
        return self.selected.reach(at.i, n_k)

    def open(self, at: Place, n_k: int) -> Range:
        """Return a range of which every key counts for each of the queries."""
        if self.counted is not None:
            return 0, 0
        return (0, n_k) if self.selected is None else self.selected.open(at.i, n_k)

    def counts(self, at: Place) -> Bools | None:
        """Return (rows x keys): whether a key counts; None if all count."""
        if self.counted is not None:
            return ~self.counted(at.i, at.j, *NOTHING)
        return None if self.selected is None else self.selected(at.i, at.j, *NOTHING)


class Queries(NamedTuple):
    """Some queries of an entry, their factor of the scores, and their sums so far."""

    rows: slice  # their indices among the entry's rows
    sums: Sums
    A: Array | None  # the scores are A K^T; None if they are not a product

    def subtiles(self, count: int) -> Iterator[Queries]:
        """Yield parts of `count` queries; sums of a part are added to these."""
        first, stop, step = self.rows.start, self.rows.stop, self.rows.step
        for start in range(0, -(-(stop - first) // step), count):
            rows = slice(first + start * step, min(first + (start + count) * step, stop), step)
            part = slice(start, start + count)
            A = None if self.A is None else self.A[part]
            yield Queries(rows, self.sums.part(part), A)


class KeyHead:
    """K and V as tiles use them: computed once for the query heads that share them.

    largest_k, largest_v   the largest |K| and |V|
    longest_k              a bound on the norm of a key
    """

    def __init__(self, K: Array, V: Array | None) -> None:
        self.K, self.V = K, V
        self.largest_k, self.longest_k = max_abs(K), _longest(K)
        self.largest_v = 0.0 if V is None else max_abs(V)
        self._with_ones: Array | None = None

    @property
    def with_ones(self) -> Array:
        """K with a column of ones."""
        if self._with_ones is None:
            ones = np.ones((len(self.K), 1), dtype=self.K.dtype)
            self._with_ones = np.concatenate([self.K, ones], axis=1)
        return self._with_ones


class Kernel:
    """The tiles of one batch entry and head."""

    def __init__(
        self,
        entry: Entry,
        keys: KeyHead,
        cuts: Cuts,
        workers: Workers,
        trace: Trace | None = None,
    ) -> None:
        """`trace` is called for each tile with ("scores", their number), and once per block."""
        function, parameters = entry.function
        if function.by_tiles is not None:
            entry = replace(entry, score=function.by_tiles(entry.Q, entry.K, parameters))
        self._entry = entry
        self._n_k = len(entry.K)
        self._height, self._width = min(cuts.tile[0], len(entry.i)), min(cuts.tile[1], self._n_k)
        self._cuts, self._workers, self._trace = cuts, workers, trace
        self._buffers: list[Array] = []  # that no thread uses now
        self._factor = None if function.factor is None else function.factor(entry.Q, parameters)
        self._adjustments = [each for each in entry.rules.adjustments if not each.only_hides]
        # Whether the product subtracts m: only softmax follows it, and the last queries, which see
        # most keys if order is causal, have more keys than one tile.
        plain = not self._adjustments and entry.temperature is None and self._factor is not None
        self._folds = plain and self._tiles_of_the_last() > 1
        self._K = keys.with_ones if self._folds else entry.K
        self._watched = True  # whether scores may be nonfinite
        self._key_head = keys

    def _tiles_of_the_last(self) -> float:
        """Return the number of tiles of keys that the last subtile of queries reaches."""
        count = len(self._entry.i)
        last = self._entry.reach(slice(max(count - self._cuts.subtile, 0), count), self._n_k)
        keys = sum(stop - start for start, stop in last)
        return keys * min(self._cuts.subtile, count) / (self._height * self._width)

    def contexts(self, rows: slice) -> Contexts | None:
        """Return the contexts of the queries `rows`; None to leave them to the definition.

        They are left if a score or a value is not finite, or if a sum of values may overflow.
        """
        V, sinks = self._entry.V, self._entry.rules.normalizer.sinks
        assert V is not None  # contexts are wanted
        assert sinks is not None
        products = np.inf
        if self._factor is not None:
            products = self._largest_product(self._factor[rows])
            if not products < np.inf:
                return None
        known = [products]
        for adjustment in self._adjustments:
            known.append(adjustment.bound(known[-1]))
        known.append(known[-1] / (self._entry.temperature or 1.0))
        bounds = Bounds(known[-1], self._key_head.largest_v, len(V), V.dtype)
        if not bounds.sums_are_finite:
            return None
        count = rows.stop - rows.start
        sums = Sums.of(
            count,
            V.shape[1],
            V.dtype,
            max_slack=bounds.max_slack,
            underflow_floor=bounds.underflow_floor,
        )
        self._watched = not max(known) < float(np.finfo(V.dtype).max)
        if self._trace is not None:
            self._trace("max slack", bounds.max_slack)
            self._trace("scores are checked", self._watched)
        try:
            # The last first: with causal order they have the most keys and take the longest.
            passes = [
                (each, list(self._parts(count, each.step))[::-1]) for each in self._passes(rows)
            ]
            self._workers.expect(sum(len(parts) for _, parts in passes) - 1)
            for stride_pass, parts in passes:
                self._workers.each(partial(self._sum, rows.start, sums, stride_pass), parts)
        except UnsafeError:
            return None
        return Contexts(*sums.finished(sinks(self._entry.parameters)))

    def _largest_product(self, factor: Array) -> float:
        """Return a bound on |score| before its adjustments: |q| |k| scale.

        It is infinite if a product, scaled or not, or the scaled factor may be infinite or NaN, or
        if the scaled factor may lose digits below the normal numbers that K makes large.
        """
        K, scale = self._entry.K, abs(self._entry.scale)
        info, temperature = np.finfo(K.dtype), self._entry.temperature or 1.0
        scaled, k = max_abs(factor) * max(scale, 1.0), self._key_head.largest_k * K.shape[1]
        cells, most = scaled * k, float(info.max) / 4
        if not (scaled < most and cells < most):
            return np.inf
        if scale < 1 and k * float(info.tiny) > temperature:
            return np.inf
        norms = _longest(factor) * self._key_head.longest_k * scale
        return norms if norms < cells else cells  # the square of a norm may overflow

    def _passes(self, rows: slice) -> Iterator[StridePass]:
        """Yield one pass; if a stride selects keys, one for those near and one for those afar.

        Every `stride`-th query selects the same keys.
        """
        selection, i = self._entry.selection, self._entry.i[rows]
        if selection is None or selection.stride is None or selection.defined is not None:
            yield StridePass(selected=selection)
            return
        if i[-1] - i[0] != len(i) - 1:
            yield StridePass(selected=selection)
            return
        near = replace(selection, stride=None)
        if near.empty:
            yield StridePass(step=selection.stride)
        else:
            yield StridePass(selected=near)
            yield StridePass(step=selection.stride, counted=near)

    def _parts(self, count: int, step: int) -> Iterator[slice]:
        """Yield the queries of each part; if there are few, each thread still gets some."""
        share = -(-count // (step * self._workers.threads))
        height = min(self._height, max(share, self._cuts.subtile)) * step
        for first in range(min(step, count)):
            for start in range(first, count, height):
                yield slice(start, min(start + height, count), step)

    def _sum(self, first: int, sums: Sums, stride_pass: StridePass, part: slice) -> None:
        """Sum all keys of some queries; `sums` are those of the queries from `first` on."""
        buffer = self._buffers.pop() if self._buffers else self._new_buffer()
        rows = slice(first + part.start, first + part.stop, part.step)
        A = self._scaled(rows)
        part_sums = sums.part(part, A[:, -1] if self._folds and A is not None else None)
        queries = Queries(rows, part_sums, A)
        reach, seen_by_all = self._ranges(stride_pass, rows)
        self._add(queries, stride_pass, intersection(reach, [seen_by_all]), buffer)
        far = without(reach, seen_by_all)
        for subtile in queries.subtiles(self._cuts.subtile) if far else ():
            reach, inner = self._ranges(stride_pass, subtile.rows)
            self._add(subtile, stride_pass, intersection(far, reach), buffer, inner)
        self._buffers.append(buffer)

    def _scaled(self, rows: slice) -> Array | None:
        """Return the factor of some queries times the scale, with a column for -m if it is used."""
        if self._factor is None:
            return None
        factor = self._factor[rows]
        A = np.empty((len(factor), self._K.shape[1]), dtype=factor.dtype)
        np.multiply(factor, factor.dtype.type(self._entry.scale), out=A[:, : factor.shape[1]])
        return A

    def _new_buffer(self) -> Array:
        """Return memory for the scores of a tile; each thread allocates one."""
        return np.empty(self._height * self._width, dtype=self._entry.K.dtype)

    def _ranges(self, stride_pass: StridePass, rows: slice) -> tuple[Ranges, Range]:
        """Return ranges with all keys that these queries see, and one that each query sees fully.

        Keys that do not count in this pass are not seen.
        """
        schemes, n_k = self._entry.rules.schemes, self._n_k
        at = self._entry.place(rows, slice(0, 0))
        reach = common_reach(schemes, at, n_k)
        if stride_pass.selected is not None:
            reach = intersection(reach, stride_pass.reach(at, n_k))
        start, stop = open_to_all(schemes, at, n_k)
        first, last = stride_pass.open(at, n_k)
        start, stop = (
            -(-max(start, first) // self._cuts.aligned) * self._cuts.aligned,
            min(stop, last),
        )
        return reach, (
            start,
            stop if stop == n_k else stop // self._cuts.aligned * self._cuts.aligned,
        )

    def _keys(self, ranges: Ranges, stride_pass: StridePass, rows: slice) -> Iterator[slice]:
        """Yield the keys of each tile: consecutive, or with the stride of the queries.

        A tile of fewer queries has more keys.
        """
        step = stride_pass.step
        queries = len(range(rows.start, rows.stop, step))
        width = self._height * self._width // queries * step
        first = int(self._entry.i[rows.start])
        for start, stop in ranges:
            for at in range(start + (first - start) % step, stop, width):
                yield slice(at, min(at + width, stop), step)

    def _add(
        self,
        queries: Queries,
        stride_pass: StridePass,
        ranges: Ranges,
        buffer: Array,
        inner: Range | None = None,
    ) -> None:
        """Add the tiles of some queries and ranges of keys.

        Each query sees each key in the range `inner`; None: in all the ranges.
        """
        V = self._entry.V
        assert V is not None  # contexts are wanted
        for keys in self._keys(ranges, stride_pass, queries.rows):
            self._workers.check()
            scores = self._scores(queries, keys, buffer)
            if inner is not None:
                self._hide(scores, stride_pass, queries.rows, keys, inner)
            if self._trace is not None:
                self._trace("scores", scores.size)
            queries.sums.add(scores, V[keys])

    def _hide(
        self, scores: Array, stride_pass: StridePass, rows: slice, keys: slice, inner: Range
    ) -> None:
        """Set scores to -inf if the query does not see the key, or the key is not of this pass."""
        for begin, stop in without([(keys.start, keys.stop)], inner):
            start = begin + (keys.start - begin) % keys.step
            at = self._entry.place(rows, slice(start, stop, keys.step))
            hidden = ~all_of(self._entry.rules.schemes, at)
            counts = stride_pass.counts(at)
            if counts is not None:
                hidden |= ~counts
            first = (start - keys.start) // keys.step
            np.copyto(scores[:, first : first + len(at.j)], -np.inf, where=hidden)

    def _scores(self, queries: Queries, keys: slice, buffer: Array) -> Array:
        """Return the scores of a tile after all adjustments, before keys are hidden."""
        entry, rules, A = self._entry, self._entry.rules, queries.A
        if A is None:
            scores = score_of(entry, queries.rows, keys)
            scores = scores * scores.dtype.type(entry.scale)
            if self._adjustments:
                _refuse_nonfinite(scores)  # which a cap would make finite
        else:
            k = self._K[keys]
            scores = np.matmul(A, k.T, out=buffer[: len(A) * len(k)].reshape(len(A), len(k)))
        if self._adjustments:
            at = entry.place(queries.rows, keys)
            for adjustment in self._adjustments:
                scores = adjustment.without_hiding(scores, at)
        scores = rules.divided_by_temperature(scores, entry.temperature)
        if self._watched:
            _refuse_nonfinite(scores)
        return scores


def _refuse_nonfinite(scores: Array) -> None:
    """Raise UnsafeError if a score is not finite."""
    if not all_finite(scores):
        raise UnsafeError


def _longest(x: Array) -> float:
    """Return a bound on the norm of a row: the largest norm, plus the error of its squares.

    A square below the normal numbers has an error up to the smallest normal number.
    """
    lost = x.shape[1] * float(np.finfo(x.dtype).tiny)
    return sqrt(float(np.einsum("ij,ij->i", x, x).max()) + lost)
