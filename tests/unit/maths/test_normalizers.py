"""The normalisers against their definitions in plain Python, and the laws that they obey."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from attn_cli import compute
from attn_cli.formula import Symbol, number
from attn_cli.maths.normalizers import NORMALIZERS
from tests.helpers.many import check_each

pytestmark = pytest.mark.slow

INF, NAN = math.inf, math.nan
SIMPLEX: list[tuple[str, dict[str, float]]] = [
    ("softmax", {}),
    ("sparsemax", {}),
    ("entmax15", {}),
    *[("entmax", {"alpha": alpha}) for alpha in (1.0, 1 + 2.0**-52, 1.2, 1.5, 2.0, 3.5, 101.0)],
]
SINKS: list[tuple[str, dict[str, float]]] = [("softmax1", {}), ("sink_logits", {"logits": 0.7})]
ALONE: list[tuple[str, dict[str, float]]] = [
    ("sigmoid", {"bias": -1.1}),
    ("relu", {"divisor": 3.0}),
    ("none", {}),
]
GRADUAL = SIMPLEX + SINKS + ALONE
EVERY = [*GRADUAL, ("argmax", {})]
Case = tuple[str, dict[str, float]]

SHAPE = (9, 5)


def rows(most: float, dtype: Any = np.float64) -> st.SearchStrategy[Any]:
    """Scores of which each is drawn."""
    elements = st.floats(-most, most, width=8 * np.dtype(dtype).itemsize)
    return arrays(dtype, SHAPE, elements=elements, fill=st.nothing())


SCORES = rows(30)
VISIBLE = arrays(np.bool_, SHAPE, fill=st.nothing())
few = settings(max_examples=5)  # of every normaliser, nine rows each


def test_every_normaliser_has_cases() -> None:
    assert {name for name, _ in EVERY} == set(NORMALIZERS.names)


def weights(case: Case, scores: Any, visible: Any = None, dtype: Any = np.float64) -> Any:
    """The weights of rows, or of one row, where only what is visible has a score."""
    name, parameters = case
    rows = np.atleast_2d(np.asarray(scores, dtype))
    seen = np.ones(rows.shape, np.bool_) if visible is None else np.atleast_2d(visible)
    found = NORMALIZERS.get(name).normalize(rows, seen, parameters)
    assert found.dtype == dtype
    return found.reshape(np.shape(scores))


def lse(case: Case, scores: Any, visible: Any = None) -> Any:
    name, parameters = case
    seen = np.ones(np.shape(scores), np.bool_) if visible is None else visible
    log_sum = NORMALIZERS.get(name).log_sum
    assert log_sum is not None
    return log_sum(np.asarray(scores), seen, parameters)


def with_sink(row: Sequence[float], sink: float) -> list[float]:
    total = math.fsum(math.exp(s) for s in [*row, sink])
    return [math.exp(s) / total for s in row]


def projection(row: Sequence[float]) -> list[float]:
    """The nearest point of the simplex: the support whose projection meets all conditions."""
    z = [Fraction(s) for s in row]
    for size in range(1, len(z) + 1):
        for support in combinations(range(len(z)), size):
            tau = (sum(z[j] for j in support) - 1) / size
            inside = all(z[j] > tau for j in support)
            if inside and all(z[j] <= tau for j in range(len(z)) if j not in support):
                return [float(max(s - tau, 0)) for s in z]
    raise AssertionError(row)


# What is known


FACTS: list[tuple[Case, Any, Any, int]] = [
    (("softmax", {}), (-2, 0, 0.5), (0.0486, 0.3592, 0.5922), 4),
    (("sparsemax", {}), (-2, 0, 0.5), (0, 0.25, 0.75), 16),
    (("entmax15", {}), (-2, 0, 0.5), (0, 0.326007, 0.673993), 6),
    (("softmax", {}), (1, 2, 3), (0.0900, 0.2447, 0.6652), 4),
    (("softmax1", {}), (1, 2, 3), (0.0871, 0.2369, 0.6439), 4),
    (("sink_logits", {"logits": 0.0}), (1, 2, 3), (0.0871, 0.2369, 0.6439), 4),
    (("sink_logits", {"logits": 2.0}), (1, 2, 3), (0.0723, 0.1966, 0.5344), 4),
    (("sigmoid", {"bias": 0.0}), (0, math.log(3), -math.log(4)), (0.5, 0.75, 0.2), 15),
    (("sigmoid", {"bias": -math.log(7)}), (0, math.log(21)), (0.125, 0.75), 15),
    (("relu", {"divisor": 5.0}), (-2, 0, 0.5, 10), (0, 0, 0.1, 2), 16),
]


def test_facts() -> None:
    def check(fact: tuple[Case, Any, Any, int]) -> None:
        case, scores, expected, digits = fact
        found = weights(case, scores)
        np.testing.assert_allclose(found, expected, rtol=0, atol=0.5 * 10.0**-digits)

    check_each(FACTS, check)


@few
@given(SCORES, st.floats(-30, 30))
def test_sinks_follow_their_definition(scores: Any, sink: float) -> None:
    for case, logit in ((("softmax1", {}), 0.0), (("sink_logits", {"logits": sink}), sink)):
        expected = [with_sink(row, logit) for row in scores.tolist()]
        np.testing.assert_allclose(weights(case, scores), expected, rtol=1e-13)
        sums = [math.fsum(math.exp(s) for s in [*row, logit]) for row in scores.tolist()]
        np.testing.assert_allclose(np.exp(lse(case, scores)), sums, rtol=1e-13)


@few
@given(SCORES, st.floats(-9, 9), st.floats(0.01, 100))
def test_sigmoid_and_relu_follow_their_definition(scores: Any, bias: float, divisor: float) -> None:
    expected = [[1 / (1 + math.exp(-(s + bias))) for s in row] for row in scores.tolist()]
    found = weights(("sigmoid", {"bias": bias}), scores)
    np.testing.assert_allclose(found, expected, rtol=1e-14)
    expected = [[max(s, 0) / divisor for s in row] for row in scores.tolist()]
    np.testing.assert_array_equal(weights(("relu", {"divisor": divisor}), scores), expected)


@few
@given(rows(2))
def test_sparsemax_is_the_nearest_point_of_the_simplex(scores: Any) -> None:
    expected = [projection(row) for row in scores.tolist()]
    for case in (("sparsemax", {}), ("entmax", {"alpha": 2.0})):
        np.testing.assert_allclose(weights(case, scores), expected, rtol=0, atol=1e-15)


@few
@given(rows(3))
def test_entmax_meets_its_condition(scores: Any) -> None:
    """All keys with a weight have the same (alpha - 1) s - p^(alpha - 1) = tau, others s <= tau."""

    def check(case: Case) -> None:
        alpha = case[1].get("alpha", 1.5)
        tolerance = 5e-16 * max(alpha, 3)  # what p^(alpha - 1) makes of the rounding of p
        found = weights(case, scores)
        x = (alpha - 1) * (scores - scores.max(axis=1, keepdims=True))
        tau = -(found.max(axis=1, keepdims=True) ** (alpha - 1))
        above = x - found ** (alpha - 1) - tau
        assert (above <= tolerance).all()
        assert ((found == 0) | (above >= -tolerance)).all()
        for row in found.tolist():
            assert math.isclose(math.fsum(row), 1, rel_tol=1e-15)

    alphas = (1.001, 1.2, 1.5, 2.0, 3.5, 7.0, 101.0)
    check_each([("entmax15", {}), *(("entmax", {"alpha": alpha}) for alpha in alphas)], check)


@few
@given(SCORES)
def test_entmax_has_its_limits(scores: Any) -> None:
    def near(alpha: float, case: Case, atol: float) -> None:
        found = weights(("entmax", {"alpha": alpha}), scores)
        np.testing.assert_allclose(found, weights(case, scores), rtol=0, atol=atol)

    np.testing.assert_array_equal(
        weights(("entmax", {"alpha": 1}), scores), weights(SIMPLEX[0], scores)
    )
    # exp(x) and (1 + beta x)^(1 / beta) differ by beta x^2 / 2 of themselves, at most 2 e^-2 beta.
    for beta in (2.0**-52, 1e-12, 1e-9, 1e-6):
        near(1 + beta, ("softmax", {}), beta + 4e-15)
    near(1.5, ("entmax15", {}), 1e-15)
    near(2, ("sparsemax", {}), 1e-15)


def test_large_alpha_shares_the_weight_among_the_largest() -> None:
    scores = [[2.0, 7.0, 7.0, 3.0, 7.0], [2.0, 7.0, 7.0 - 1e-15, 3.0, -1e300]]

    def check(alpha: float) -> None:
        found = weights(("entmax", {"alpha": alpha}), scores)
        np.testing.assert_allclose(found[0], [0, 1 / 3, 1 / 3, 0, 1 / 3], rtol=1e-15)
        assert found[1, 1] >= found[1, 2]
        np.testing.assert_array_equal(found[1, [0, 3, 4]], 0)

    check_each([50.0, 1e3, 1e9, 1e300], check)


def test_large_alpha_on_many_equal_keys() -> None:
    """(1 / keys)^(alpha - 1) is below the smallest number."""
    for alpha in (101.0, 1e300):
        found = weights(("entmax", {"alpha": alpha}), np.zeros(10_007))
        np.testing.assert_allclose(found, 1 / 10_007, rtol=1e-15)


def test_of_keys_close_to_each_other_at_the_threshold_the_nearer_takes_the_rest() -> None:
    """With alpha = 101 weights p of 0.005 below the largest come within 1e-200 of tau."""
    low = -0.005
    scores = [0.0, low, low - 4e-18, -1.0]
    found = weights(("entmax", {"alpha": 101.0}), scores)
    largest = (-100 * low) ** 0.01
    np.testing.assert_allclose(found, [largest, 1 - largest, 0, 0], rtol=1e-13, atol=0)


# Laws


@few
@given(scores=SCORES, visible=VISIBLE)
def test_rows_are_points_of_the_simplex(scores: Any, visible: Any) -> None:
    def check(case: Case) -> None:
        for dtype, tolerance in ((np.float64, 1e-15), (np.float32, 5e-7)):
            found = weights(case, scores, visible, dtype)
            assert ((found >= 0) & (found <= 1)).all()
            np.testing.assert_allclose(found.sum(axis=1), visible.any(axis=1), rtol=tolerance)

    check_each(SIMPLEX, check)


@few
@given(SCORES, VISIBLE)
def test_rows_with_a_sink_sum_to_less_than_one(scores: Any, visible: Any) -> None:
    for case in SINKS:
        found = weights(case, scores, visible)
        sink = case[1].get("logits", 0.0)
        with np.errstate(divide="ignore"):
            share = np.exp(sink - lse(case, np.where(visible, scores, -INF), visible))
        np.testing.assert_allclose(found.sum(axis=1) + share, 1, rtol=1e-13)


@few
@given(scores=SCORES, shift=st.integers(-1000, 1000))
def test_a_shift_changes_nothing_on_the_simplex(scores: Any, shift: int) -> None:
    # On a grid the shift is exact, so that it alone is tried.
    rows = np.round(scores * 1024) / 1024

    def check(case: Case) -> None:
        np.testing.assert_array_equal(weights(case, rows + shift), weights(case, rows))

    check_each(SIMPLEX, check)


@few
@given(SCORES, st.floats(-30, 30))
def test_a_sink_shifts_with_the_scores(scores: Any, shift: float) -> None:
    found = weights(("sink_logits", {"logits": 0.7 + shift}), scores + shift)
    np.testing.assert_allclose(found, weights(("sink_logits", {"logits": 0.7}), scores), rtol=1e-12)
    found = weights(("sink_logits", {"logits": -1e4}), scores)
    np.testing.assert_array_equal(found, weights(("softmax", {}), scores))


@few
@given(scores=SCORES, visible=VISIBLE, order=st.permutations(range(5)))
def test_keys_may_come_in_any_order(scores: Any, visible: Any, order: Any) -> None:
    def check(case: Case) -> None:
        moved = weights(case, scores[:, order], visible[:, order])
        found = weights(case, scores, visible)
        np.testing.assert_allclose(moved, found[:, order], rtol=0, atol=1e-14)

    check_each(GRADUAL, check)


@few
@given(scores=SCORES)
def test_a_larger_score_has_no_smaller_weight(scores: Any) -> None:
    ordered = np.sort(scores, axis=1)

    def check(case: Case) -> None:
        assert (np.diff(weights(case, ordered), axis=1) >= -1e-15).all()

    check_each(GRADUAL, check)


@few
@given(
    scores=SCORES,
    visible=arrays(np.bool_, (3, 5), fill=st.nothing()),
    behind=st.sampled_from([-INF, INF, NAN, 1e300, -1e300, 0.0]),
)
@example(scores=np.zeros(SHAPE), visible=np.eye(3, 5, dtype=np.bool_), behind=NAN)
@example(scores=np.ones(SHAPE), visible=np.eye(3, 5, dtype=np.bool_), behind=INF)
def test_hidden_keys_weigh_nothing_and_change_nothing(
    scores: Any, visible: Any, behind: float
) -> None:
    """Every third row has the same hidden keys."""
    every = np.tile(visible, (3, 1))

    def check(case: Case) -> None:
        with np.errstate(all="ignore"):
            found = weights(case, np.where(every, scores, behind), every)
        np.testing.assert_array_equal(found[~every], 0)
        for at, seen in enumerate(visible):
            alone = weights(case, scores[at::3, seen])
            np.testing.assert_allclose(found[at::3, seen], alone, rtol=1e-14, atol=1e-15)

    check_each(EVERY, check)


# Edges


def test_rows_without_a_key() -> None:
    hidden = np.zeros((2, 3), np.bool_)

    def check(case: tuple[Case, Any]) -> None:
        with np.errstate(all="raise"):
            for scores, shape in ((-INF, (2, 3)), (0, (2, 0)), (0, (0, 3))):
                found = weights(
                    case[0], np.full(shape, scores), hidden[: shape[0], : shape[1]], case[1]
                )
                np.testing.assert_array_equal(found, np.zeros(shape))

    check_each(product(EVERY, (np.float64, np.float32)), check)


def test_the_log_of_the_sum_of_a_row_without_a_key_is_the_sink() -> None:
    hidden = np.zeros((2, 3), np.bool_)
    with np.errstate(divide="ignore"):
        for scores, seen in ((np.full((2, 3), -INF), hidden), (np.zeros((2, 0)), hidden[:, :0])):
            for case, expected in ((SIMPLEX[0], -INF), (SINKS[0], 0), (SINKS[1], 0.7)):
                np.testing.assert_array_equal(lse(case, scores, seen), [expected] * 2)


def test_the_log_of_the_sum_keeps_what_is_tiny_beside_the_sink() -> None:
    scores = np.array([[-50.0, -60.0], [1e4, 0.0], [-1e4, -1e4], [1e300, 0]])
    expected = [math.log1p(math.exp(-50) + math.exp(-60)), 1e4, 0, 1e300]
    np.testing.assert_allclose(lse(("softmax1", {}), scores), expected, rtol=1e-14)
    expected = [math.log1p(math.exp(-50) + math.exp(-60)) + 0.7, 1e4, 0.7, 1e300]
    np.testing.assert_allclose(lse(("sink_logits", {"logits": 0.7}), scores), expected, rtol=1e-14)


def test_only_those_with_a_sum_of_exponentials_have_its_logarithm() -> None:
    names = {normalizer.name for normalizer in NORMALIZERS if normalizer.log_sum is not None}
    assert names == {"softmax", "softmax1", "sink_logits"}


def test_nan_shows_in_its_row_alone() -> None:
    scores = np.array([[1.0, NAN, 2.0], [1.0, INF, 2.0], [1.0, -INF, 2.0], [1.0, 0.5, -INF]])
    visible = np.array([[1, 1, 0], [1, 1, 0], [1, 1, 1], [1, 1, 0]], np.bool_)

    def check(case: Case) -> None:
        with np.errstate(all="ignore"):
            found = weights(case, scores, visible)
        assert case[0] == "argmax" or np.isnan(found[0]).any()
        np.testing.assert_array_equal(found[~visible], 0)
        np.testing.assert_array_equal(found[3], weights(case, scores[3], visible[3]))
        assert case[0] == "none" or np.isfinite(found[2]).all()
        assert found[2, 1] <= 0

    check_each(EVERY, check)


def test_large_scores_do_not_overflow() -> None:
    def check(case: tuple[Case, tuple[Any, float]]) -> None:
        normalizer, (dtype, size) = case
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            found = weights(normalizer, [[size, -size, size], [-size] * 3], None, dtype)
        if normalizer in SIMPLEX:
            expected = [[0.5, 0, 0.5], [1 / 3] * 3]
        elif normalizer in SINKS:
            expected = [[0.5, 0, 0.5], [0, 0, 0]]
        elif normalizer[0] == "sigmoid":
            expected = [[1, 0, 1], [0, 0, 0]]
        elif normalizer[0] == "relu":
            expected = [[size / 3, 0, size / 3], [0, 0, 0]]
        else:
            expected = [[size, -size, size], [-size] * 3]
        np.testing.assert_allclose(found, expected, rtol=2 * float(np.finfo(dtype).eps))

    sizes = ((np.float32, 1e4), (np.float64, 1e4), (np.float64, 1e300))
    check_each(product(GRADUAL, sizes), check)


def test_a_large_sink_takes_all() -> None:
    for sink in (1e4, 1e300):
        with np.errstate(over="raise", invalid="raise"):
            found = weights(("sink_logits", {"logits": sink}), [3.0, 5.0])
            np.testing.assert_array_equal(found, 0)
            found = weights(("sink_logits", {"logits": sink}), [sink, sink])
        np.testing.assert_allclose(found, 1 / 3, rtol=1e-15)


def test_parameters_are_in_the_type_of_the_scores() -> None:
    """One of NumPy's own numbers, as that of a head is, would bring float64 into it."""
    scores = np.linspace(-3, 3, 101, dtype=np.float32)[None]
    for name, parameter in (("sink_logits", "logits"), ("sigmoid", "bias"), ("relu", "divisor")):
        case: Case = (name, {parameter: np.float64(0.7)})
        single: Case = (name, {parameter: float(np.float32(0.7))})
        expected = weights(single, scores, None, np.float32)
        np.testing.assert_array_equal(weights(case, scores, None, np.float32), expected)
    case = ("sink_logits", {"logits": np.float64(0.7)})
    assert lse(case, scores).dtype == np.float32


@few
@given(scores=rows(3, np.float32))
def test_float32_is_the_float64_result_rounded(scores: Any) -> None:
    def check(case: Case) -> None:
        exact = weights(case, scores.astype(np.float64))
        found = weights(case, scores, None, np.float32)
        np.testing.assert_allclose(found, exact, rtol=1e-6, atol=1e-45)

    check_each(SIMPLEX, check)


def test_a_long_row_loses_no_digits() -> None:
    """One key at 0 has the weight (r - c)^power, n at power * c have r^power; the sum is 1."""
    n, c = 30_011, -0.9999

    def check(case: Case) -> None:
        power = 1 if case in (("sparsemax", {}), ("entmax", {"alpha": 2.0})) else 2
        r = (1 + c) / (n + 1)
        if power == 2:
            r = (1 - c * c) / (math.sqrt(c * c + (n + 1) * (1 - c * c)) - c)
        found = weights(case, [0.0, *[power * c] * n])
        np.testing.assert_allclose(found[0], (r - c) ** power, rtol=1e-11)
        np.testing.assert_allclose(found[1:], r**power, rtol=1e-7)

    entmax: list[Case] = [("entmax", {"alpha": alpha}) for alpha in (2.0, 1.5)]
    check_each([("sparsemax", {}), ("entmax15", {}), *entmax], check)


def test_formulas_take_the_parameters() -> None:
    given = {"alpha": number(1.3), "bias": number(-2.5), "divisor": number(7.0)}
    symbols = {Symbol("scores"): Symbol("masked")} | {Symbol(n): v for n, v in given.items()}
    formulas = {n.name: str(n.formula.with_(symbols)) for n in NORMALIZERS}
    assert formulas["entmax"] == "1.3-entmax(masked)"
    assert formulas["sigmoid"] == "sigmoid(masked + -2.5)"
    assert formulas["relu"] == "max(masked, 0) / 7"
    assert formulas["softmax1"] == "exp(masked) / (1 + sum exp(masked))"
    idle = symbols | {Symbol("bias"): number(0.0), Symbol("divisor"): number(1.0)}
    formulas = {n.name: str(n.formula.with_(idle)) for n in NORMALIZERS}
    assert formulas["sigmoid"] == "sigmoid(masked)"
    assert formulas["relu"] == "max(masked, 0)"
    for normalizer in NORMALIZERS:
        for parameter in normalizer.parameters:
            assert parameter.optional == (parameter.default is not None)


@pytest.mark.regression("argmax chose a hidden key")
def test_argmax_takes_a_visible_key_where_all_scores_are_minus_infinity() -> None:
    argmax = NORMALIZERS.get("argmax").normalize
    weights = argmax(np.array([[-INF, -INF, -INF]]), np.array([[False, True, True]]), {})
    np.testing.assert_array_equal(weights, [[0, 1, 0]])


@pytest.mark.regression("an empty row subtracted infinity from infinity")
def test_softmax_of_an_empty_row_needs_no_invalid_arithmetic() -> None:
    softmax = NORMALIZERS.get("softmax").normalize
    with np.errstate(all="raise"):
        weights = softmax(
            np.array([[-INF, -INF], [1.0, -INF]]), np.array([[False, False], [True, False]]), {}
        )
    np.testing.assert_array_equal(weights, [[0, 0], [1, 0]])


@pytest.mark.regression("a sink without heads was refused as a list of one")
def test_a_sink_without_heads_is_a_number_or_a_list_of_one() -> None:
    problem = {"query": [[1.0]], "key": [[1.0]], "value": [[1.0]], "score": "dot"}
    for logits in (1.0, [1.0]):
        normalize = {"function": "sink_logits", "logits": logits}
        assert compute({**problem, "normalize": normalize})["weights"][0, 0] == 0.5
