"""Whether two problems, or any other data, are the same in every part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np


def attributes(thing: object) -> dict[str, object]:
    """The attributes by name: in what order they were set makes no difference."""
    return dict(sorted(vars(thing).items()))


def differences(found: Any, expected: Any, path: str = "") -> Iterator[str]:
    """Yield the path of each part that differs, with both values; arrays by type, shape and values.

    Two functions are the same if they are one; of objects without attributes `==` decides.
    """
    if found is expected:
        return
    if isinstance(expected, np.ndarray) and isinstance(found, np.ndarray):
        same = found.dtype == expected.dtype and found.shape == expected.shape
        if not same or found.tobytes() != expected.tobytes():
            yield f"{path}: {found!r}, not {expected!r}"
        return
    if isinstance(expected, str) and isinstance(found, str):  # a text knows whether it was quoted
        found, expected = str(found), str(expected)
    if type(found) is not type(expected):
        yield f"{path}: {found!r}, not {expected!r}"
    elif isinstance(expected, Mapping):
        if list(found) != list(expected):
            yield f"{path}: keys {list(found)}, not {list(expected)}"
        for key in set(found) & set(expected):
            yield from differences(found[key], expected[key], f"{path}.{key}")
    elif isinstance(expected, tuple | list):
        if len(found) != len(expected):
            yield f"{path}: {len(found)} items, not {len(expected)}"
        for at, (one, other) in enumerate(zip(found, expected, strict=False)):
            yield from differences(one, other, f"{path}[{at}]")
    elif hasattr(expected, "__dict__") and not isinstance(expected, type):
        yield from differences(attributes(found), attributes(expected), path)
    elif found != expected and not (found != found and expected != expected):
        yield f"{path}: {found!r}, not {expected!r}"
