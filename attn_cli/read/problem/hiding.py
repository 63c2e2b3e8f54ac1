"""What hides keys by their positions: causal order, window, lengths, documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from attn_cli.conventions.resolve import Conventions
from attn_cli.core.visible.base import Scheme
from attn_cli.errors import AttnError, Path, dotted
from attn_cli.read.matrices.matrix import is_one_value
from attn_cli.read.problem.extent import Extent
from attn_cli.read.problem.standing import Placed
from attn_cli.read.text.mappings import mapping
from attn_cli.read.text.scalars import integer

# What a bare number W says, by the knob of the preset: (left, right).
COUNTS: dict[str, Callable[[int], tuple[int, int]]] = {
    "keys": lambda w: (w - 1, 0),
    "previous": lambda w: (w, 0),
    "band": lambda w: (w - 1, w - 1),
    "both": lambda w: (w, w),
}
OWN = ("keys", "band")  # those that count the query's own key


def read_schemes(
    tree: Mapping[str, Any], extent: Extent, placed: Placed, conventions: Conventions
) -> tuple[Scheme, ...]:
    """Return what hides keys by position, in the order of their codes."""
    causal, standing = placed.causal, placed.standing
    prefix = _count(tree, "prefix", extent.n_k)
    sinks = _count(tree, "sink_tokens", extent.n_k)
    schemes: list[Scheme] = []
    if causal:
        from attn_cli.core.visible.causal import Causal

        schemes.append(Causal(prefix, standing))
    if "window" in tree:
        from attn_cli.core.visible.window import Window

        left, right = _window(tree["window"], ("window",), conventions)
        schemes.append(Window(left, right, prefix, sinks, standing))
    if extent.key_lengths is not None:
        from attn_cli.core.visible.length import KeyLengths

        schemes.append(KeyLengths(extent.key_lengths))
    if placed.documents is not None and placed.documents.query is not None:
        from attn_cli.core.visible.document import Documents

        schemes.append(Documents(placed.documents.query, placed.documents.key))
    if extent.key_start is not None:
        from attn_cli.core.visible.start import KeyStart

        schemes.append(KeyStart(extent.key_start))
    return tuple(schemes)


def _count(tree: Any, key: str, n_k: int) -> int:
    """Return a number of first keys, 0 where it is not given."""
    if key not in tree:
        return 0
    count = integer(tree[key], (key,), 0)
    if count > n_k:
        raise AttnError(f"{key} is {count}, but there are {n_k} keys", path=(key,))
    return count


def _window(node: Any, path: Path, conventions: Conventions) -> tuple[int, int]:
    """Return the bounds left and right, both part of the window, -1 where there is none."""
    listed = isinstance(node, list | tuple | np.ndarray)
    if listed and len(node) == 2 and all(map(is_one_value, node)):
        raise AttnError(
            "window must be a mapping, not two numbers",
            path=path,
            help=f"write {{left: {node[0]}, right: {node[1]}}}, both inclusive and -1 unbounded",
        )
    if not isinstance(node, dict):
        return _bare(integer(node, path, 0), path, conventions)
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
    counted = str(conventions.get("window")) if conventions.decides("window") else "keys"
    if number == 0 and counted in OWN:
        like = conventions.preset
        raise AttnError(
            f"{dotted(path)}: 0 lets a query see no key: like {like.name} counts the query's own "
            "key"
            if like is not None and conventions.decides("window")
            else f"{dotted(path)}: 0 can mean the query's own key alone, or no key",
            path=path,
            help="write {left: 0, right: 0} for the query's own key alone",
        )
    if conventions.decides("window"):
        return COUNTS[counted](number)
    raise AttnError(
        f"{dotted(path)}: {number} can mean {_keys(number)}, the query's own among them, or "
        f"{_keys(number)} before it and its own, {number + 1} in all",
        path=path,
        help=f"write {{keys: {number}}} for the first (transformers, Mistral), "
        f"{{left: {number}, right: 0}} for the second (flash-attention, JAX, ONNX)",
    )


def _keys(number: int) -> str:
    return f"{number} {'key' if number == 1 else 'keys'}"
