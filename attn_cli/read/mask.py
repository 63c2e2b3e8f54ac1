"""Causal order and the user's mask, read without guessing which way round they are meant."""

from __future__ import annotations

from typing import Any

import numpy as np

from attn_cli.core.arrays import AnyArray, Array, Bools
from attn_cli.core.visible import Causal, Mask
from attn_cli.errors import AttnError, Path, dotted
from attn_cli.read.document import Document
from attn_cli.read.keys import mapping
from attn_cli.read.matrix import FILE_KEYS, cast, natural
from attn_cli.read.scalars import choice, shown
from attn_cli.read.shapes import form

ALIGNMENTS = ("true", "false", "top-left", "bottom-right")
MASK_KEYS = ("values", *FILE_KEYS, "true_means")


def read_causal(node: Any, path: Path, n_q: int, n_k: int) -> Causal | None:
    """Return the causal scheme; raise AttnError where `true` could mean two."""
    alignment = (
        shown(bool(node)) if isinstance(node, bool | np.bool_) else choice(node, path, ALIGNMENTS)
    )
    if alignment == "false":
        return None
    if alignment == "true" and n_q != n_k:
        raise AttnError(
            f"{dotted(path)}: true can mean two things where queries and keys differ in number: "
            f"(n_q, n_k) = ({n_q}, {n_k})",
            path=path,
            help=_both(n_q, n_k),
        )
    return Causal(n_k - n_q if alignment == "bottom-right" else 0)


def _both(n_q: int, n_k: int) -> str:
    """Draw both alignments: at their size where that is small, else 2 against 4."""
    note = ""
    if max(n_q, n_k) > 8:
        n_q, n_k = (2, 4) if n_q < n_k else (4, 2)
        note = f", drawn for {n_q} queries and {n_k} keys"
    width = max(2 * n_k - 1, len("top-left"))
    lines = [f"write causal: top-left or causal: bottom-right (x: seen){note}"]
    lines.append(f"        {'top-left':{width}}    bottom-right")
    for i in range(n_q):
        left = " ".join("x" if j <= i else "." for j in range(n_k))
        right = " ".join("x" if j <= i + n_k - n_q else "." for j in range(n_k))
        lines.append(f"        {left:{width}}    {right}")
    return "\n".join(lines)


def read_mask(
    document: Document, scores_shape: tuple[int, ...], dtype: np.dtype[Any], *, columns: bool
) -> tuple[Mask | None, list[str]]:
    """Return the mask, broadcast to the scores, None where there is none, and what to warn of."""
    if "mask" not in document.tree:
        return None, []
    array, true_means, path = _read(document, document.tree["mask"], ("mask",))
    written = array
    array = _oriented(array, path, scores_shape, columns=columns)
    warnings: list[str] = []
    if true_means is not None:
        _refuse_numbers(written, path)
        visible = array.astype(np.bool_) == (true_means == "attend")
        return _mask(visible, None, "the mask attends", scores_shape), warnings
    if array.dtype.kind == "b" or (array.dtype.kind in "iu" and _zero_or_one(array)):
        what = "booleans" if array.dtype.kind == "b" else "whole numbers 0 and 1"
        raise AttnError(
            f"{dotted(path)} holds {what}, and does not say whether {_one(array)} means attend or "
            "ignore",
            path=path,
            help="write mask: {values: ..., true_means: attend}, as torch's "
            "scaled_dot_product_attention, or true_means: ignore, as torch's MultiheadAttention",
        )
    if np.isnan(array).any() or np.isposinf(array).any():
        at = _first(np.isnan(written) | np.isposinf(written))
        raise AttnError(
            f"{dotted((*path, *at))} is {'NaN' if np.isnan(written[at]) else 'inf'}",
            path=(*path, *at),
            help="a mask holds numbers that are added, and -inf where a key is hidden",
        )
    if _zero_or_one(array) and (array == 1).any():
        warnings.append(
            f"{dotted(path)} holds only 0 and 1, and numbers are added to the scores: it hides "
            "nothing. For a mask of booleans write {values: ..., true_means: attend | ignore}"
        )
    visible = ~np.isneginf(array)
    # What hides is decided on the mask as written: -1e9 is no -inf, also in float16.
    added = cast(np.where(visible, array, 0), path, dtype, finite=True)
    return _mask(visible, added if added.any() else None, "mask > -inf", scores_shape), warnings


def _mask(visible: Bools, added: Array | None, formula: str, shape: tuple[int, ...]) -> Mask:
    """Return the mask spread over the scores, without a copy."""
    return Mask(
        visible=np.broadcast_to(visible, shape),
        added=None if added is None else np.broadcast_to(added, shape),
        formula=formula,
        hides=not visible.all(),
    )


def _read(document: Document, node: Any, path: Path) -> tuple[AnyArray, str | None, Path]:
    """Return the array as written, what true means where that is said, and the array's path."""
    if not isinstance(node, dict):
        return natural(document, node, path), None, path
    mapping(node, path, MASK_KEYS)
    true_means = None
    if "true_means" in node:
        true_means = choice(node["true_means"], (*path, "true_means"), ("attend", "ignore"))
    if ("values" in node) == ("file" in node):
        problem = "both values and file" if "values" in node else "neither values nor file"
        raise AttnError(
            f"{dotted(path)} has {problem}",
            path=path,
            help="write mask: {values: [[...]], true_means: attend} or mask: {file: m.npy, ...}",
        )
    if "values" in node:
        extra = [key for key in ("name", "transpose") if key in node]
        if extra:
            raise AttnError(
                f"{dotted((*path, extra[0]))} belongs to a file, but values are written out",
                path=(*path, extra[0]),
                at_key=True,
            )
        values = (*path, "values")
        return natural(document, node["values"], values), true_means, values
    file = {key: value for key, value in node.items() if key != "true_means"}
    return natural(document, file, path), true_means, path


def _oriented(
    array: AnyArray, path: Path, scores_shape: tuple[int, ...], *, columns: bool
) -> AnyArray:
    """Return the mask with its keys last; raise AttnError where it does not broadcast."""
    symbols = ("batch", "heads")[: len(scores_shape) - 2] + (
        ("n_k", "n_q") if columns else ("n_q", "n_k")
    )
    shape = (*scores_shape[:-2], *scores_shape[:-3:-1]) if columns else scores_shape
    offset = len(shape) - array.ndim
    fits = array.ndim > 0 and offset >= 0 and (array.ndim > 1 or not columns)
    if not fits or any(a not in (1, b) for a, b in zip(array.shape, shape[offset:], strict=True)):
        raise AttnError(
            f"{dotted(path)} has shape {form(array.shape)}, which does not broadcast to the scores "
            f"{form(symbols)} = {form(shape)}",
            path=path,
            help="in layout columns a mask has at least the two axes (n_k, n_q)"
            if columns and array.ndim == 1
            else "each of its axes, from the last, must have that size or 1",
        )
    return array.swapaxes(-1, -2) if columns else array


def _zero_or_one(array: AnyArray) -> bool:
    return bool(((array == 0) | (array == 1)).all())


def _one(array: AnyArray) -> str:
    return "true" if array.dtype.kind == "b" else "1"


def _refuse_numbers(array: AnyArray, path: Path) -> None:
    if array.dtype.kind != "b" and not _zero_or_one(array):
        at = _first((array != 0) & (array != 1))
        raise AttnError(
            f"{dotted((*path, *at))} is {array[at]:g}, but the mask says what true means",
            path=(*path, *at),
            help="write true and false, or 0 and 1; leave true_means out where numbers are added",
        )


def _first(where: Bools) -> tuple[int, ...]:
    """Return the position of the first True."""
    return tuple(int(n) for n in np.argwhere(where)[0])
