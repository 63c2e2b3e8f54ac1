"""Whether two problems, or parts of them, are computed in the same way."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from attn_cli.arrays import AnyArray

# Parts of a problem that change no number, or its last digit at most.
_SAID = ("conventions", "warnings", "title", "narrow", "tokens_of", "scale_given", "layout")
_ROUNDED = ("placement", "precision")
_LABELS = ("token_labels", "query_tokens", "key_tokens", "cross", "nonfinite")
_IGNORED = frozenset((*_SAID, *_LABELS, *_ROUNDED))


def alike(one: Any, other: Any) -> bool:
    """Return whether two problems, or parts of them, are computed in the same way."""
    return one is other or not any(differing(one, other))


def differing(one: Any, other: Any) -> Iterator[str]:
    """Yield the names of the fields in which two values differ; of others than records, one."""
    if one is other:
        return
    if type(one) is not type(other):
        yield "type"
    elif hasattr(one, "_form"):
        here, there = vars(one), vars(other)
        for name in one._form.names:
            if name not in _IGNORED and not alike(here[name], there[name]):
                yield name
    elif not _equal(one, other):
        yield "value"


def _equal(one: Any, other: Any) -> bool:
    """Return whether two values of one type, which are not records, are equal."""
    if isinstance(one, np.ndarray):
        return one.shape == other.shape and _equal_arrays(one, other)
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, partial):
        return alike((one.func, one.args, one.keywords), (other.func, other.args, other.keywords))
    return bool(one == other)


def _equal_arrays(one: AnyArray, other: AnyArray) -> bool:
    """Return whether arrays of one shape have the same numbers; NaN is the same as NaN."""
    few = (slice(0, 1),) * (one.ndim - 1)  # most arrays that differ do so in their first row
    return all(_equal_cells(one[part], other[part]) for part in (few, ()))


def _equal_cells(one: AnyArray, other: AnyArray) -> bool:
    same = one == other
    if one.dtype.kind == "f" and not same.all():
        same |= np.isnan(one) & np.isnan(other)
    return bool(same.all())
