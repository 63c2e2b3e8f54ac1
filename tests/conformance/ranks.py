"""Whether the largest scores of a problem are larger by more than rounding."""

from __future__ import annotations

import itertools
import math
from typing import Any

from tests.conformance.oracle.plain import axes_of


def rows_of(values: Any) -> list[list[Any]]:
    """The rows of an array of any number of axes."""
    return values if axes_of(values) == 2 else [row for part in values for row in rows_of(part)]


def ranks_clearly(problem: dict[str, Any], steps: dict[str, Any]) -> bool:
    """Whether the same scores are largest however numbers are rounded.

    Visible scores must be apart from all others; those that got the same fill may tie.
    """
    normalize = problem["normalize"]
    if "top_k" not in problem and normalize not in ("argmax", {"function": "argmax"}):
        return True
    last = [name for name in steps if name in {"scores", "capped", "biased", "masked"}][-1]
    if "visible" not in steps:
        codes = [[0] * len(row) for row in rows_of(steps[last])]
    else:
        codes = rows_of(steps["visible"])
    for row, reasons in zip(rows_of(steps[last]), codes, strict=True):
        seen = [s for s, code in zip(row, reasons, strict=True) if code in {0, 7}]
        others = {s for s, code in zip(row, reasons, strict=True) if code not in {0, 7}}
        ranked = sorted(s for s in [*seen, *others] if math.isfinite(s))
        apart = itertools.pairwise(ranked)
        if any(b - a <= 1e-9 * max(1, abs(a)) for a, b in apart):
            return False
    return True
