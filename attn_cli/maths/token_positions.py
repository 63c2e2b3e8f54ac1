"""Positions: one for each query and each key of a batch entry.

Causal order, windows, ALiBi, relative bias and rope all use the same positions. p_i is the
position of query i, p_j that of key j, b the batch entry:

    plain        p_j = j - start_b,             p_i = i + offset_b - start_b
    documents    p_j = rank_j - a,              p_i = rank_i - a, or rank_i + n - q - a
    given        p_i and p_j as they are written

rank_j counts the keys of the same document before j, rank_i the queries before i. Of a document, n
is the number of keys, without padding at the end, q that of queries, a that of keys before start_b.
start_b keys at the beginning are padding (left padding). Query i is at key i + offset_b: offset 0
is top-left alignment, n_k - n_q bottom-right. Of each document the first query is at the first key
(top-left: xformers' BlockDiagonalCausalMask), or the last query at the last key (bottom-right:
flash-attention's packed sequences from 2.1 on, BlockDiagonalCausalFromBottomRightMask of xformers).
"""

from __future__ import annotations

import numpy as np

from attn_cli.arrays import Bools, Integers
from attn_cli.dataclass import dataclass
from attn_cli.formula import Formula, Index, Symbol
from attn_cli.maths.ranges import Range, Ranges, runs, union


@dataclass(frozen=True)
class TokenPositions:
    """The positions of all queries and keys.

    Without `query` and `key` positions follow from offset and start, one for all batch entries or
    one per entry. `query` (entries, n_q) and `key` (entries, n_k) replace them; with three rows of
    positions, as multimodal rope has, they are (entries, 3, n). One entry serves all.
    """

    offsets: tuple[int, ...] = (0,)
    starts: tuple[int, ...] = (0,)
    query: Integers | None = None
    key: Integers | None = None
    query_ids: Integers | None = None  # of documents, (entries, n_q)
    key_ids: Integers | None = None  # (entries, n_k)

    def queries(self, batch: int, i: Integers) -> Integers:
        """Return the positions of the queries i of a batch entry, (..., len(i))."""
        if self.query is None:
            return i + (_of(self.offsets, batch) - _of(self.starts, batch))
        positions: Integers = self.query[_entry(len(self.query), batch)][..., i]
        return positions

    def keys(self, batch: int, j: Integers) -> Integers:
        """Return the positions of the keys j of a batch entry, (..., len(j))."""
        if self.key is None:
            return j - _of(self.starts, batch)
        positions: Integers = self.key[_entry(len(self.key), batch)][..., j]
        return positions

    def reached(
        self, batch: int, i: Integers, n_k: int, left: int | None, right: int | None
    ) -> Ranges:
        """Return the keys from p_i - left to p_i + right of any of the queries i; None: no bound.

        Of queries of one document that is the range from the first to the last of them.
        """
        p_i = self.queries(batch, i)
        ids = self._ids_of(batch, i)
        if ids is None:
            return self.between(batch, n_k, _less(p_i.min(), left), _more(p_i.max(), right))
        size = self._size(batch)
        low, high = np.full(size, _NEVER), np.full(size, -_NEVER)
        np.minimum.at(low, ids, p_i)
        np.maximum.at(high, ids, p_i)
        some = low <= high  # documents of none of the queries have no keys here
        return self._in_documents(batch, low, high, left, right, some)

    def shared(
        self, batch: int, i: Integers, n_k: int, left: int | None, right: int | None
    ) -> Ranges:
        """Return the keys from p_i - left to p_i + right of every one of the queries i.

        With documents, of every query of the key's own document; if none is, all its keys.
        """
        p_i = self.queries(batch, i)
        ids = self._ids_of(batch, i)
        if ids is None:
            return self.between(batch, n_k, _less(p_i.max(), left), _more(p_i.min(), right))
        size = self._size(batch)
        low, high = np.full(size, -_NEVER), np.full(size, _NEVER)
        np.maximum.at(low, ids, p_i)
        np.minimum.at(high, ids, p_i)
        every = np.ones(size, dtype=np.bool_)
        return self._in_documents(batch, low, high, left, right, every)

    def between(
        self, batch: int, n_k: int, low: int | None = None, high: int | None = None
    ) -> Ranges:
        """Return the keys with positions from `low` to `high`, both included; None: no bound."""
        if self.key is None:
            start = _of(self.starts, batch)
            first = 0 if low is None else max(low + start, 0)
            last = n_k if high is None else min(high + start + 1, n_k)
            return union([(first, last)])
        positions = self.key[_entry(len(self.key), batch)]
        found = np.ones(len(positions), dtype=np.bool_)
        if low is not None:
            found &= positions >= low
        if high is not None:
            found &= positions <= high
        return runs(found)

    def _in_documents(
        self,
        batch: int,
        low: Integers,
        high: Integers,
        left: int | None,
        right: int | None,
        which: Bools,
    ) -> Ranges:
        """Return the keys from low - left to high + right of their document, if it is one of these.

        `low`, `high` and `which` have one value per document.
        """
        assert self.key is not None
        assert self.key_ids is not None
        entry = _entry(len(self.key), batch)
        p_j, ids = self.key[entry], self.key_ids[entry]
        found = which[ids]
        if left is not None:
            found &= p_j >= low[ids] - left
        if right is not None:
            found &= p_j <= high[ids] + right
        return runs(found)

    def _ids_of(self, batch: int, i: Integers) -> Integers | None:
        if self.query_ids is None:
            return None
        ids: Integers = self.query_ids[_entry(len(self.query_ids), batch)][i]
        return ids

    def _size(self, batch: int) -> int:
        """Return one more than the largest id of a document."""
        assert self.query_ids is not None
        assert self.key_ids is not None
        entry = _entry(len(self.key_ids), batch)
        return 1 + max(
            int(self.query_ids[entry].max(initial=0)), int(self.key_ids[entry].max(initial=0))
        )

    def last(self, batch: int, n_k: int) -> int:
        """Return the largest position of a key."""
        if self.key is None:
            return n_k - 1 - _of(self.starts, batch)
        return int(self.key[_entry(len(self.key), batch)].max(initial=-1))

    @property
    def counted(self) -> bool:
        """Whether p_i = i + offset and p_j = j."""
        return self.query is None and not any(self.starts)

    def query_formula(self, shift: int = 0) -> Formula:
        """Return p_i + shift: i + 3, i + offset[batch] if batch entries differ, or p_i + 3."""
        if not self.counted:
            return _shifted(P_I, shift)
        if len(set(self.offsets)) == 1:
            return _shifted(Symbol("i"), self.offsets[0] + shift)
        return _shifted(Symbol("i") + Index(Symbol("offset"), Symbol("batch")), shift)

    @property
    def key_formula(self) -> Formula:
        """Return p_j: j or p_j."""
        return Symbol("j") if self.counted else P_J


TOP_LEFT = TokenPositions()
P_I, P_J = Symbol("p_i"), Symbol("p_j")
_NEVER = 1 << 61  # beyond every position, and far from the end of int64


def _less(position: int, left: int | None) -> int | None:
    return None if left is None else int(position) - left


def _more(position: int, right: int | None) -> int | None:
    return None if right is None else int(position) + right


def _of(numbers: tuple[int, ...], batch: int) -> int:
    return numbers[_entry(len(numbers), batch)]


def _entry(entries: int, batch: int) -> int:
    """Return the index of a batch entry; 0 if one entry serves all."""
    return batch if entries > 1 else 0


def _shifted(position: Formula, shift: int) -> Formula:
    if not shift:
        return position
    return position - abs(shift) if shift < 0 else position + shift


def in_documents(
    query_ids: Integers, key_ids: Integers, there: tuple[Range, ...], alignment: str
) -> TokenPositions:
    """Return the positions inside documents, from ids (entries, n_q) and (entries, n_k).

    `there` is the range of keys of each batch entry that are not padding. `alignment`: top-left,
    bottom-right, or end, which is bottom-right with the padding at the end counted.
    """
    key = np.empty_like(key_ids)
    query = np.empty_like(query_ids)
    for b, (start, stop) in enumerate(there):
        size = 1 + max(int(key_ids[b].max(initial=-1)), int(query_ids[b].max(initial=-1)))
        before = np.bincount(key_ids[b, :start], minlength=size)
        counted = key_ids[b, start:] if alignment == "end" else key_ids[b, start:stop]
        keys = np.bincount(counted, minlength=size)
        queries = np.bincount(query_ids[b], minlength=size)
        shift = keys - queries if alignment != "top-left" else -before
        key[b] = ranks(key_ids[b]) - before[key_ids[b]]
        query[b] = ranks(query_ids[b]) + shift[query_ids[b]]
    return TokenPositions(query=query, key=key, query_ids=query_ids, key_ids=key_ids)


def ranks(ids: Integers) -> Integers:
    """Return the number of equal ids before each id.

    >>> ranks(np.array([5, 5, 2, 5, 2])).tolist()
    [0, 1, 0, 2, 1]
    """
    order = np.argsort(ids, kind="stable")
    places = np.arange(len(ids))
    begins = np.ones(len(ids), dtype=np.bool_)
    begins[1:] = ids[order][1:] != ids[order][:-1]
    found = np.empty(len(ids), dtype=np.intp)
    found[order] = places - np.maximum.accumulate(np.where(begins, places, 0))
    return found


def agree(query_ids: Integers, key_ids: Integers, there: Range) -> Bools:
    """Return for each id, 0 .. the largest, whether all alignments are the same.

    They are if it has as many queries as keys up to the end of `there` (left padding counts, as
    queries have it too), or no query, or no key within `there`.
    """
    start, stop = there
    size = 1 + max(int(key_ids.max(initial=-1)), int(query_ids.max(initial=-1)))
    queries = np.bincount(query_ids, minlength=size)
    keys = np.bincount(key_ids[:stop], minlength=size)
    none = (queries == 0) | (np.bincount(key_ids[start:stop], minlength=size) == 0)
    same: Bools = (queries == keys) | none
    return same
