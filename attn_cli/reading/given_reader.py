"""Q, K and V that are given directly, and the past: axes, packing, layout.

Packed matrices have the heads concatenated along the features. Of four axes the second is heads,
or with `axes: bshd` the third.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, overload

from attn_cli.arrays import Array, Tensor
from attn_cli.errors import AttnError, Path
from attn_cli.maths.problem import Past, Projection
from attn_cli.reading.keys import KEYS
from attn_cli.reading.sides import LETTERS, Heads, Side
from attn_cli.reading.sources import Sources
from attn_cli.reading.token_positions_reader import is_false
from attn_cli.sources.matrices.shapes import row_or_column, shape_text
from attn_cli.sources.text.mappings import mapping


def read_axes(sources: Sources) -> str:
    """Return the order of four axes: bhsd (batch, heads, tokens, features) or bshd."""
    order = str(sources.conventions.read("axes"))
    if not sources.given_four_axes:
        return "bhsd"
    if not sources.columns:
        return order
    if order == "bshd" and "axes" in sources.document.tree:
        raise AttnError(
            "axes: bshd and layout: columns exclude each other",
            path=("axes",),
            help="in layout columns four axes are (batch, heads, features, tokens)",
        )
    return "bhsd"


def read_given(sources: Sources, side: Side, heads: Heads) -> Projection:
    """Return Q, K or V as given: (tokens, features), with batch and heads before them."""
    path: Path = (side,)
    rows = "n_q" if side == "query" else sources.new_keys
    d = f"d_{LETTERS[side]}"
    array = sources.given(side)
    if side == "query" and array.ndim == 1:  # one query
        size = array.shape[0]
        array = array.reshape((size, 1) if sources.columns else (1, size))
    if not 2 <= array.ndim <= 4:
        raise AttnError(
            f"{side} has {array.ndim} {'axis' if array.ndim == 1 else 'axes'}, shape "
            f"{shape_text(array.shape)}; expected 2 to 4",
            path=path,
            help=row_or_column(array.shape[0], side, f"{side}s")
            if array.ndim == 1 and not sources.columns
            else "(tokens, features), (batch, tokens, features) or "
            "(batch, heads, tokens, features)",
        )
    count = heads.of(side)
    packed = count is not None and array.ndim < 4
    if array.ndim == 4:
        return _of_four_axes(sources, array, path, side, rows)
    features = f"{heads.symbol(side)} {d}" if packed else d
    last = (features, rows) if sources.columns else (rows, features)
    sources.shapes.bind(path, array.shape, (*("batch",)[: array.ndim - 2], *last))
    if sources.columns:
        array = array.swapaxes(-1, -2)
    if packed and count is not None:
        array = split(array, count, side)
        sources.shapes.fix(d, array.shape[-1], side)
    return Projection(array, split=packed)


def _of_four_axes(sources: Sources, array: Tensor, path: Path, side: Side, rows: str) -> Projection:
    """Return an array (batch, heads, tokens, features), read in the order that the keys set."""
    d = f"d_{LETTERS[side]}"
    heads = "heads" if side == "query" else "kv_heads"
    if read_axes(sources) == "bshd":
        sources.shapes.bind(path, array.shape, ("batch", rows, heads, d))
        array = array.swapaxes(1, 2)
    elif sources.columns:
        sources.shapes.bind(path, array.shape, ("batch", heads, d, rows))
        array = array.swapaxes(-1, -2)
    else:
        sources.shapes.bind(path, array.shape, ("batch", heads, rows, d))
    return Projection(array, split=True)


@overload
def split(packed: Array, heads: int, name: str) -> Array: ...
@overload
def split(packed: Tensor, heads: int, name: str) -> Tensor: ...
def split(packed: Tensor, heads: int, name: str) -> Tensor:
    """Return (..., n, heads x d) as (..., heads, n, d), without a copy."""
    width = packed.shape[-1]
    if width % heads:
        raise AttnError(
            f"{name} has {width} features, which {heads} heads cannot share evenly",
            path=("heads",),
            help=f"choose a number of heads that divides {width}",
        )
    return packed.reshape((*packed.shape[:-1], heads, width // heads)).swapaxes(-2, -3)


def read_past(
    sources: Sources,
    batch: tuple[int, ...],
    kv_heads: int | None,
    *,
    with_keys: bool,
    heads_last: bool,
) -> Past | None:
    """Return the keys and values of the cache, four axes each; None if there is none.

    `heads_last`: Q, K and V are (batch, tokens, heads, features), but the cache is not.
    """
    node, path = sources.document.tree.get("past"), ("past",)
    if node is None:
        return None
    keys = mapping(node, path, KEYS["past"].inner)
    for side in ("key", "value"):
        if side not in keys:
            raise AttnError(
                f"past.{side} is missing", path=path, help="write past: {key: ..., value: ...}"
            )
    if not with_keys:
        raise AttnError(
            "past adds keys, and this score function reads none",
            path=path,
            at_key=True,
            help="leave out past, or choose another score function",
        )
    lead = ("batch" if batch else "1", "kv_heads" if kv_heads else "1")
    if kv_heads:
        sources.shapes.fix("kv_heads", kv_heads, "key")
    key, value = (
        sources.array(
            keys[side],
            (*path, side),
            (*lead, "past", f"d_{LETTERS[side]}"),
            f"past.{side} is (batch, key heads, tokens, features), with axes: bshd too"
            if heads_last
            else None,
        )
        for side in ("key", "value")
    )
    if heads_last and 1 < key.shape[1] == key.shape[2]:
        sources.warnings += (
            "past is read as (batch, key heads, tokens, features), although query, key and value "
            f"are in the order bshd: it has {key.shape[1]} of heads and of tokens",
        )
    return Past(key, value, _rotated(sources, keys, path))


def _rotated(sources: Sources, keys: Mapping[str, Any], path: Path) -> bool:
    """Return whether the keys of the past are rotated; raise AttnError if nothing decides it."""
    tree, conventions = sources.document.tree, sources.conventions
    turned = not is_false(tree.get("rope", False))
    if "rotated" in keys:
        rotated = bool(conventions.read("past.rotated"))
        if not turned:
            raise AttnError(
                "past.rotated says whether rope has turned the keys, and there is no rope",
                path=(*path, "rotated"),
                at_key=True,
                help="leave it out, or add rope",
            )
        return rotated
    decided = conventions.get("past.rotated")
    if turned and decided is None:
        raise AttnError(
            "past can hold keys from before rope or from after it, and it is not known which",
            path=path,
            at_key=True,
            help="write past: {rotated: true, ...} for keys that rope has turned already, as "
            "transformers, vLLM and flash-attention keep them, or rotated: false",
        )
    return turned and bool(decided)


def refuse_different_axes(*sources: Projection | None) -> None:
    """Raise AttnError if Q, K and V do not share their leading axes."""
    names = ("query", "key", "value")
    found = [(name, s) for name, s in zip(names, sources, strict=True) if s is not None]
    first, other = found[0]
    for name, source in found[1:]:
        # A matrix that all heads share needs no axis of heads.
        mine, its = _lead(source), _lead(other)
        both_given = not source.letter and not other.letter
        if source.batch != other.batch or (both_given and len(mine) != len(its)):
            raise AttnError(
                f"{name} has {_axes(mine)}, but {first} has {_axes(its)}",
                path=(name,),
                help="query, key and value need the same leading axes",
            )


def _lead(source: Projection) -> tuple[int, ...]:
    return source.inputs.shape[:-2]


def _axes(lead: tuple[int, ...]) -> str:
    """Return leading axes as a message names them."""
    if not lead:
        return "no leading axes"
    return f"the leading axes {shape_text(('batch', 'heads')[: len(lead)])} = {shape_text(lead)}"
