"""Softmax over keys that come tile after tile: any order, any tiles, any parts give the same."""

from __future__ import annotations

from math import exp, inf, log
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_cli.arrays import Array, Bools
from attn_cli.engine.online import SLACK, Bounds, Sums

ROWS, KEYS, D_V = 5, 13, 3
SLACKS = (0.0, SLACK, inf)
F64, F32 = np.dtype(np.float64), np.dtype(np.float32)


def brute(scores: Array, V: Array, sinks: tuple[float, ...] = ()) -> tuple[Array, Array, Bools]:
    """The same with one more key of value 0 for each sink, row by row in long arithmetic."""
    contexts, sums = np.zeros((len(scores), V.shape[1])), np.zeros(len(scores))
    for row, of_row in enumerate(scores.astype(np.longdouble)):
        exponents = [*of_row, *map(np.longdouble, sinks)]
        highest = max(exponents)
        if np.isneginf(highest):
            sums[row] = -np.inf
            continue
        e = [np.exp(s - highest) for s in exponents]
        total = sum(e)
        rest = sum(sorted(e)[:-1], np.longdouble(0))  # which may be tiny beside the largest
        sums[row] = highest + np.log1p(rest)
        for weight, value in zip(e, V.astype(np.longdouble), strict=False):  # sinks have none
            contexts[row] += (weight / total * value).astype(float)
    empty = np.array([bool(np.isneginf(row).all()) for row in scores])
    return contexts, sums, empty


def summed(scores: Array, V: Array, cuts: list[int], *, max_slack: float) -> Sums:
    sums = Sums.of(len(scores), V.shape[1], V.dtype, max_slack=max_slack)
    for start, stop in zip([0, *cuts], [*cuts, len(V)], strict=True):
        if start < stop:
            sums.add(scores[:, start:stop].copy(), V[start:stop])
    return sums


def check(
    sums: Sums, scores: Array, V: Array, sinks: tuple[float, ...] = (), close: float = 1e-13
) -> None:
    context, lse, empty = sums.finished(sinks)
    expected, expected_lse, expected_empty = brute(scores, V, sinks)
    np.testing.assert_allclose(context, expected, rtol=close, atol=close * np.abs(V).max())
    # What is tiny beside a sink is kept.
    np.testing.assert_allclose(lse, expected_lse, rtol=close, atol=close**2)
    np.testing.assert_array_equal(empty, expected_empty)


def drawn(seed: int, size: float, hidden: float) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    scores = size * rng.normal(size=(ROWS, KEYS))
    scores[rng.random((ROWS, KEYS)) < hidden] = -np.inf
    return scores, rng.normal(size=(KEYS, D_V))


@given(
    st.integers(0, 10**6),
    st.sampled_from([0.0, 1.0, 30.0, 1e4]),
    st.sampled_from([0.0, 0.3, 0.9, 1.0]),
    st.lists(st.integers(0, KEYS), max_size=4).map(sorted),
    st.sampled_from([(), (0.0,), (2.5,), (-1e4,), (1e4,), (2.5, 1.5), (700.0, -3.0)]),
    st.permutations(range(KEYS)),
)
def test_sums_are_those_of_all_keys_at_once(
    seed: int,
    size: float,
    hidden: float,
    cuts: list[int],
    sinks: tuple[float, ...],
    order: list[int],
) -> None:
    scores, V = drawn(seed, size, hidden)
    with np.errstate(divide="ignore", under="ignore"):
        for max_slack in (0.0, 1.5, SLACK):
            check(summed(scores[:, order], V[order], cuts, max_slack=max_slack), scores, V, sinks)
        if size <= 30 and max(sinks, default=0) < 100:
            check(summed(scores, V, cuts, max_slack=inf), scores, V, sinks)


@pytest.mark.parametrize("max_slack", SLACKS)
def test_parts_are_summed_apart(max_slack: float) -> None:
    """Rows that a stride takes, and the rest, get their keys in tiles of their own."""
    scores, V = drawn(3, 2.0, 0.2)
    sums = Sums.of(ROWS, D_V, F64, max_slack=max_slack)
    for part in (slice(0, ROWS, 2), slice(1, ROWS, 2)):
        for keys in (slice(0, KEYS, 3), slice(1, KEYS, 3), slice(2, KEYS, 3)):
            sums.part(part).add(scores[part, keys].copy(), V[keys])
    with np.errstate(divide="ignore"):
        check(sums, scores, V)


def test_a_higher_score_shrinks_what_was_summed() -> None:
    """log(2) more than 0 halves what the first key had."""
    sums = Sums.of(1, 1, F64, max_slack=0.0)
    sums.add(np.array([[0.0]]), np.array([[3.0]]))
    sums.add(np.array([[log(2)]]), np.array([[6.0]]))
    assert sums.total[0] == pytest.approx(1.5)
    assert sums.weighed[0, 0] == pytest.approx(7.5)
    assert sums.highest[0] == log(2)
    sums.add(np.array([[-np.inf]]), np.array([[1e300]]))
    context, lse, empty = sums.finished(())
    assert context[0, 0] == pytest.approx(5)
    assert lse[0] == pytest.approx(log(3))
    assert not empty[0]


def test_m_lags_behind() -> None:
    """A score that is a little larger than m changes nothing; one that is more makes m grow."""
    sums = Sums.of(2, 1, F64, max_slack=2.0)
    sums.add(np.array([[0.0], [5.0]]), np.array([[1.0]]))
    sums.add(np.array([[2.0], [7.5]]), np.array([[10.0]]))
    assert sums.highest.tolist() == [0.0, 7.5]
    assert sums.total.tolist() == pytest.approx([1 + exp(2), 1 + exp(-2.5)])
    assert sums.weighed[:, 0].tolist() == pytest.approx([1 + 10 * exp(2), 10 + exp(-2.5)])


@pytest.mark.parametrize("max_slack", SLACKS)
@pytest.mark.parametrize("rows", [5, 2])
def test_scores_may_come_with_m_taken_from_them(max_slack: float, rows: int) -> None:
    """Which m that is, is said in a column; rows grow all at once, and one at a time."""
    rng = np.random.default_rng(17)
    scores, V = rng.normal(size=(23, KEYS)), rng.normal(size=(KEYS, D_V))
    if max_slack < inf:
        scores[::rows, 6:] += 20
        scores[3] += 40 * np.arange(KEYS)
    scores[7] = scores[11, :9] = -inf
    whole, neg_max = Sums.of(23, D_V, F64, max_slack=max_slack), np.full((23, 2), np.nan)
    some = whole.part(slice(2, 21), neg_max[2:21, 1])
    for keys in (slice(0, 4), slice(4, 5), slice(5, KEYS)):
        some.add(scores[2:21, keys] + neg_max[2:21, 1, None], V[keys])
        small = some.part(slice(3, 9))  # which has the column too
        np.testing.assert_array_equal(
            neg_max[5:11, 1], -np.where(np.isinf(m := small.highest), 0, m)
        )
    assert np.isnan(neg_max[:, 0]).all()
    with np.errstate(divide="ignore"):
        context, lse, empty = whole.finished(())
    expected = brute(scores[2:21], V)
    np.testing.assert_allclose(context[2:21], expected[0], rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(lse[2:21], expected[1], rtol=1e-12)
    assert empty.tolist() == [*([True] * 2), *expected[2].tolist(), True, True]


def test_what_is_below_the_floor_counts_nothing() -> None:
    """exp(-100) is not a normal number in float32; hidden scores are below any floor."""
    sums = Sums.of(1, 4, F32, max_slack=0.0, underflow_floor=-80.0)
    sums.add(np.array([[0, -100, -inf, -79]], np.float32), np.eye(4, dtype=np.float32))
    one, below, hidden, above = sums.weighed[0].tolist()
    assert (one, below, hidden) == (1, 0, 0)
    assert above == pytest.approx(exp(-79) - exp(-80), rel=1e-5)
    assert sums.total.tolist() == [1]


def test_scores_of_any_size_do_not_overflow() -> None:
    scores = np.array([[-1.7e308, 1.7e308, 1.7e308], [-1.7e308, -1.7e308, -np.inf]])
    V = np.array([[1.0], [2.0], [4.0]])
    with np.errstate(over="ignore"):
        context, lse, _ = summed(scores, V, [1, 2], max_slack=0.0).finished(())
    assert context.tolist() == [[3.0], [1.5]]
    assert lse.tolist() == [1.7e308, -1.7e308]


def test_rows_without_a_key() -> None:
    for max_slack in SLACKS:
        sums = Sums.of(2, 1, F32, max_slack=max_slack)
        sums.add(np.array([[-np.inf], [1.0]], np.float32), np.array([[5.0]], np.float32))
        with np.errstate(divide="ignore"):
            context, lse, empty = sums.finished(())
        assert (context.dtype, lse.dtype) == (F32, F32)
        assert context.tolist() == [[0], [5]]
        assert lse.tolist() == [-np.inf, pytest.approx(1)]
        assert empty.tolist() == [True, False]


def test_rows_without_a_key_are_those_without_a_score() -> None:
    """Exponentials at the floor that differ in a last digit leave a rest; it counts nothing."""
    sums = Sums.of(2, 1, F32, max_slack=0.0, underflow_floor=-80.0)
    sums.add(np.array([[-inf], [1.0]], np.float32), np.array([[5.0]], np.float32))
    assert sums.total[0] == 0
    sums.total[0], sums.weighed[0] = 1e-45, 5e-45
    with np.errstate(divide="ignore"):
        context, lse, empty = sums.finished(())
    assert context.tolist() == [[0], [5]]
    assert lse.tolist() == [-inf, pytest.approx(1)]
    assert empty.tolist() == [True, False]


@pytest.mark.parametrize("max_slack", SLACKS)
def test_several_sinks_add_up(max_slack: float) -> None:
    """exp(0) and exp(log 2) for the key and a sink, and again for the next sink."""
    sums = Sums.of(1, 1, F64, max_slack=max_slack)
    sums.add(np.array([[0.0]]), np.array([[10.0]]))
    context, lse, _ = sums.finished((log(2), log(2)))
    assert context[0, 0] == pytest.approx(2)
    assert lse[0] == pytest.approx(log(5))


def test_rows_without_a_key_have_the_sum_of_their_sinks() -> None:
    for max_slack in SLACKS:
        sums = Sums.of(1, 1, F64, max_slack=max_slack)
        with np.errstate(divide="ignore"):
            context, lse, empty = sums.finished((-900.0, -900.0))
        assert (context.tolist(), empty.tolist()) == ([[0.0]], [True])
        assert lse[0] == pytest.approx(log(2) - 900, rel=1e-15)


def test_sums_keep_their_type() -> None:
    sums = Sums.of(1, 1, F32, max_slack=0.0)
    sums.add(np.zeros((1, 7), np.float32), np.ones((7, 1), np.float32))
    context, lse, _ = sums.finished((1.5,))
    assert (sums.total.dtype, context.dtype, lse.dtype) == (F32, F32, F32)


LOG_LARGEST = {F64: 709.78, F32: 88.72}
LARGEST = {F64: 1.797e308, F32: 3.40e38}


@pytest.mark.parametrize("dtype", [F64, F32], ids=str)
def test_where_no_maximum_is_needed(dtype: np.dtype[Any]) -> None:
    """exp of twice the bound, times the values, must stay below a quarter of the largest number."""
    room = LOG_LARGEST[dtype] - log(4)

    def serves(score: float, largest: float = 1, keys: int = 1) -> bool:
        return Bounds(score, largest, keys, dtype).need_no_maximum

    assert serves(0.499 * room)
    assert not serves(0.501 * room)
    assert serves(0, largest=LARGEST[dtype] / 4.1)
    assert not serves(0, largest=LARGEST[dtype] / 3.9)
    assert serves(0.25 * room, largest=float(np.exp(0.49 * room)))
    assert not serves(0.25 * room, largest=float(np.exp(0.51 * room)))
    assert serves(0.25 * room, largest=float(np.exp(0.49 * room)) / 1000, keys=1000)
    assert not serves(0.25 * room, largest=float(np.exp(0.51 * room)) / 1000, keys=1000)
    assert not serves(0.499 * room, largest=1e-30, keys=1000)  # the total has no values
    for unknown in (np.inf, np.nan):
        assert not serves(unknown)


@pytest.mark.parametrize("dtype", [F64, F32], ids=str)
def test_which_sums_are_finite(dtype: np.dtype[Any]) -> None:
    def finite(value: float, keys: int) -> bool:
        return Bounds(np.inf, value, keys, dtype).sums_are_finite

    assert finite(LARGEST[dtype] / 4.1, 1)
    assert not finite(LARGEST[dtype] / 3.9, 1)
    assert finite(LARGEST[dtype] / 410, 100)
    assert not finite(LARGEST[dtype] / 390, 100)
    assert not finite(np.nan, 1)
    assert not finite(np.inf, 1)


@pytest.mark.parametrize("dtype", [F64, F32], ids=str)
def test_by_how_much_m_may_lag(dtype: np.dtype[Any]) -> None:
    """By 8, where e^8 times the sum of all values, or of all weights, has room."""
    assert Bounds(1.0, 1.0, KEYS, dtype).max_slack == inf
    edge = LARGEST[dtype] / 4 / np.exp(8.0)
    for value, keys in ((edge / 100, 100), (edge, 1)):
        assert Bounds(1e4, 0.99 * value, keys, dtype).max_slack == 8
        assert Bounds(1e4, 1.01 * value, keys, dtype).max_slack == 0
    assert Bounds(inf, 0.0, int(0.99 * edge), dtype).max_slack == 8
    assert Bounds(inf, 0.0, int(1.01 * edge), dtype).max_slack == 0


@pytest.mark.parametrize(
    ("dtype", "smallest", "epsilon"), [(F64, -1022, -52), (F32, -126, -23)], ids=str
)
def test_where_scores_have_a_floor(dtype: np.dtype[Any], smallest: int, epsilon: int) -> None:
    """e^1.5 times the smallest normal number, of all values together, is below it over epsilon."""
    most = 2.0**-epsilon / np.exp(1.5)
    for value, keys in ((most / 100, 100), (most, 1)):
        assert Bounds(inf, 0.99 * value, keys, dtype).underflow_floor == pytest.approx(
            smallest * log(2) + 1.5
        )
        assert Bounds(inf, 1.01 * value, keys, dtype).underflow_floor is None
        assert (
            Bounds(1.0, 0.99 * value, keys, dtype).underflow_floor is None
        )  # no score is that low


@given(st.integers(0, 10**6), st.sampled_from([F64, F32]), st.booleans())
def test_sums_without_a_maximum_are_exact_up_to_their_bounds(
    seed: int, dtype: np.dtype[Any], low: bool
) -> None:
    """Scores and values at either end of what is allowed: no overflow, and no digit is lost."""
    rng = np.random.default_rng(seed)
    edge = 0.24 * LOG_LARGEST[dtype]
    scores = np.full((ROWS, KEYS), -edge if low else edge).astype(dtype)
    scores[rng.random((ROWS, KEYS)) < 0.5] *= dtype.type(-1 if rng.random() < 0.5 else 1)
    tiny, huge = 1e-30 if dtype == F32 else 1e-300, float(np.exp(0.49 * LOG_LARGEST[dtype]))
    V = rng.choice([tiny, huge / KEYS, -huge / KEYS], (KEYS, D_V)).astype(dtype)
    assert Bounds(edge, huge / KEYS, KEYS, dtype).need_no_maximum
    close = 20 * float(np.finfo(dtype).eps) * edge
    context, lse, _ = summed(scores, V, [4], max_slack=inf).finished(())
    expected, expected_lse, _ = brute(scores, V)
    sizes, _, _ = brute(scores, np.abs(V))
    assert np.all(np.abs(context - expected) <= close * sizes)
    np.testing.assert_allclose(lse, expected_lse, rtol=close, atol=close)


def test_one_maximum_is_that_of_the_first_keys_seen() -> None:
    """Of each row on its own: a row whose first keys are hidden begins with later ones."""
    sums = Sums.of(2, 1, F64, max_slack=inf)
    sums.add(np.array([[3.0, 5.0], [-np.inf, -np.inf]]), np.array([[1.0], [2.0]]))
    assert sums.highest.tolist() == [5.0, -np.inf]
    sums.add(np.array([[9.0], [-4.0]]), np.array([[4.0]]))
    assert sums.highest.tolist() == [5.0, -4.0]
    with np.errstate(divide="ignore"):
        check(
            sums,
            np.array([[3.0, 5.0, 9.0], [-np.inf, -np.inf, -4.0]]),
            np.array([[1.0], [2.0], [4.0]]),
        )


@given(
    st.integers(0, 10**6),
    st.sampled_from([0.0, 1.0, 30.0, 1e4]),
    st.sampled_from([0.0, 0.3, 0.9, 1.0]),
    st.lists(st.integers(0, KEYS), min_size=1, max_size=4).map(sorted),
    st.sampled_from([(), (2.5,), (-1e4,)]),
    st.randoms(use_true_random=False),
    st.sampled_from((0.0, SLACK)),
)
def test_any_split_of_the_keys_merges_to_the_whole(
    seed: int,
    size: float,
    hidden: float,
    cuts: list[int],
    sinks: tuple[float, ...],
    random: Any,
    max_slack: float,
) -> None:
    """Each part is summed alone, from no keys at all to all of them, and merged in any order."""
    scores, V = drawn(seed, size, hidden)
    parts = [
        summed(scores[:, start:stop], V[start:stop], [], max_slack=max_slack)
        for start, stop in zip([0, *cuts], [*cuts, KEYS], strict=True)
    ]
    random.shuffle(parts)
    whole, *others = parts
    for part in others:
        whole.merge(part)
    with np.errstate(divide="ignore"):
        check(whole, scores, V, sinks, close=1e-12)


def test_more_keys_can_be_added_after_a_merge() -> None:
    scores, V = drawn(3, 5.0, 0.2)
    first, second = (summed(scores[:, a:b], V[a:b], [], max_slack=0.0) for a, b in ((0, 4), (4, 9)))
    first.merge(second)
    first.add(scores[:, 9:].copy(), V[9:])
    check(first, scores, V)
