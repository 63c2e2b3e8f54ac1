"""The user's mask, read without guessing what true means in it, and its fill."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from attn_cli.arrays import AnyArray
from attn_cli.errors import AttnError, Path, dotted, printable
from attn_cli.floats import FLOAT_TYPES
from attn_cli.formula import Formula, Relation, Symbol, Words
from attn_cli.formula import number as number_of
from attn_cli.maths.precision import Precision
from attn_cli.maths.visible.user import Mask
from attn_cli.reading.conventions_reader import Conventions
from attn_cli.reading.keys import KEYS
from attn_cli.reading.spreading import axes_of, unwrapped
from attn_cli.sources.matrices.casting import cast, rounded
from attn_cli.sources.matrices.document import Document
from attn_cli.sources.matrices.matrix import read_array
from attn_cli.sources.matrices.shapes import shape_text
from attn_cli.sources.matrices.spread import Axes, ScoresShape, first
from attn_cli.sources.text.mappings import mapping
from attn_cli.sources.text.scalars import choice, number, positive

LOWEST = rf"(?:(?P<part>\S+) )?lowest(?: (?P<type>{'|'.join(FLOAT_TYPES)}))?$"


def read_mask(
    document: Document, shape: ScoresShape, precision: Precision, conventions: Conventions
) -> tuple[Mask | None, list[str]]:
    """Return the mask, broadcast to the scores, or None if there is none, and warnings."""
    if "mask" not in document.tree:
        return None, []
    from attn_cli.maths.visible.user import Mask

    root: Path = ("mask",)
    node, path, keys = unwrapped(document.tree["mask"], root, ("true_means",), "true_means: attend")
    array = read_array(document, node, path)
    if not array.size:
        raise AttnError(
            f"{dotted(path)} is empty: its shape is {shape_text(array.shape)}", path=path
        )
    true_means = _true_means(keys, array, path, conventions)
    axes, warnings = axes_of(keys, root, array, shape, conventions)
    array, filled = _filled_up(array, path, shape, true_means, axes)
    warnings += filled
    if true_means is not None:
        visible = shape.spread(array.astype(np.bool_) == (true_means == "attend"), path, axes)
        return Mask(visible, None, Words("the mask attends"), not visible.all()), warnings
    if np.isnan(array).any() or np.isposinf(array).any():
        at = first(np.isnan(array) | np.isposinf(array))
        raise AttnError(
            f"{dotted((*path, *at))} is {'NaN' if np.isnan(array[at]) else 'inf'}",
            path=(*path, *at),
            help="a mask holds numbers that are added, and -inf for hidden keys"
            + _not_allowed(document),
        )
    if _zero_or_one(array) and (array == 1).any():
        warnings.append(
            f"{dotted(path)} holds only 0 and 1, and numbers are added to the scores: it hides "
            "nothing. For a mask of booleans write {values: ..., true_means: attend | ignore}"
        )
    visible = ~np.isneginf(array)
    # Which keys are hidden is decided on the mask as written: -1e9 hides none, even in float16.
    type_ = precision.scores
    added = cast(np.where(visible, array, 0), path, type_.read_as, finite=True)
    added = rounded(added, path, type_, finite=True)
    numbers = shape.spread(added, path, axes) if added.any() else None
    visible = shape.spread(visible, path, axes)
    shown = Relation(Symbol("mask"), ">", number_of(-np.inf))
    return Mask(visible, numbers, shown, not visible.all()), warnings


def _not_allowed(document: Document) -> str:
    """Return a hint that nonfinite: allow does not apply to masks, if the problem has it."""
    allow = document.tree.get("nonfinite") == "allow"
    return "; nonfinite: allow is for Q, K, V and weights, not for masks" if allow else ""


def _true_means(
    keys: Mapping[str, Any], array: AnyArray, path: Path, conventions: Conventions
) -> str | None:
    """Return the meaning of true in a mask, attend or ignore; None for a mask of numbers.

    Raises AttnError for a mask of booleans if neither it nor the preset defines the meaning.
    """
    flags = array.dtype.kind == "b" or (array.dtype.kind in "iu" and _zero_or_one(array))
    if "true_means" in keys:
        written = str(conventions.read("mask.true_means"))
        _refuse_numbers(array, path)
        return written
    if flags and array.dtype.kind != "b" and conventions.adds_integers is not None:
        raise AttnError(
            f"{dotted(path)} holds whole numbers 0 and 1, which {conventions.adds_integers} adds "
            "to the scores: they hide nothing there",
            path=path,
            help="write true and false, or mask: {values: ..., true_means: attend}, to hide keys; "
            "write 0.0 and 1.0 to add them",
        )
    if not flags:
        return None
    decided = conventions.get("mask.true_means")
    if decided is None:
        raise _undecided(array, path)
    return str(decided)


def _undecided(array: AnyArray, path: Path) -> AttnError:
    """Return the error for a mask of booleans without `true_means`."""
    what = "booleans" if array.dtype.kind == "b" else "whole numbers 0 and 1"
    return AttnError(
        f"{dotted(path)} holds {what}, and does not say whether {_one(array)} means attend or "
        "ignore",
        path=path,
        help="write mask: {values: ..., true_means: attend}, as torch's "
        "scaled_dot_product_attention, or true_means: ignore, as torch's MultiheadAttention",
    )


def _filled_up(
    array: AnyArray,
    path: Path,
    shape: ScoresShape,
    true_means: str | None,
    axes: Axes | None,
) -> tuple[AnyArray, list[str]]:
    """Return a mask with too few keys, filled up with "ignore" as ONNX does."""
    axis = -2 if shape.columns else -1
    if axes is not None:
        if "key" not in axes or array.ndim != len(axes):
            return array, []
        axis = axes.index("key") - len(axes)
    others = array.take([0], axis=axis) if array.ndim >= -axis else array
    if array.ndim < -axis or not 1 < array.shape[axis] < shape.n_k or not shape.fits(others, axes):
        return array, []
    count = array.shape[axis]
    missing = list(array.shape)
    missing[axis] = shape.n_k - count
    ignored: object = -np.inf if true_means is None else true_means == "ignore"
    dtype = np.float64 if true_means is None else np.bool_
    filled = np.concatenate([array.astype(dtype), np.full(missing, ignored, dtype)], axis=axis)
    rest = f"key {count} is" if count + 1 == shape.n_k else f"keys {count} to {shape.n_k - 1} are"
    return filled, [f"{dotted(path)} has {count} of {shape.n_k} keys: {rest} ignored"]


def read_fill(precision: Precision, conventions: Conventions) -> tuple[float, bool, Formula]:
    """Return the number that hidden scores get, whether it is added, and its text."""

    def written(node: Any, path: Path) -> dict[str, Any]:
        return _written_fill(node, path, precision)

    fill: Any = conventions.read("mask_fill", written)
    value, named = _fill(fill["value"], ("mask_fill", "value"), precision)
    return value, fill["how"] == "add", named


def _written_fill(node: Any, path: Path, precision: Precision) -> dict[str, Any]:
    """Return a fill in the form of presets: {value:, how:}."""
    keys: Mapping[str, Any] = {"value": node}
    if isinstance(node, Mapping):
        keys = mapping(node, path, KEYS["mask_fill"].inner)
    if "value" not in keys:
        raise AttnError(
            "mask_fill has no value", path=path, help="write {value: -1e9, how: select}"
        )
    how = choice(keys.get("how", "select"), (*path, "how"), ("select", "add"))
    value, named = _fill(keys["value"], (*path, "value"), precision)
    return {"value": keys["value"] if isinstance(named, Words) else value, "how": how}


def _fill(node: Any, path: Path, precision: Precision) -> tuple[float, Formula]:
    """Return a number to fill with: written out, or a part of the type's smallest."""
    text = str(node)
    if match := re.match(LOWEST, text):
        # The fill must also be finite in the type in which the step is computed.
        types = [precision.scores, precision.accumulate]
        if match["type"]:
            types.append(FLOAT_TYPES[match["type"]])
        type_ = max(types, key=lambda each: each.lowest)
        part = positive(match["part"], path) if match["part"] else 1.0
        if part <= 1:
            named = text if match["type"] else f"{text} ({type_.name})"
            return part * type_.lowest, Words(named)
    value = number(node, path)
    if not value < 0:
        raise AttnError(
            f"{dotted(path)} must be below 0, not {printable(text)}",
            path=path,
            help="write a number such as -1e9, -inf, lowest (the type's smallest), 0.7 lowest "
            "or lowest float32",
        )
    return value, number_of(float(value))


def _zero_or_one(array: AnyArray) -> bool:
    return bool(((array == 0) | (array == 1)).all())


def _one(array: AnyArray) -> str:
    return "true" if array.dtype.kind == "b" else "1"


def _refuse_numbers(array: AnyArray, path: Path) -> None:
    if array.dtype.kind != "b" and not _zero_or_one(array):
        at = first((array != 0) & (array != 1))
        raise AttnError(
            f"{dotted((*path, *at))} is {array[at]:g}, but the mask has true_means",
            path=(*path, *at),
            help="write true and false, or 0 and 1; leave true_means out if numbers are added",
        )
