"""How scores become weights: normaliser, temperature, top_k, empty rows, dropout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from attn_cli.errors import AttnError, Path, dotted
from attn_cli.maths.heads import PerHead
from attn_cli.maths.normalizers import NORMALIZERS
from attn_cli.maths.normalizers.base import Normalizer
from attn_cli.maths.rules import Dropout, EmptyRow, EmptyRows
from attn_cli.reading.per_head import read_per_head
from attn_cli.reading.sources import Sources
from attn_cli.reading.spreading import read_axes
from attn_cli.sources.matrices.matrix import is_one_value
from attn_cli.sources.matrices.spread import ScoresShape
from attn_cli.sources.text.mappings import mapping, refuse_unknown_parameters
from attn_cli.sources.text.scalars import choice, finite, integer, number, positive, word

EMPTY = ("zero", "nan", "uniform")
CAUSES = ("mask", "other")


def read_normalizer(sources: Sources, heads: int | None) -> tuple[Normalizer, dict[str, Any]]:
    """Return the normaliser and its parameters."""
    node, path = sources.document.tree.get("normalize", NORMALIZERS.default), ("normalize",)
    if not isinstance(node, dict):
        function, given = NORMALIZERS.get(word(node, path), path=path), {}
    else:
        if "function" not in node:
            raise AttnError(
                "normalize names no function",
                path=path,
                help=_named_alone(node)
                or f"write {{function: NAME, ...}}; there are: {', '.join(NORMALIZERS.names)}",
            )
        place = (*path, "function")
        function = NORMALIZERS.get(word(node["function"], place), path=place)
        given = {name: value for name, value in node.items() if name != "function"}
    known = [p.name for p in function.parameters]
    refuse_unknown_parameters(function.name, given, known, path)
    return function, _parameters(sources, function, given, heads)


def _named_alone(node: dict[str, Any]) -> str:
    """Return the advice for a name in braces, `{softmax}`; empty if it is something else."""
    name = next(iter(node), "")
    return f"write normalize: {name}" if len(node) == 1 and name in NORMALIZERS.names else ""


def _parameters(
    sources: Sources, function: Normalizer, given: dict[str, Any], heads: int | None
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for parameter in function.parameters:
        place: Path = ("normalize", parameter.name)
        if parameter.name not in given:
            if not parameter.optional:
                raise AttnError(
                    f"{dotted(place)} is missing: {function.name} needs {parameter.signature}",
                    path=("normalize",),
                    help=f"write normalize: {{function: {function.name}, {parameter.name}: ...}}",
                )
            values[parameter.name] = parameter.default
            continue
        node = given[parameter.name]
        if parameter.kind == "array":
            one = is_one_value(node) and heads is None
            node = [number(node, place)] if one else node
            values[parameter.name] = sources.of_heads(node, place, (), heads)
        elif parameter.kind == "positive":
            values[parameter.name] = positive(node, place)
        else:
            values[parameter.name] = finite(node, place)
        if parameter.least is not None and values[parameter.name] < parameter.least:
            raise AttnError(
                f"{dotted(place)} must be at least {parameter.least:g}, not "
                f"{values[parameter.name]:g}",
                path=place,
            )
    return values


def read_empty_rows(sources: Sources, *, for_good: bool) -> EmptyRows | None:
    """Return what a row without a key gives; None where hidden keys take part and decide it.

    A preset's NaN is 0/0, which is not there where hidden keys have a finite score.
    """
    tree, conventions = sources.document.tree, sources.conventions
    if "empty_rows" in tree:
        written = _by_cause(tree["empty_rows"], ("empty_rows",))
        plain: Any = {"mask": written.mask, "other": written.other}
        conventions.override("empty_rows", written.mask if len(written.either) == 1 else plain)
        return written
    if conventions.decides("empty_rows") and (for_good or conventions.get("empty_rows") != "nan"):
        return _by_cause(conventions.get("empty_rows"), ("empty_rows",))
    return EmptyRows("zero", "zero") if for_good else None


def _by_cause(node: Any, path: Path) -> EmptyRows:
    """Return what rows without a key give: one word for all, or {mask:, other:}."""
    if not isinstance(node, Mapping):
        word_ = cast(EmptyRow, choice(node, path, EMPTY))
        return EmptyRows(word_, word_)
    keys = mapping(node, path, CAUSES)
    for cause in CAUSES:
        if cause not in keys:
            raise AttnError(
                f"empty_rows has no {cause}",
                path=path,
                help="write {mask: zero, other: uniform}: mask is for rows from which the mask "
                "alone hides every key, other for all others that see none",
            )
    return EmptyRows(*(cast(EmptyRow, choice(keys[c], (*path, c), EMPTY)) for c in CAUSES))


def read_top_k(tree: Any) -> int | None:
    """Return how many of the largest scores of a row stay."""
    return integer(tree["top_k"], ("top_k",), 1) if "top_k" in tree else None


def read_temperature(sources: Sources, heads: int | None) -> PerHead | None:
    """Return what scores are divided by before they are normalised."""
    node = sources.document.tree.get("temperature")
    return None if node is None else read_per_head(sources, node, ("temperature",), heads, positive)


def read_dropout(sources: Sources, shape: ScoresShape) -> Dropout | None:
    """Return the dropout, whose mask is given."""
    node, path = sources.document.tree.get("dropout"), ("dropout",)
    if node is None:
        return None
    keys = mapping(node, path, ("mask", "p", "axes"))
    if "mask" not in keys:
        raise AttnError(
            "dropout.mask is missing: a calculator draws no random numbers",
            path=path,
            help="write dropout: {mask: [[1, 0, ...], ...], p: 0.1}, 1 where a weight is kept",
        )
    place = (*path, "mask")
    mask = sources.natural(keys["mask"], place)
    if mask.dtype.kind == "b":
        mask = mask.astype(sources.dtype)
    else:
        mask = sources.numbers(keys["mask"], place)
    p = finite(keys.get("p", 0.0), (*path, "p"))
    if not 0 <= p < 1:
        raise AttnError(
            f"dropout.p must be at least 0 and below 1, not {p:g}",
            path=(*path, "p"),
            help="p is the part of the weights that is dropped; the others are divided by 1 - p",
        )
    axes = read_axes(keys["axes"], (*path, "axes")) if "axes" in keys else None
    return Dropout(shape.spread(mask, place, axes), p)
