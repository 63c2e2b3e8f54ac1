"""dtype and precision: the type of each part of the arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from attn_cli.errors import AttnError, Path, dotted
from attn_cli.floats import FLOAT_TYPES, FloatType
from attn_cli.maths.precision import EXACT, NormTypes, Precision, RopeTypes
from attn_cli.reading.conventions_reader import Conventions
from attn_cli.reading.keys import KEYS
from attn_cli.sources.text.mappings import mapping
from attn_cli.sources.text.scalars import choice

ROPE_PARTS = ("angles", "table", "rotation")
NORM_PARTS = ("row", "gain")
NARROW = ("float16", "bfloat16")
PATH: Path = ("precision",)


def read_precision(tree: Mapping[str, Any], conventions: Conventions) -> Precision:
    """Return the types; raise AttnError for an unknown name, and for sums in 16 bits."""
    dtype = _type(tree.get("dtype", "float64"), ("dtype",))
    if "precision" not in tree and conventions.preset is None:
        return _usual(dtype)
    return _read(tree, conventions, dtype)


@cache
def _usual(dtype: FloatType) -> Precision:
    """Return the types of a problem that has no key but dtype for them."""
    return _read({}, Conventions({}), dtype)


def _read(tree: Mapping[str, Any], conventions: Conventions, dtype: FloatType) -> Precision:
    """Return the types, as `read_precision`, of a problem in this type."""
    given = mapping(tree.get("precision", {}), PATH, KEYS["precision"].inner)
    accumulate = _accumulate(given, dtype)
    types = {
        name: _convention(name, conventions, dtype, accumulate)
        for name in ("scale", "scaled", "scores", "softmax", "weighted_sum")
    }
    for name in ("scale", "weighted_sum"):  # factors of products in the type of sums
        if types[name].wider(accumulate):
            raise AttnError(
                f"precision.{name} is {types[name].name}, and sums run in {accumulate.name}",
                path=(*PATH, name),
                help="leave it out, or write accumulate: float64 too",
            )
    return Precision(
        dtype=dtype,
        accumulate=accumulate,
        scale=types["scale"],
        scaled=types["scaled"],
        scores=types["scores"],
        softmax=types["softmax"],
        weighted_sum=types["weighted_sum"],
        output=_part(given, "output", dtype),
        norm=_norm(given, accumulate),
        rope=_rope(given),
    )


def _accumulate(given: Mapping[str, Any], dtype: FloatType) -> FloatType:
    """Return the type of sums: not narrower than dtype, and not of 16 bits."""
    accumulate = _part(given, "accumulate", FLOAT_TYPES["float32"] if _narrow(dtype) else dtype)
    if dtype.wider(accumulate) or _narrow(accumulate):
        narrow = _narrow(accumulate)
        raise AttnError(
            f"precision.accumulate is {accumulate.name}, and sums run in float32 or float64"
            + ("" if narrow else f", no narrower than dtype {dtype.name}"),
            path=(*PATH, "accumulate"),
            help="sums in 16 bits depend on the order of the terms, which every kernel chooses "
            "for itself: they have no one value"
            if narrow
            else f"leave it out, or compute in dtype {accumulate.name}",
        )
    return accumulate


def _convention(
    name: str,
    conventions: Conventions,
    dtype: FloatType,
    accumulate: FloatType,
) -> FloatType:
    """Return a type that differs between systems: as written, else the preset's."""
    named = str(conventions.read(f"precision.{name}", lambda node, path: _type(node, path).name))
    by_name = {
        "dtype": dtype,
        "accumulate": accumulate,
        "at least float32": FLOAT_TYPES["float32"] if _narrow(dtype) else dtype,
    }
    return by_name.get(named) or FLOAT_TYPES[named]


def _norm(given: Mapping[str, Any], accumulate: FloatType) -> NormTypes:
    """Return the types inside norms: one, or {row:, gain:}."""
    if "norm" not in given:
        return NormTypes(accumulate, accumulate)
    types = _parts(given["norm"], "norm", NORM_PARTS)
    row = types.get("row", accumulate)
    if _narrow(row):
        place = (*PATH, "norm", "row") if isinstance(given["norm"], Mapping) else (*PATH, "norm")
        raise AttnError(
            f"{dotted(place)} is {row.name}, and the mean of a row is a sum, in float32 or float64",
            path=place,
            help=f"write precision: {{norm: {{row: float32, gain: {row.name}}}}}",
        )
    return NormTypes(row, types.get("gain", accumulate))


def _rope(given: Mapping[str, Any]) -> RopeTypes:
    """Return the types inside rotary embeddings: one, or {angles:, table:, rotation:}."""
    if "rope" not in given:
        return EXACT
    types = _parts(given["rope"], "rope", ROPE_PARTS)
    rotation = types.get("rotation", EXACT.rotation)
    return RopeTypes(types.get("angles", EXACT.angles), types.get("table", rotation), rotation)


def _parts(node: Any, name: str, parts: tuple[str, ...]) -> dict[str, FloatType]:
    """Return the type of each part: one for all, or those that a mapping names."""
    path = (*PATH, name)
    if not isinstance(node, Mapping):
        return dict.fromkeys(parts, _type(node, path))
    keys = mapping(node, path, parts)
    if not keys:
        raise AttnError(
            f"{dotted(path)} names no part",
            path=path,
            help=f"write {{{', '.join(f'{part}: float32' for part in parts)}}}, or one type",
        )
    return {part: _type(item, (*path, part)) for part, item in keys.items()}


def _part(given: Mapping[str, Any], name: str, default: FloatType) -> FloatType:
    return _type(given[name], (*PATH, name)) if name in given else default


def _narrow(type_: FloatType) -> bool:
    return type_.name in NARROW


def _type(node: Any, path: Path) -> FloatType:
    """Return the type of a name; in Python it may be a NumPy dtype."""
    name = np.dtype(node).name if isinstance(node, type | np.dtype) else node
    return FLOAT_TYPES[choice(name, path, tuple(FLOAT_TYPES))]
