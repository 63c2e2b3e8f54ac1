"""Blocks of a matrix as one number each: against loops over all cells, and their laws."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from numpy.typing import NDArray

from attn_cli.lab.pooling import Cut, Pool, cut

Floats = NDArray[np.floating[Any]]
Codes = NDArray[np.uint8]


def pooled(
    values: Floats, hidden: Codes | None, rows: Cut, columns: Cut, how: str, at: int
) -> Pool:
    """The pool of a matrix whose rows come `at` at a time."""
    pool = Pool(rows, columns, how)  # type: ignore[arg-type]
    read = np.array(rows.read)
    for first in range(0, len(read), at):
        part = read[first : first + at]
        pool.add(part, values[part], None if hidden is None else hidden[part])
    return pool


def by_loops(
    values: Floats, hidden: Codes, rows: Cut, columns: Cut, how: str
) -> tuple[Floats, Codes]:
    """The same, from the definition: cell by cell."""
    numbers, codes = np.zeros((rows.cells, columns.cells)), np.zeros((rows.cells, columns.cells))
    for a, top in enumerate(rows.starts):
        chosen = [i for i in rows.read if top <= i < top + rows.block]
        for b, left in enumerate(columns.starts):
            inside = range(left, min(left + columns.block, columns.stop))
            cells = [(i, j) for i in chosen for j in inside]
            why = [0 if math.isnan(values[c]) else int(hidden[c]) for c in cells]
            codes[a, b] = min(why)
            if how == "mass":
                numbers[a, b] = sum(values[c] for c in cells) / len(chosen)
                continue
            seen = [values[c] for c, code in zip(cells, why, strict=True) if not code]
            if any(map(math.isnan, seen)):
                numbers[a, b] = math.nan
            elif seen:
                largest = max(map(abs, seen))
                numbers[a, b] = largest if largest in seen else -largest
    return numbers, codes.astype(np.uint8)


@given(
    n_q=st.integers(1, 13), n_k=st.integers(1, 17), rows=st.integers(1, 7), keys=st.integers(1, 7),
    sampled=st.sampled_from([None, 1, 2, 3]), how=st.sampled_from(["mass", "max"]),
    at=st.integers(1, 5), seed=st.integers(0, 2**32),
)  # fmt: skip
@examples(max_examples=30)
def test_a_pool_is_what_loops_over_all_cells_give(
    n_q: int, n_k: int, rows: int, keys: int, sampled: int | None, how: str, at: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n_q, n_k))
    hidden = (rng.integers(0, 4, size=(n_q, n_k)) * rng.integers(0, 2, size=n_k)).astype(np.uint8)
    values[hidden != 0] = 0 if how == "mass" else 1e300
    values[rng.random(size=values.shape) < 0.02] = np.nan
    down, across = cut(range(n_q), rows, sampled=sampled), cut(range(n_k), keys)
    numbers, codes = pooled(values, hidden, down, across, how, at).finished()
    expected, why = by_loops(values, hidden, down, across, how)
    np.testing.assert_array_equal(codes, why)
    np.testing.assert_allclose(numbers, expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("rows", [1, 2, 5, 11])
def test_rows_pooled_by_mass_sum_to_1(rows: int) -> None:
    weights = np.random.default_rng(3).dirichlet(np.ones(29), size=11)
    for keys in (1, 3, 7, 29):
        values, _ = pooled(
            weights, None, cut(range(11), rows), cut(range(29), keys), "mass", 4
        ).finished()
        np.testing.assert_allclose(values.sum(axis=1), 1, rtol=0, atol=2e-15)


@pytest.mark.parametrize("how", ["mass", "max"])
def test_a_pool_of_a_pool_is_the_pool_of_both(how: str) -> None:
    values = np.random.default_rng(4).normal(size=(12, 30))
    fine, _ = pooled(values, None, Cut(0, 12, 2), Cut(0, 30, 3), how, 5).finished()
    twice, _ = pooled(fine, None, Cut(0, 6, 3), Cut(0, 10, 5), how, 2).finished()
    once, _ = pooled(values, None, Cut(0, 12, 6), Cut(0, 30, 15), how, 12).finished()
    np.testing.assert_allclose(twice, once, rtol=1e-14)


def test_a_cell_is_hidden_only_if_all_of_it_is_for_the_first_reason() -> None:
    values = np.zeros((2, 4))
    hidden = np.array([[3, 1, 2, 2], [0, 2, 5, 4]], np.uint8)
    _, codes = pooled(values, hidden, Cut(0, 2, 2), Cut(0, 4, 2), "max", 1).finished()
    np.testing.assert_array_equal(codes, [[0, 2]])


@pytest.mark.parametrize("most", [1, 2, 7, 72, 100])
def test_cells_are_as_many_as_fit_and_samples_are_even(most: int) -> None:
    for count in (1, 5, 71, 72, 73, 1000, 100_003):
        for sampled in (None, 1, 4):
            of = cut(range(13, 13 + count), most, sampled=sampled)
            assert 1 <= of.cells <= most
            assert of.block % of.stride == 0
            assert of.starts[0] == of.read[0] == 13
            assert set(of.starts) <= set(of.read)  # no cell is without a row
            assert of.stride == 1 or sampled is not None
            if sampled is not None:
                assert of.block // of.stride <= sampled
            if of.stride == 1 and count <= most:
                assert of.whole
