"""What hides keys by their positions: causal order, window, lengths, documents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from attn_cli.conventions.resolve import Conventions
from attn_cli.core.arrays import Integers
from attn_cli.core.visible.base import Scheme
from attn_cli.errors import AttnError, Path, dotted
from attn_cli.read.matrices.document import Document
from attn_cli.read.matrices.matrix import SUFFIXES, natural
from attn_cli.read.problem.standing import Extent
from attn_cli.read.text.mappings import mapping
from attn_cli.read.text.scalars import integer, kind_of, word

# What a bare number W says, by the knob of the preset: (left, right).
COUNTS: dict[str, Callable[[int], tuple[int, int]]] = {
    "keys": lambda w: (w - 1, 0),
    "previous": lambda w: (w, 0),
    "band": lambda w: (w - 1, w - 1),
    "both": lambda w: (w, w),
}


def read_key_lengths(document: Document, n_k: int, batch: int | None) -> tuple[int, ...] | None:
    """Return how many keys each batch entry has; None where all are there."""
    node, path = document.tree.get("key_lengths"), ("key_lengths",)
    if node is None:
        return None
    if isinstance(node, str) and "," in node:  # as an option has it: --key-lengths 2,3
        node = node.split(",")
    if isinstance(node, np.ndarray | str) and not _is_number(node):
        node = natural(document, node, path).tolist()
    entries = batch or 1
    if isinstance(node, list | tuple):
        lengths = tuple(integer(item, (*path, at), 0) for at, item in enumerate(node))
    else:
        lengths = (integer(node, path, 0),) * entries
    if len(lengths) != entries:
        raise AttnError(
            f"key_lengths has {len(lengths)} {'number' if len(lengths) == 1 else 'numbers'}, but "
            f"there {'is 1 batch entry' if entries == 1 else f'are {entries} batch entries'}",
            path=path,
            help="write one length for each batch entry, or one for all",
        )
    for at, length in enumerate(lengths):
        if length > n_k:
            place = (*path, at) if isinstance(node, list | tuple) else path
            raise AttnError(
                f"{dotted(place)} is {length}, but there are {n_k} keys",
                path=place,
                help="a length counts the first keys that are there, the past included",
            )
    return lengths


def _is_number(node: Any) -> bool:
    return not str(node).lower().endswith(SUFFIXES) and np.ndim(node) == 0


def read_schemes(
    document: Document,
    extent: Extent,
    offsets: tuple[int, ...],
    *,
    causal: bool,
    conventions: Conventions,
) -> tuple[Scheme, ...]:
    """Return what hides keys by position, in the order of their codes."""
    tree = document.tree
    prefix = _count(tree, "prefix", extent.n_k)
    sinks = _count(tree, "sink_tokens", extent.n_k)
    if prefix and not causal and "window" not in tree:
        raise _exempt("prefix", "causal or window")
    if sinks and "window" not in tree:
        raise _exempt("sink_tokens", "window")
    schemes: list[Scheme] = []
    if causal:
        from attn_cli.core.visible.causal import Causal

        schemes.append(Causal(prefix, offsets))
    if "window" in tree:
        from attn_cli.core.visible.window import Window

        left, right = _window(tree["window"], ("window",), conventions)
        schemes.append(Window(left, right, prefix, sinks, offsets))
    if extent.key_lengths is not None:
        from attn_cli.core.visible.length import KeyLengths

        schemes.append(KeyLengths(extent.key_lengths))
    if "documents" in tree:
        schemes.append(_documents(document, extent, offsets))
    return tuple(schemes)


def _count(tree: Any, key: str, n_k: int) -> int:
    """Return a number of first keys, 0 where it is not given."""
    if key not in tree:
        return 0
    count = integer(tree[key], (key,), 0)
    if count > n_k:
        raise AttnError(f"{key} is {count}, but there are {n_k} keys", path=(key,))
    return count


def _exempt(key: str, needed: str) -> AttnError:
    return AttnError(
        f"{key} lets the first keys be seen in spite of {needed}, and there is none",
        path=(key,),
        at_key=True,
        help=f"add {needed}, or leave out {key}",
    )


def _window(node: Any, path: Path, conventions: Conventions) -> tuple[int, int]:
    """Return the bounds left and right, both part of the window, -1 where there is none."""
    if isinstance(node, list | tuple | np.ndarray) and np.shape(node) == (2,):
        raise AttnError(
            "window must be a mapping, not two numbers",
            path=path,
            help=f"write {{left: {node[0]}, right: {node[1]}}}, both inclusive and -1 unbounded",
        )
    if not isinstance(node, dict):
        return _bare(integer(node, path, 1), path, conventions)
    keys = mapping(node, path, ("left", "right", "keys"))
    if "keys" in keys:
        if len(keys) > 1:
            raise AttnError(
                f"window has both keys and {next(k for k in keys if k != 'keys')}",
                path=path,
                help="write {keys: W}, which counts the query's own key, or {left: L, right: R}",
            )
        return integer(keys["keys"], (*path, "keys"), 1) - 1, 0
    if not keys:
        raise AttnError("window has no bound", path=path, help="write {left: L, right: R}")
    left, right = (integer(keys.get(k, -1), (*path, k), -1) for k in ("left", "right"))
    return left, right


def _bare(number: int, path: Path, conventions: Conventions) -> tuple[int, int]:
    """Return what a bare number says by the preset; raise AttnError where none decides."""
    if conventions.decides("window"):
        return COUNTS[str(conventions.get("window"))](number)
    raise AttnError(
        f"{dotted(path)}: {number} can mean {_keys(number)}, the query's own among them, or "
        f"{_keys(number)} before it and its own, {number + 1} in all",
        path=path,
        help=f"write {{keys: {number}}} for the first (transformers, Mistral), "
        f"{{left: {number}, right: 0}} for the second (flash-attention, JAX, ONNX)",
    )


def _keys(number: int) -> str:
    return f"{number} {'key' if number == 1 else 'keys'}"


def _documents(document: Document, extent: Extent, offsets: tuple[int, ...]) -> Scheme:
    """Return which document each query and each key belongs to."""
    from attn_cli.core.visible.document import Documents

    node, path = document.tree["documents"], ("documents",)
    names: dict[str, int] = {}
    if isinstance(node, dict) and "file" not in node:
        keys = mapping(node, path, ("query", "key"))
        for side in ("query", "key"):
            if side not in keys:
                raise AttnError(
                    f"documents has no {side}", path=path, help="write {query: [...], key: [...]}"
                )
        query = _ids(document, keys["query"], (*path, "query"), extent, extent.n_q, names)
        key = _ids(document, keys["key"], (*path, "key"), extent, extent.n_k, names)
        return Documents(query, key)
    key = _ids(document, node, path, extent, extent.n_k, names)
    every = np.arange(extent.n_q)[None, :] + np.array(offsets)[:, None]
    if every.min() < 0 or every.max() >= extent.n_k:
        raise AttnError(
            "documents names the document of each key, and not every query stands at a key: query "
            f"0 stands at {offsets[0]}, of {extent.n_k} keys and {extent.n_q} queries",
            path=path,
            help="write documents: {query: [...], key: [...]}",
        )
    return Documents(np.take_along_axis(key, every, axis=1), key)


def _ids(
    document: Document, node: Any, path: Path, extent: Extent, count: int, names: dict[str, int]
) -> Integers:
    """Return ids (batch, count) as whole numbers, from words or numbers; one list serves all."""
    if not isinstance(node, list | tuple):
        node = natural(document, node, path).tolist()
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
        words = [word(item, (*place, n)) for n, item in enumerate(row)]
        if len(words) != count:
            raise AttnError(
                f"{dotted(place)} has {len(words)} ids, but there are {count} "
                f"{'keys' if count == extent.n_k and path[-1] != 'query' else 'queries'}",
                path=place,
                help="write the document of each, such as [0, 0, 1]",
            )
        found.append([names.setdefault(name, len(names)) for name in words])
    if len(found) not in (1, extent.entries):
        raise AttnError(
            f"{dotted(path)} has {len(found)} lists, but there {extent.counted}",
            path=path,
        )
    return np.broadcast_to(np.array(found, dtype=np.intp), (extent.entries, count))
