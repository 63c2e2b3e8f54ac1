"""From scores to weights, read: normaliser, temperature, top_k, empty rows, dropout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attn_cli.conventions.knobs import KNOBS, Plain
from attn_cli.errors import AttnError, Path
from attn_cli.maths.heads import PerHead
from attn_cli.maths.normalizers import NORMALIZERS
from attn_cli.maths.normalizers.base import Normalizer
from attn_cli.maths.parameter import defaults
from attn_cli.maths.rules import Dropout, EmptyRows
from attn_cli.reading.keys import KEYS
from attn_cli.reading.parameters import read_function, read_parameters
from attn_cli.reading.per_head import read_per_head
from attn_cli.reading.sources import Sources
from attn_cli.reading.spreading import read_axes
from attn_cli.sources.matrices.spread import ScoresShape
from attn_cli.sources.text.mappings import mapping
from attn_cli.sources.text.scalars import choice, finite, integer, positive

CAUSES = tuple(KEYS["empty_rows"].inner)


def read_normalizer(sources: Sources, heads: int | None) -> tuple[Normalizer, dict[str, Any]]:
    """Return the normaliser and its parameters."""
    path = ("normalize",)
    node = sources.document.tree.get("normalize", NORMALIZERS.default)
    function, given = read_function(NORMALIZERS, node, path)
    values = read_parameters(
        sources,
        function.name,
        function.parameters,
        given,
        path,
        dtype=sources.precision.softmax.carrier,
        heads=heads,
    )
    return function, defaults(function.parameters) | values


def read_empty_rows(sources: Sources, *, hides_permanently: bool) -> EmptyRows | None:
    """Return the weights of rows without a visible key; None if hidden keys take part in them.

    A preset's NaN is 0/0, which does not occur if hidden keys have a finite score.
    """
    conventions = sources.conventions
    found: Any = conventions.read("empty_rows", _by_cause)
    if not (hides_permanently or "empty_rows" in sources.document.tree) and (
        found == "nan" or not conventions.preset_sets("empty_rows")
    ):
        return None
    by_cause = found if isinstance(found, Mapping) else dict.fromkeys(CAUSES, found)
    return EmptyRows(by_cause["mask"], by_cause["other"])


def _by_cause(node: Any, path: Path) -> Plain:
    """Return `empty_rows` in the form of presets: one word, or {mask:, other:}."""
    words = KNOBS["empty_rows"].words
    if not isinstance(node, Mapping):
        return choice(node, path, words)
    keys = mapping(node, path, CAUSES)
    for cause in CAUSES:
        if cause not in keys:
            raise AttnError(
                f"empty_rows has no {cause}",
                path=path,
                help="write {mask: zero, other: uniform}: mask is for rows from which the mask "
                "alone hides every key, other for all others that see none",
            )
    given = {cause: choice(keys[cause], (*path, cause), words) for cause in CAUSES}
    return given if given["mask"] != given["other"] else given["mask"]


def read_top_k(tree: Any) -> int | None:
    """Return the number of largest scores that are kept in a row."""
    return integer(tree["top_k"], ("top_k",), 1) if "top_k" in tree else None


def read_temperature(sources: Sources, heads: int | None) -> PerHead | None:
    """Return the temperature, which divides the scores before they are normalised."""
    node = sources.document.tree.get("temperature")
    return None if node is None else read_per_head(sources, node, ("temperature",), heads, positive)


def read_dropout(sources: Sources, shape: ScoresShape) -> Dropout | None:
    """Return the dropout, whose mask is given."""
    node, path = sources.document.tree.get("dropout"), ("dropout",)
    if node is None:
        return None
    keys = mapping(node, path, KEYS["dropout"].inner)
    if "mask" not in keys:
        raise AttnError(
            "dropout.mask is missing: a calculator draws no random numbers",
            path=path,
            help="write dropout: {mask: [[1, 0, ...], ...], p: 0.1}, 1 for a weight that is kept",
        )
    place = (*path, "mask")
    mask = sources.read_array(keys["mask"], place)
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
