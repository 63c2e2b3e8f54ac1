"""A window, read: one for all query heads, or one for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from attn_cli.errors import AttnError, Path, dotted
from attn_cli.maths.heads import of_head
from attn_cli.reading.conventions_reader import Conventions
from attn_cli.reading.keys import KEYS
from attn_cli.reading.per_head import is_list, read_per_head, refuse_wrong_count
from attn_cli.reading.sources import Sources
from attn_cli.sources.matrices.matrix import is_one_value
from attn_cli.sources.text.mappings import mapping
from attn_cli.sources.text.scalars import integer, is_number, kind_of, shown

Bounds = tuple[int, int]  # left and right, both part of the window, -1 if there is none

# The window of a bare number W, by the knob of the preset.
COUNTS: dict[str, Callable[[int], Bounds]] = {
    "keys": lambda w: (w - 1, 0),
    "previous": lambda w: (w, 0),
    "band": lambda w: (w - 1, w - 1),
    "both": lambda w: (w, w),
}
OWN = ("keys", "band")  # those that count the query's own key
NONE = ("none", "null", "~")  # of a head that has no window
PATH: Path = ("window",)


def read_window(sources: Sources, heads: int | None) -> Bounds | list[Bounds]:
    """Return the bounds of the window, or those of each query head.

    Heads are written as a list of windows, or as a list of bounds in one mapping.
    """
    node, conventions = sources.document.tree["window"], sources.conventions
    if isinstance(node, np.ndarray) and node.ndim != 1:
        raise AttnError(
            f"window must be a mapping, not {kind_of(node)}",
            path=PATH,
            help="write {left: [...], right: [...]} for windows of heads, one number per head each",
        )
    if isinstance(node, list | tuple | np.ndarray):
        listed = node.tolist() if isinstance(node, np.ndarray) else node
        _refuse_a_pair(listed, PATH, heads)
        refuse_wrong_count(len(listed), "window", PATH, heads)
        return [_of_head(one, (*PATH, at), conventions) for at, one in enumerate(listed)]
    if isinstance(node, dict) and any(is_list(bound) for bound in node.values()):
        return _bounds_of_heads(sources, node, heads)
    return _one(node, PATH, conventions)


def is_bounded(node: Any) -> bool:
    """Whether a window, or one of those of heads, has a bound."""
    if isinstance(node, Mapping):
        return "keys" in node or any(map(_is_bound, node.values()))
    if isinstance(node, list | tuple):
        return any(is_bounded(one) for one in node)
    return not _is_none(node)


def _is_bound(number: Any) -> bool:
    """Whether a bound is one, or any of a list is."""
    numbers = number.tolist() if isinstance(number, np.ndarray) else number
    return (
        any(map(_is_bound, numbers))
        if isinstance(numbers, list | tuple)
        else str(numbers) not in ("-1", "-1.0")
    )


def _is_none(node: Any) -> bool:
    return node is None or (isinstance(node, str) and node in NONE)


def _of_head(node: Any, path: Path, conventions: Conventions) -> Bounds:
    """Return the bounds of one head's window, which may be none."""
    if _is_none(node):
        return -1, -1
    if isinstance(node, str) and not is_number(node):
        raise AttnError(
            f"{dotted(path)} is {shown(node)}, which is not a window",
            path=path,
            help="write {keys: W}, {left: L, right: R}, or none for a head without a window",
        )
    return _one(node, path, conventions)


def _one(node: Any, path: Path, conventions: Conventions) -> Bounds:
    """Return the bounds of one window."""
    _refuse_a_pair(node, path, None)
    if not isinstance(node, dict):
        return _bare(integer(node, path, 0), path, conventions)
    keys = _keys_of(node, path)
    if "keys" in keys:
        return integer(keys["keys"], (*path, "keys"), 1) - 1, 0
    left, right = (integer(keys.get(k, -1), (*path, k), -1) for k in ("left", "right"))
    return left, right


def _bounds_of_heads(sources: Sources, node: dict[str, Any], heads: int | None) -> list[Bounds]:
    """Return the bounds of each head, of a mapping in which one number serves all heads."""
    keys = _keys_of(node, PATH)

    def read(name: str, least: int) -> list[int]:
        path = (*PATH, name)
        given = read_per_head(
            sources, keys.get(name, -1), path, heads, lambda n, at: integer(n, at, least)
        )
        return [int(of_head(given, head)) for head in range(heads or 1)]

    if "keys" in keys:
        return [(count - 1, 0) for count in read("keys", 1)]
    return list(zip(read("left", -1), read("right", -1), strict=True))


def _keys_of(node: dict[str, Any], path: Path) -> Mapping[str, Any]:
    """Return the keys of a window: left and right, or keys."""
    keys = mapping(node, path, KEYS["window"].inner)
    if "keys" in keys and len(keys) > 1:
        raise AttnError(
            f"{dotted(path)} has both keys and {next(k for k in keys if k != 'keys')}",
            path=path,
            help="write {keys: W}, which counts the query's own key, or {left: L, right: R}",
        )
    if not keys:
        raise AttnError(f"{dotted(path)} has no bound", path=path, help="write {left: L, right: R}")
    return keys


def _refuse_a_pair(node: Any, path: Path, heads: int | None) -> None:
    """Raise AttnError for two numbers, which are left and right elsewhere."""
    listed = isinstance(node, list | tuple | np.ndarray)
    if listed and len(node) == 2 and all(map(is_one_value, node)) and not any(map(_is_none, node)):
        each = ", or a list of two mappings for two heads" if heads == 2 else ""
        raise AttnError(
            f"{dotted(path)} must be a mapping, not two numbers",
            path=path,
            help=f"write {{left: {node[0]}, right: {node[1]}}}, both inclusive and -1 unbounded"
            + each,
        )


def _bare(number: int, path: Path, conventions: Conventions) -> tuple[int, int]:
    """Return the window of a bare number by the preset; raise AttnError if that has none."""
    counted, like = conventions.get("window"), conventions.preset
    if number == 0 and counted in (None, *OWN):
        raise AttnError(
            f"{dotted(path)}: 0 lets a query see no key: like {like.name} counts the query's own "
            "key"
            if like is not None and counted is not None
            else f"{dotted(path)}: 0 can mean the query's own key alone, or no key",
            path=path,
            help="write {left: 0, right: 0} for the query's own key alone",
        )
    if counted is not None:
        return COUNTS[counted](number)
    raise AttnError(
        f"{dotted(path)}: {number} can mean {_keys(number)}, the query's own among them, or "
        f"{_keys(number)} before it and its own, {number + 1} in all",
        path=path,
        help=f"write {{keys: {number}}} for the first (transformers, gpt-oss), "
        f"{{left: {number}, right: 0}} for the second (flash-attention, JAX, ONNX)",
    )


def _keys(number: int) -> str:
    return f"{number} {'key' if number == 1 else 'keys'}"
