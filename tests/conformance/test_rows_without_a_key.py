"""A warning names every row that sees no key, whatever part of a problem is asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

import attn_cli
from tests.conformance.strategies import problems
from tests.helpers.tiled import in_blocks

pytestmark = pytest.mark.slow

SAID = "no key to attend to"


def rows_without_a_key(record: attn_cli.Record) -> list[dict[str, int]]:
    """Batch entry, head and query, of those that there are, of each row that is hidden whole."""
    if "visible" not in record.steps:
        return []
    axes = record.steps["visible"].axes[:-1]
    hidden = np.argwhere((record["visible"] != 0).all(axis=-1))
    return [dict(zip(axes, map(int, at), strict=True)) for at in hidden]


def names_alone(record: attn_cli.Record, rows: list[dict[str, int]]) -> None:
    """One warning names the first three of these rows, and counts the rest; none without rows."""
    said = [warning for warning in record.warnings if SAID in warning]
    assert len(said) == bool(rows)
    named = [", ".join(f"{axis} {n}" for axis, n in row.items()) for row in rows[:3]]
    more = f" and {len(rows) - 3} more" if len(rows) > 3 else ""
    verb = "has" if len(rows) == 1 else "have"
    assert all(text.startswith(f"{'; '.join(named)}{more} {verb} {SAID}: ") for text in said)


@settings(max_examples=15)
@given(problems(), st.booleans(), st.data())
def test_rows_without_a_key_are_named(
    problem: dict[str, Any], row_by_row: bool, data: st.DataObject
) -> None:
    whole = attn_cli.compute(problem)
    rows = rows_without_a_key(whole)
    event("rows without a key" if rows else "no such rows")
    names_alone(whole, rows)

    sizes = dict(zip(whole.steps["weights"].axes, whole["weights"].shape, strict=True))
    asked: dict[str, int] = {
        axis: data.draw(st.integers(0, sizes[axis] - 1))
        for axis in ("batch", "head", "query")
        if axis in sizes and data.draw(st.booleans())
    }
    names = list(whole.steps)
    steps = data.draw(st.sets(st.sampled_from(names[names.index("weights") :]), min_size=1))
    part = in_blocks(problem, 1 if row_by_row else None, steps=steps, **asked)
    if "concat" in whole.steps and steps & {"concat", "output"}:  # made of all heads
        asked.pop("head", None)
    names_alone(part, [row for row in rows if asked.items() <= row.items()])
