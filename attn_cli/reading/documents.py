"""Documents of a packed sequence: which one each query and each key belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from attn_cli.arrays import Integers
from attn_cli.conventions.knobs import KNOBS
from attn_cli.dataclass import dataclass
from attn_cli.errors import AttnError, Path, dotted
from attn_cli.maths.ranges import Range
from attn_cli.maths.token_positions import agree
from attn_cli.reading.extent import Extent
from attn_cli.reading.keys import KEYS
from attn_cli.reading.whole_numbers import whole_numbers
from attn_cli.sources.matrices.document import Document
from attn_cli.sources.matrices.matrix import read_array
from attn_cli.sources.text.mappings import mapping
from attn_cli.sources.text.scalars import choice, kind_of, word

PATH: Path = ("documents",)
PACKED = ("cu_seqlens_q", "cu_seqlens_k")
_FORMS = "write {query: [...], key: [...]}, or {cu_seqlens_q: [...], cu_seqlens_k: [...]}"


@dataclass(frozen=True)
class Ids:
    """The documents, as whole numbers from 0: (entries, n_q) and (entries, n_k).

    `query` is None if only keys have ids: one list was written, and there are fewer or more
    queries. `alignment` is the value of that key.
    """

    query: Integers | None
    key: Integers
    names: tuple[str, ...]  # of each number, as written
    alignment: str | None = None

    def differing(self, there: tuple[Range, ...]) -> str | None:
        """Describe a document with different numbers of queries and keys; None if there is none.

        Keys after the range `there` do not count, nor do documents without queries or keys.
        """
        for entry, part in enumerate(there if self.query is not None else ()):
            assert self.query is not None
            same = agree(self.query[entry], self.key[entry], part)
            if same.all():
                continue
            at = int(np.argmin(same))
            queries = int((self.query[entry] == at).sum())
            keys = int((self.key[entry, : part[1]] == at).sum())
            where = f" of batch entry {entry}" if len(there) > 1 else ""
            return (
                f"document {self.names[at]}{where} has {_count(queries, 'query', 'queries')} and "
                f"{_count(keys, 'key', 'keys')}"
            )
        return None


def read_documents(document: Document, extent: Extent) -> Ids | None:
    """Return the documents of queries and keys; None if the problem has none.

    Raises AttnError, with its place, for ids or cumulative lengths that are too few or too many,
    and for `offset` or `past` together with documents.
    """
    tree = document.tree
    if "documents" not in tree:
        return None
    for other in ("offset", "past"):
        if other in tree:
            raise AttnError(
                f"documents and {other} exclude each other: {_BESIDE[other]}",
                path=(other,),
                at_key=True,
                help=f"leave out {other}; causal: top-left or bottom-right aligns each document",
            )
    node = tree["documents"]
    if not isinstance(node, dict) or "file" in node:
        names: dict[str, int] = {}
        key = _ids(document, node, PATH, extent, "key", names)
        return Ids(key if extent.n_q == extent.n_k else None, key, tuple(names))
    keys = mapping(node, PATH, KEYS["documents"].inner)
    alignment = None
    if "alignment" in keys:
        alignment = choice(keys["alignment"], (*PATH, "alignment"), KNOBS["causal"].words)
    sides = PACKED if set(PACKED) & set(keys) else ("query", "key")
    for side in sides:
        if side not in keys:
            raise AttnError(f"documents has no {side}", path=PATH, help=_FORMS)
    if sides == PACKED and {"query", "key"} & set(keys):
        raise AttnError("documents has both ids and cumulative lengths", path=PATH, help=_FORMS)
    if sides == PACKED:
        return _packed(document, keys, extent, alignment)
    names = {}
    query = _ids(document, keys["query"], (*PATH, "query"), extent, "query", names)
    key = _ids(document, keys["key"], (*PATH, "key"), extent, "key", names)
    return Ids(query, key, tuple(names), alignment)


_BESIDE = {
    "offset": "positions count inside each document, and offset moves all queries alike",
    "past": "positions count inside each document, and the keys of a past are of none",
}


def _ids(
    document: Document,
    node: Any,
    path: Path,
    extent: Extent,
    side: str,
    names: dict[str, int],
) -> Integers:
    """Return ids (entries, count) as whole numbers, from words or numbers; one list serves all."""
    count = extent.n_q if side == "query" else extent.n_k
    if not isinstance(node, list | tuple):
        node = read_array(document, node, path).tolist()
    nested = isinstance(node[0], list | tuple) if node else False
    rows = node if nested else [node]
    found = []
    for at, row in enumerate(rows):
        place = (*path, at) if nested else path
        if not isinstance(row, list | tuple):
            raise AttnError(
                f"{dotted(place)} must be a list of ids, not {kind_of(row)}",
                path=place,
                help="write the document of each, such as [0, 0, 1]",
            )
        words = [word(_whole(item), (*place, n)) for n, item in enumerate(row)]
        if len(words) != count:
            raise AttnError(
                f"{dotted(place)} has {_count(len(words), 'id', 'ids')}, but there "
                f"{'is' if count == 1 else 'are'} {_of_side(count, side)}",
                path=place,
                help="write the document of each, such as [0, 0, 1]",
            )
        found.append([names.setdefault(name, len(names)) for name in words])
    _refuse_entries(len(found), path, extent)
    return np.broadcast_to(np.array(found, dtype=np.intp), (extent.entries, count))


def _whole(item: Any) -> Any:
    """Return 2 for 2.0: ids in an array of floats are those in an array of whole numbers."""
    return int(item) if isinstance(item, float) and item.is_integer() else item


def _packed(
    document: Document, keys: Mapping[str, Any], extent: Extent, alignment: str | None
) -> Ids:
    """Return the ids of cumulative lengths: [0, 2, 3] is documents [0, 0, 1]."""
    ends = [_ends(document, keys[side], (*PATH, side), extent) for side in PACKED]
    (q, k), path = ends, (*PATH, "cu_seqlens_k")
    if len(q) == 1 or len(k) == 1:
        q, k = (rows * (extent.entries if len(rows) == 1 else 1) for rows in ends)
    found: tuple[list[Integers], list[Integers]] = ([], [])
    for entry, (of_q, of_k) in enumerate(zip(q, k, strict=True)):
        where = f" in batch entry {entry}" if len(q) > 1 else ""
        if len(of_q) != len(of_k):
            raise AttnError(
                f"cu_seqlens_q has {_count(len(of_q) - 1, 'document', 'documents')}, and "
                f"cu_seqlens_k has {len(of_k) - 1}{where}",
                path=path,
                help="each document has a length in both, which may be 0",
            )
        if (of_q[-1], of_k[-1]) != (extent.n_q, extent.n_k):
            raise AttnError(
                f"cu_seqlens_q adds up to {_of_side(int(of_q[-1]), 'query')} and cu_seqlens_k to "
                f"{_of_side(int(of_k[-1]), 'key')}{where}, but there are "
                f"{_of_side(extent.n_q, 'query')} and {_of_side(extent.n_k, 'key')}",
                path=path if of_q[-1] == extent.n_q else (*PATH, "cu_seqlens_q"),
                help="cumulative lengths begin with 0 and end with the number of rows",
            )
        for side, of_side in zip(found, (of_q, of_k), strict=True):
            side.append(np.repeat(np.arange(len(of_side) - 1), np.diff(of_side)))
    query, key = (
        np.broadcast_to(np.array(side), (extent.entries, count))
        for side, count in zip(found, (extent.n_q, extent.n_k), strict=True)
    )
    names = tuple(str(n) for n in range(max(len(each) for each in q) - 1))
    return Ids(query, key, names, alignment)


def _ends(document: Document, node: Any, path: Path, extent: Extent) -> list[Integers]:
    """Return cumulative lengths: one list for all batch entries, or one per entry."""
    nested = isinstance(node, list | tuple) and len(node) and isinstance(node[0], list | tuple)
    if not nested:
        array = whole_numbers(document, node, path)
        rows = [array] if array.ndim == 1 else list(array)
        nested = array.ndim > 1
    else:
        rows = [whole_numbers(document, row, (*path, at)) for at, row in enumerate(node)]
    for at, row in enumerate(rows):
        place = (*path, at) if nested else path
        if row.ndim != 1 or row[0] != 0 or (np.diff(row) < 0).any():
            raise AttnError(
                f"{dotted(place)} must be cumulative lengths: from 0 on, none less than the one "
                "before it",
                path=place,
                help="two documents of 2 and 1 rows are [0, 2, 3]",
            )
    _refuse_entries(len(rows), path, extent)
    return rows


def _refuse_entries(count: int, path: Path, extent: Extent) -> None:
    if count not in (1, extent.entries):
        raise AttnError(f"{dotted(path)} has {count} lists, but there {extent.counted}", path=path)


def _of_side(count: int, side: str) -> str:
    return _count(count, *(("query", "queries") if side == "query" else ("key", "keys")))


def _count(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}"
