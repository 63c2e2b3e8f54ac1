"""Arrays as written -> arrays of the arithmetic's type; values that it cannot hold are refused."""

from __future__ import annotations

from typing import Any

import numpy as np

from attn_cli.arrays import AnyArray, Array
from attn_cli.errors import AttnError, Path, dotted
from attn_cli.floats import FloatType
from attn_cli.sources.matrices.shapes import shape_text


def cast(array: AnyArray, path: Path, dtype: np.dtype[Any], *, finite: bool) -> Array:
    """Return the array in the arithmetic's type; raise AttnError for values that it cannot hold."""
    if array.size == 0:
        raise AttnError(
            f"{dotted(path)} is empty: its shape is {shape_text(array.shape)}", path=path
        )
    if array.dtype.kind == "b":
        raise AttnError(
            f"{dotted(path)} holds booleans, not numbers", path=path, help="write 1 and 0"
        )
    if array.dtype == dtype:
        result: Array = np.asarray(array, order="C")
    else:
        # A cast warns of a signalling NaN; like any other NaN it is refused below, or allowed.
        with np.errstate(over="ignore", invalid="ignore"):
            result = np.asarray(array, dtype=dtype, order="C")
    if finite and not np.isfinite(result).all():
        at = tuple(int(n) for n in np.argwhere(~np.isfinite(result))[0])
        raise unfit((*path, *at), array[at], str(dtype))
    return result


def rounded(array: Array, path: Path, type_: FloatType, *, finite: bool) -> Array:
    """Return an array in the carrier of `type_`, rounded to `type_`; raise as `cast` does."""
    result = type_.round(array)
    if finite and result is not array and not np.isfinite(result).all():
        at = tuple(int(n) for n in np.argwhere(~np.isfinite(result))[0])
        raise unfit((*path, *at), array[at], type_.name)
    return result


def unfit(place: Path, value: Any, type_: str) -> AttnError:
    """Return the error for a value that is not finite, or is not finite in a type."""
    if np.isfinite(value):
        return AttnError(
            f"{dotted(place)} = {value:g} is too large for {type_}",
            path=place,
            help="compute in a wider type: dtype float64",
        )
    return AttnError(
        f"{dotted(place)} is {'NaN' if np.isnan(value) else 'infinite'}",
        path=place,
        help="fix the input, or accept such numbers with nonfinite: allow",
    )
