"""How many decimals numbers are written with: what somebody rounded to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_DECIMAL = re.compile(r"[+-]?\d*\.(\d*)(?:[eE]([+-]?\d+))?")
_EXPONENT = re.compile(r"[+-]?\d+[eE]([+-]?\d+)")


def decimals(text: str) -> int | None:
    """Return how many decimals a number is written with; None if it has no decimal point.

    >>> decimals("0.250"), decimals("3"), decimals("1.2e-3"), decimals("1/3")
    (3, None, 4, None)
    """
    if found := _DECIMAL.fullmatch(text):
        return max(0, len(found[1]) - int(found[2] or 0))
    if found := _EXPONENT.fullmatch(text):
        return max(0, -int(found[1]))
    return None


def most_decimals(node: Any) -> int | None:
    """Return the most decimals of any number in nested lists or mappings; None if none has a point.

    >>> most_decimals([["0.5", "1"], ["0.25", "1/3"]]), most_decimals([["1", "2"]])
    (2, None)
    """
    if isinstance(node, Mapping):
        node = list(node.values())
    if isinstance(node, list | tuple):
        return max((n for n in map(most_decimals, node) if n is not None), default=None)
    if node is None or isinstance(node, bool):
        return None
    return decimals(node if isinstance(node, str) else repr(node))
