"""Positions of queries and keys, read from causal, offset, documents and other keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from attn_cli.conventions.knobs import KNOBS
from attn_cli.dataclass import dataclass, replace
from attn_cli.errors import AttnError, Path
from attn_cli.maths.token_positions import TokenPositions, in_documents
from attn_cli.reading.conventions_reader import Conventions
from attn_cli.reading.documents import PATH, Ids, read_documents
from attn_cli.reading.extent import Extent
from attn_cli.reading.keys import KEYS
from attn_cli.reading.whole_numbers import per_entry
from attn_cli.reading.window_reader import is_bounded
from attn_cli.sources.matrices.document import Document
from attn_cli.sources.text.scalars import choice, shown

LEAST = -(2**53)
KEYS_ALONE = ("key", "last_key")  # forms of alibi


@dataclass(frozen=True)
class Placed:
    """The positions, the documents with the ids of all queries, and whether order is causal."""

    token_positions: TokenPositions
    documents: Ids | None
    causal: bool
    warnings: list[str]


def read_token_positions(document: Document, extent: Extent, conventions: Conventions) -> Placed:
    """Return the positions of all queries and keys.

    Raises AttnError if `causal: true` could mean two things, and if keys contradict each other.
    """
    tree = document.tree
    causal = _alignment(tree.get("causal", False), ("causal",))
    ids = read_documents(document, extent)
    named = causal if causal in KNOBS["causal"].words else None
    if ids is not None and ids.alignment is not None:
        if named is not None and named != ids.alignment:
            raise AttnError(
                f"causal is {named}, but documents.alignment is {ids.alignment}",
                path=("causal",),
                help="write causal: true, which follows documents.alignment",
            )
        named = ids.alignment
    if named is not None:
        conventions.write("causal", named)
    if ids is not None:
        token_positions, ids = _of_documents(
            tree, causal == "true", named, extent, ids, conventions
        )
        return Placed(token_positions, ids, causal != "false", [])
    offsets = _offsets(document, causal, named, extent, conventions)
    return Placed(
        TokenPositions(offsets, extent.starts),
        None,
        causal != "false",
        _before_all(offsets, extent),
    )


def _offsets(
    document: Document, causal: str, named: str | None, extent: Extent, conventions: Conventions
) -> tuple[int, ...]:
    """Return the offset of each batch entry."""
    tree = document.tree
    if "offset" in tree:
        offsets, _ = per_entry(document, tree["offset"], ("offset",), extent.entries, LEAST)
        owner = "offset"
    elif extent.past is not None:
        offsets, owner = (extent.past,) * extent.entries, "past"
    elif named is not None:
        return extent.offsets(named)
    else:
        return extent.offsets(_decided(tree, causal == "true", extent, conventions))
    if named is not None and offsets != extent.offsets(named):
        raise AttnError(
            f"causal: {causal} puts query 0 at key {_listed(extent.offsets(named))}, but {owner} "
            f"puts it at key {_listed(offsets)}",
            path=("causal",),
            help=f"write causal: true, which follows {owner}, or leave out {owner}",
        )
    return offsets


def _of_documents(
    tree: Mapping[str, Any],
    causal: bool,
    named: str | None,
    extent: Extent,
    ids: Ids,
    conventions: Conventions,
) -> tuple[TokenPositions, Ids]:
    """Return positions inside documents, and the documents of all queries."""
    because = ids.differing(extent.there)
    users = _users(tree)
    alignment = named
    if named is None:
        needs = (because is not None or ids.query is None) and (causal or bool(users))
        alignment = _preset(extent, conventions) if needs else None
        if needs and alignment is None:
            raise _undecided(causal, users, because or _numbers(extent))
    if ids.query is None and alignment is None:
        raise AttnError(
            f"documents has the documents of keys, but not of queries: {_numbers(extent)}",
            path=PATH,
            help="write documents: {query: [...], key: [...]}",
        )
    alignment = alignment or "top-left"
    if ids.query is None:
        ids = replace(ids, query=_of_queries(ids, extent, alignment))
    assert ids.query is not None
    return in_documents(ids.query, ids.key, extent.there, alignment), ids


def _of_queries(ids: Ids, extent: Extent, alignment: str) -> Any:
    """Return the document of each query: that of the key it is at."""
    offsets = extent.offsets(alignment)
    at = np.arange(extent.n_q)[None, :] + np.array(offsets)[:, None]
    if at.min() < 0 or at.max() >= extent.n_k:
        raise AttnError(
            "documents has the document of each key, and not every query is at a key: query 0 is "
            f"at {_listed(offsets)}, and there are {extent.n_k} keys and {extent.n_q} queries",
            path=PATH,
            help="write documents: {query: [...], key: [...]}",
        )
    return np.take_along_axis(ids.key, at, axis=1)


def _undecided(causal: bool, users: list[str], because: str) -> AttnError:
    """Return the error for documents that could be aligned in two ways."""
    if causal:
        return AttnError(
            f"causal: true can mean two things: {because}",
            path=("causal",),
            help="write causal: top-left to put the first query of each document at its first "
            "key, or causal: bottom-right to put its last query at its last key",
        )
    return AttnError(
        f"{users[0]} needs to know the positions of the queries: {because}",
        path=(users[0],),
        at_key=True,
        help="write documents: {..., alignment: top-left} to put the first query of each document "
        "at its first key, or alignment: bottom-right to put its last query at its last key",
    )


def _alignment(node: Any, path: Path) -> str:
    if isinstance(node, bool | np.bool_):
        return shown(bool(node))
    return choice(node, path, ("true", "false", *KNOBS["causal"].words))


def is_false(node: Any) -> bool:
    """Whether a node is `false`; arrays do not compare to one truth value."""
    return (isinstance(node, bool | np.bool_) and not node) or (
        isinstance(node, str) and node == "false"
    )


def goes_by_positions(tree: Mapping[str, Any], key: str) -> bool:
    """Whether a key of a problem depends on the resolved positions of queries.

    It does not if it has positions of its own; nor do the forms of alibi that depend on keys only,
    nor a window without bounds.
    """
    node = tree.get(key, False)
    if key == "window":
        return not is_false(node) and is_bounded(node)
    if not isinstance(node, Mapping):
        return not is_false(node)
    if key == "alibi" and str(node.get("form")) in KEYS_ALONE:
        return False
    return "positions" not in node


def _users(tree: Mapping[str, Any]) -> list[str]:
    """Return the keys of the problem that depend on the positions of queries, besides causal."""
    others = [name for name, key in KEYS.items() if key.uses_positions and name != "causal"]
    return [name for name in others if goes_by_positions(tree, name)]


def _preset(extent: Extent, conventions: Conventions) -> str | None:
    """Return the alignment of the preset; None if it sets none."""
    alignment: str | None = conventions.get("causal")
    if alignment == "cache":
        return "top-left" if extent.key_lengths is None else "bottom-right"
    return alignment


def _decided(
    tree: Mapping[str, Any], causal: bool, extent: Extent, conventions: Conventions
) -> str:
    """Return the alignment if neither offset, past nor a name decides it."""
    if extent.plain:
        return "top-left"
    users = _users(tree)
    if not (causal or users):
        return "top-left"
    alignment = _preset(extent, conventions)
    if alignment is not None:
        return alignment
    if causal:
        because = (
            "key_lengths are given"
            if extent.n_q == extent.n_k
            else "queries and keys differ in number"
        )
        raise AttnError(
            f"causal: true can mean two things, because {because}: {_numbers(extent)}",
            path=("causal",),
            help=_both(extent),
        )
    raise AttnError(
        f"{users[0]} needs to know the positions of the queries among the keys: {_numbers(extent)}"
        + (", and key_lengths are given" if extent.key_lengths else ""),
        path=(users[0],),
        at_key=True,
        help="write offset: 0 if query 0 is at key 0, "
        f"offset: {_listed(extent.offsets('bottom-right'))} if the last query is at the "
        "last key",
    )


def _numbers(extent: Extent) -> str:
    return f"(n_q, n_k) = ({extent.n_q}, {extent.n_k})"


def _listed(offsets: tuple[int, ...]) -> str:
    """Return offsets as in a problem file: one number if they are equal."""
    return str(offsets[0]) if len(set(offsets)) == 1 else f"[{', '.join(map(str, offsets))}]"


def _both(extent: Extent) -> str:
    """Draw both alignments: at their own size if that is small, else 2 queries and 4 keys."""
    n_q, n_k, shift = extent.n_q, extent.n_k, extent.offsets("bottom-right")[0]
    note = ""
    if extent.key_lengths is not None:
        note = f", drawn for batch entry 0, of which {extent.key_lengths[0]} keys are there"
    if max(n_q, n_k) > 8:
        n_q, n_k = (2, 4) if n_q < n_k else (4, 2)
        note, shift = f", drawn for {n_q} queries and {n_k} keys", n_k - n_q
    width = max(2 * n_k - 1, len("top-left"))
    lines = [f"write causal: top-left or causal: bottom-right (x: seen){note}"]
    lines.append(f"        {'top-left':{width}}    bottom-right")
    for i in range(n_q):
        left = " ".join("x" if j <= i else "." for j in range(n_k))
        right = " ".join("x" if j <= i + shift else "." for j in range(n_k))
        lines.append(f"        {left:{width}}    {right}")
    return "\n".join(lines)


def _before_all(offsets: tuple[int, ...], extent: Extent) -> list[str]:
    """Warn of queries that are before the first key because there are so few keys."""
    found: list[str] = []
    if extent.key_lengths is None:
        return found
    for entry, offset in enumerate(offsets):
        if offset < 0:
            count = min(-offset, extent.n_q)
            where = "" if extent.batch is None else f" in batch {entry}"
            first = "query is" if count == 1 else f"{count} queries are"
            found.append(f"the offset{where} is {offset}: the first {first} before all keys")
    return found
