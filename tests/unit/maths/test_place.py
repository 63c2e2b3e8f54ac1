"""Where a key is near a query."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_cli.maths.place import FAR, Place, near
from attn_cli.maths.token_positions import TokenPositions
from tests.helpers.many import for_each

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


@pytest.mark.regression("attn verify of a wrong kernel ended with a traceback")
@for_each("keys", [range(0), range(3, 4), range(2, 11, 3)])
def test_keys_as_a_slice_have_both_ends(keys: range) -> None:
    positions = TokenPositions(offsets=(0,), starts=(0,), query=None, key=None)
    found = Place(0, 0, np.arange(2), np.array(keys, np.intp), positions).keys
    assert list(range(found.start, found.stop, found.step or 1)) == list(keys)
