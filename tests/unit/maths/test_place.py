"""Where a key is near a query."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from attn_cli.maths.place import FAR, near

STEPS = st.sampled_from([1, 2, 3, 7])
SIDES = st.one_of(st.integers(-3, 9), st.just(FAR))


@given(
    st.integers(-20, 20),
    st.integers(0, 7),
    STEPS,
    st.integers(0, 20),
    st.integers(0, 7),
    STEPS,
    SIDES,
    SIDES,
)
def test_near_is_what_it_says(
    first: int, rows: int, step: int, key: int, keys: int, apart: int, left: int, right: int
) -> None:
    """Also of queries and keys whose steps differ, in a result that may be written to."""
    of, j = first + step * np.arange(rows), key + apart * np.arange(keys)
    found = near(of, j, left, right)
    expected = [[p - left <= key <= p + right for key in j.tolist()] for p in of.tolist()]
    assert found.shape == (rows, keys)
    assert found.tolist() == expected
    found[:] = False


@given(st.lists(st.integers(-9, 9), max_size=6), st.integers(0, 5), SIDES, SIDES)
def test_queries_in_any_order(of: list[int], keys: int, left: int, right: int) -> None:
    found = near(np.array(of, dtype=np.intp), np.arange(keys), left, right)
    assert found.tolist() == [[p - left <= j <= p + right for j in range(keys)] for p in of]
