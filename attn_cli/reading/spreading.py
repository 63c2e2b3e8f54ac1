"""Arrays that are broadcast to the scores, read: axes by name, or by the rule of a preset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attn_cli.arrays import AnyArray
from attn_cli.errors import AttnError, Path, did_you_mean, dotted, printable
from attn_cli.reading.conventions_reader import Conventions
from attn_cli.reading.keys import KEYS
from attn_cli.sources.matrices.shapes import shape_text
from attn_cli.sources.matrices.spread import BOTH, NAMES, Axes, ScoresShape
from attn_cli.sources.text.mappings import mapping
from attn_cli.sources.text.scalars import kind_of, word


def unwrapped(
    node: Any, path: Path, more: tuple[str, ...] = (), example: str = "axes: [query, key]"
) -> tuple[Any, Path, Mapping[str, Any]]:
    """Return the matrix of {values: or file:, ...}, its path, and its further keys, `axes` or more.

    A node that is not a mapping is the matrix itself.
    """
    if not isinstance(node, dict):
        return node, path, {}
    further = ("axes", *more)
    mapping(node, path, KEYS[dotted(path)].inner)
    if ("values" in node) == ("file" in node):
        problem = "both values and file" if "values" in node else "neither values nor file"
        key = dotted(path)
        raise AttnError(
            f"{key} has {problem}",
            path=path,
            help=f"write {key}: {{values: [[...]], {example}}} or {key}: {{file: m.npy, ...}}",
        )
    kept = {key: node[key] for key in further if key in node}
    if "values" not in node:
        return {key: item for key, item in node.items() if key not in further}, path, kept
    for key in ("name", "transpose"):
        if key in node:
            raise AttnError(
                f"{dotted((*path, key))} belongs to a file, but values are written out",
                path=(*path, key),
                at_key=True,
            )
    return node["values"], (*path, "values"), kept


def read_axes(node: Any, path: Path) -> Axes:
    """Return the names of axes, outermost first."""
    if isinstance(node, str):
        node = [part.strip() for part in node.strip("[]").split(",")]
    if not isinstance(node, list | tuple) or not node:
        raise AttnError(
            f"{dotted(path)} must be a list of axes, not {kind_of(node)}",
            path=path,
            help="write axes: [batch, query, key]",
        )
    names = tuple(word(item, (*path, at)) for at, item in enumerate(node))
    for at, name in enumerate(names):
        if name not in (*NAMES, BOTH):
            raise AttnError(
                f"unknown axis '{printable(name)}' in {dotted(path)}",
                path=(*path, at),
                help=did_you_mean(name, (*NAMES, BOTH), what="there are"),
            )
        if name in names[:at] or (BOTH in names[: at + 1] and {"batch", "head"} & {*names}):
            raise AttnError(
                f"{dotted(path)} names an axis twice",
                path=(*path, at),
                help=f"{BOTH} is both: batch entries, each with all of its heads"
                if BOTH in names
                else None,
            )
    return names


def axes_of(
    keys: Mapping[str, Any],
    path: Path,
    array: AnyArray,
    shape: ScoresShape,
    conventions: Conventions,
) -> tuple[Axes | None, list[str]]:
    """Return the axes of a mask or bias, None if they are those of the scores, and notes.

    They are as written, else those of the preset. Raises AttnError if the preset cannot read the
    array.
    """
    readings = _readings(conventions)
    if "axes" in keys:
        axes = read_axes(keys["axes"], (*path, "axes"))
        if path == ("mask",) and axes not in readings:
            conventions.write("mask.axes", [list(axes)])
        return axes, []
    found = next((axes for axes in readings if len(axes) == array.ndim), None)
    if found is None or conventions.preset is None or array.shape[0] == 1:
        return None, []
    like = f"like {conventions.preset.name}"
    if array.ndim == 3 and shape.batch is not None and shape.heads is not None:
        found = shape.as_written(found)
        if not shape.has_sizes(array.shape[:1], found[:1]):
            raise AttnError(
                f"{dotted(path)} has shape {shape_text(array.shape)}, and {like} reads three axes "
                f"as {shape_text(found)} = {shape_text(shape.sizes(found))}",
                path=path,
                help="write four axes, (batch, heads, n_q, n_k), or name them: "
                "{values: ..., axes: [head, query, key]}",
            )
        return found, []
    if found == ("batch", "key") and path == ("mask",) and shape.batch and not shape.columns:
        if array.shape[0] != shape.batch:
            return None, []
        note = f"{dotted(path)} of two axes is read as (batch, key), as {like} reads it"
        return found, [note] if array.shape[0] == shape.n_q else []
    return None, []


def _readings(conventions: Conventions) -> list[Axes]:
    """Return the value of the preset: one list of axes for each number of axes."""
    return [tuple(axes) for axes in conventions.get("mask.axes") or []]
