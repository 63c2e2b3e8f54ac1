"""The number of heads, and the key head of each query head."""

from __future__ import annotations

from typing import Any

import numpy as np

from attn_cli.errors import AttnError, Path, dotted
from attn_cli.maths.heads import key_head
from attn_cli.reading.per_head import is_list, refuse_wrong_count
from attn_cli.reading.sides import LETTERS, Heads
from attn_cli.reading.sources import Sources
from attn_cli.reading.whole_numbers import whole_numbers
from attn_cli.sources.text.scalars import integer


def read_heads(sources: Sources) -> Heads:
    """Return the number of heads: from the keys, or from lists with one matrix per head."""
    tree = sources.document.tree
    query = integer(tree["heads"], ("heads",), 1) if "heads" in tree else None
    key = integer(tree["kv_heads"], ("kv_heads",), 1) if "kv_heads" in tree else None
    owners = {"query": "heads", "key": "kv_heads" if key is not None else "heads"}
    for side in LETTERS:
        if side not in sources.weights:
            continue
        path, node = ("weights", side), sources.weights[side]
        if isinstance(node, list | tuple) and _depth(node) < 3:
            continue  # one matrix, written out: it is read when it is used
        array = sources.read_array(node, path)
        if array.ndim != 3:
            continue
        grouped = side != "query" and key is not None
        expected, owner = (key, owners["key"]) if grouped else (query, owners["query"])
        if expected is not None and len(array) != expected:
            raise AttnError(
                f"{dotted(path)} has {len(array)} matrices, one per head, but {owner} "
                f"{'is' if '.' not in owner else 'has'} {expected}",
                path=path,
                help="give one matrix for each head, or one for all, its heads side by side",
            )
        if not grouped and query is None:
            query, owners["query"] = len(array), dotted(path)
    return _checked_heads(sources, query, key, owners["query"])


def _checked_heads(sources: Sources, query: int | None, key: int | None, owner: str) -> Heads:
    """Return the numbers of heads; raise AttnError if one is not a multiple of the other."""
    four_axes = sources.given_four_axes
    if key is not None and query is None and not four_axes:
        raise AttnError(
            f"kv_heads is {key}, but there are no heads",
            path=("kv_heads",),
            at_key=True,
            help="add heads: the number of query heads",
        )
    if query is not None:
        sources.shapes.fix("heads", query, owner)
        key = query if key is None and not four_axes else key
        if key is not None and query % key and not is_list(sources.document.tree.get("grouping")):
            raise AttnError(
                f"heads is {query}, not a multiple of kv_heads = {key}",
                path=("kv_heads",),
                help=_UNEVEN,
            )
    if key is not None and key != query:
        sources.shapes.fix("kv_heads", key, "kv_heads")
    return Heads(query, key)


def _depth(node: Any) -> int:
    """Return the number of axes of nested lists, judged by their first items."""
    depth = 0
    while isinstance(node, list | tuple) and node:
        node, depth = node[0], depth + 1
    if isinstance(node, np.ndarray):
        return depth + node.ndim
    return depth + isinstance(node, list | tuple)  # an empty one


def read_key_heads(sources: Sources, heads: int | None, kv_heads: int | None) -> tuple[int, ...]:
    """Return, for each query head, the head of K and V that it reads."""
    tree, conventions = sources.document.tree, sources.conventions
    if is_list(tree.get("grouping")):
        return tuple(
            conventions.read("grouping", lambda node, _: _listed(sources, node, heads, kv_heads))
        )
    grouping = str(conventions.read("grouping"))
    if heads is None or kv_heads is None:
        return (0,)
    if heads % kv_heads:
        raise AttnError(
            f"query has {heads} heads, not a multiple of the {kv_heads} of key and value",
            path=("query",) if "query" in tree else (),
            help=_UNEVEN,
        )
    return tuple(key_head(head, heads, kv_heads, grouping) for head in range(heads))


_UNEVEN = (
    "every key head serves the same number of query heads, unless grouping is a list: the key head "
    "of each query head"
)


def _listed(sources: Sources, node: Any, heads: int | None, kv_heads: int | None) -> list[int]:
    """Return the key heads that a list names, one for each query head."""
    path: Path = ("grouping",)
    listed = whole_numbers(sources.document, node, path)
    if listed.ndim != 1:
        raise AttnError(
            f"{dotted(path)} has {listed.ndim} axes, expected 1", path=path, help=_LISTED
        )
    refuse_wrong_count(len(listed), "number", path, heads, help=_LISTED)
    count = kv_heads or 1
    for at, head in enumerate(listed.tolist()):
        if not 0 <= head < count:
            raise AttnError(
                f"{dotted((*path, at))} is {head}, but key and value have "
                f"{'1 head, number 0' if count == 1 else f'{count} heads, 0 to {count - 1}'}",
                path=(*path, at),
                help=_LISTED,
            )
    heads_named: list[int] = listed.tolist()
    return heads_named


_LISTED = "write for each query head the number of the key head that it reads, from 0"
