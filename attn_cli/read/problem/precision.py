"""dtype and precision: in which type each part of the arithmetic runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from attn_cli.conventions.resolve import Conventions
from attn_cli.core.precision import FLOAT_TYPES, FloatType, Precision
from attn_cli.errors import AttnError, Path
from attn_cli.read.text.mappings import mapping
from attn_cli.read.text.scalars import choice

PARTS = ("accumulate", "scores", "softmax", "output")
NARROW = ("float16", "bfloat16")


def read_precision(tree: Mapping[str, Any], conventions: Conventions) -> Precision:
    """Return the types; raise AttnError for a name that is none, and for sums in 16 bits."""
    dtype = _type(tree.get("dtype", "float64"), ("dtype",))
    path: Path = ("precision",)
    given = mapping(tree.get("precision", {}), path, PARTS)
    types = {name: _type(node, (*path, name)) for name, node in given.items()}
    accumulate = types.get("accumulate") or (
        FLOAT_TYPES["float32"] if dtype.name in NARROW else dtype
    )
    if accumulate.carrier.itemsize < dtype.carrier.itemsize or accumulate.name in NARROW:
        narrow = accumulate.name in NARROW
        raise AttnError(
            f"precision.accumulate is {accumulate.name}, and sums run in float32 or float64"
            + ("" if narrow else f", no narrower than dtype {dtype.name}"),
            path=(*path, "accumulate"),
            help="sums in 16 bits depend on the order of the terms, which every kernel chooses "
            "for itself: they have no one value"
            if narrow
            else f"leave it out, or compute in dtype {accumulate.name}",
        )
    if "softmax" not in types and conventions.decides("precision.softmax"):
        named = str(conventions.get("precision.softmax"))
        types["softmax"] = {"dtype": dtype, "accumulate": accumulate}.get(named) or FLOAT_TYPES[
            named
        ]
    elif "softmax" in types:
        conventions.override("precision.softmax", types["softmax"].name)
    return Precision(
        dtype=dtype,
        accumulate=accumulate,
        scores=types.get("scores", dtype),
        softmax=types.get("softmax", accumulate),
        output=types.get("output", dtype),
    )


def _type(node: Any, path: Path) -> FloatType:
    """Return the type of a name; from Python it may be a type of NumPy's."""
    name = np.dtype(node).name if isinstance(node, type | np.dtype) else node
    return FLOAT_TYPES[choice(name, path, tuple(FLOAT_TYPES))]
