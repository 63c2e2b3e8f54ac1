"""Random rounding, and the noise of a problem in a type."""

from __future__ import annotations

import numpy as np
import pytest

from attn_cli.arrays import Array
from attn_cli.floats import FLOAT_TYPES
from attn_cli.lab.draws import Draws
from attn_cli.lab.identify.judging import Judge
from attn_cli.lab.noise import (
    EMULATIONS,
    Noise,
    Random,
    all_finite,
    at_random,
    difference,
    kernel_types,
    rms,
)
from attn_cli.maths.problem import Problem
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.document import from_mapping

NARROWED = ("bfloat16", "float16", "float32")


def random_type(name: str, seed: int = 1) -> Random:
    return Random.like(FLOAT_TYPES[name], Draws(seed))


def neighbours(name: str, x: float) -> tuple[float, float]:
    """Return the numbers of a type around one of them."""
    digits = {"bfloat16": 8, "float16": 11, "float32": 24}[name]
    quantum = 2.0 ** (np.floor(np.log2(abs(x))) + 1 - digits)
    return float(np.floor(x / quantum) * quantum), float(np.ceil(x / quantum) * quantum)


@pytest.mark.parametrize("name", NARROWED)
def test_rounds_to_a_neighbour_by_its_distance(name: str) -> None:
    for x in (0.3, -2.7, 1234.56789):
        below, above = neighbours(name, x)
        rounded = random_type(name).round(np.full(20_000, x))
        assert set(rounded.tolist()) == {below, above}
        share = np.mean(rounded == above)
        assert share == pytest.approx((x - below) / (above - below), abs=0.02)


@pytest.mark.parametrize("name", NARROWED)
def test_numbers_of_the_type_stay(name: str) -> None:
    x = np.random.default_rng(3).standard_normal(1000) * 7
    x = np.concatenate([FLOAT_TYPES[name].round(x).astype(np.float64), [0, np.inf, -np.inf]])
    assert np.array_equal(random_type(name).round(x), x)
    assert np.isnan(random_type(name).round(np.array([np.nan]))).all()


def test_what_is_too_large_becomes_infinite() -> None:
    x = np.array([65536.0, -70000.0, 65504.0, 1.0])
    assert random_type("float16").round(x).tolist() == [np.inf, -np.inf, 65504.0, 1.0]


def test_small_numbers_of_float16_have_one_spacing() -> None:
    unit = 2.0**-24  # the smallest number above 0
    rounded = random_type("float16").round(np.full(20_000, 3.25 * unit))
    assert set(rounded.tolist()) == {3 * unit, 4 * unit}
    assert np.mean(rounded == 4 * unit) == pytest.approx(0.25, abs=0.02)


def test_scales_are_rounded_to_nearest() -> None:
    types = at_random(kernel_types("bfloat16"), 0)
    assert types.factor(0.3, root=False) == float(np.float32(0.3))


def test_16_bit_kernels_sum_in_float32() -> None:
    types = kernel_types("float16")
    names = [types.accumulate.name, types.scores.name, types.softmax.name]
    assert names == ["float32"] * 3
    assert (types.weighted_sum.name, types.output.name) == ("float16", "float16")
    assert kernel_types("bfloat16", scores="bfloat16").scores.name == "bfloat16"


def one_key(V: Array) -> Problem:
    """Return a problem whose output is V: one key has all the weight."""
    return read_problem(from_mapping({"query": [[1]], "key": [[1]], "value": V, "score": "dot"}))


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_the_floor_is_that_of_one_rounding(name: str) -> None:
    V = np.random.default_rng(5).uniform(1, 2, (1, 4000))  # all have one spacing
    noise = Noise.of(one_key(V), ("output",), kernel_types(name))
    assert len(noise.emulated) == EMULATIONS
    assert np.array_equal(noise.exact["output"], V)
    # v is rounded, and then it stays; the mean of f (1 - f) over f from 0 to 1 is 1/6
    assert noise.floor("output") == pytest.approx(FLOAT_TYPES[name].eps / np.sqrt(6), rel=0.05)
    assert noise.rests("output") == pytest.approx(1, abs=0.1)


def test_float32_moves_the_terms_of_sums() -> None:
    V = np.random.default_rng(5).uniform(1, 2, (1, 4000))
    noise = Noise.of(one_key(V), ("output",), kernel_types("float32"))
    # v as it is read and as it is summed, its weight, and the context are terms: each is moved by
    # up to eps of itself, and the mean of v^2 is 7/3; four results are rounded.
    expected = np.sqrt(4 * 7 / 9 + 4 / 6) * FLOAT_TYPES["float32"].eps
    assert noise.floor("output") == pytest.approx(expected, rel=0.05)


def test_terms_of_sums_of_16_bit_numbers_move_if_the_order_of_sums_matters() -> None:
    ones = np.ones(4000)
    assert np.array_equal(at_random(kernel_types("bfloat16"), 0).wide(ones), ones)
    moved = at_random(kernel_types("bfloat16"), 0, sums=True).wide(ones) - 1
    assert np.abs(moved).max() <= FLOAT_TYPES["float32"].eps
    assert rms(moved) == pytest.approx(FLOAT_TYPES["float32"].eps / np.sqrt(3), rel=0.05)


def test_exact_results_have_a_floor_too() -> None:
    noise = Noise.of(one_key(np.array([[2.0, 2.0]])), ("output",), kernel_types("bfloat16"))
    assert noise.floor("output") == 2 * 2.0**-7 / 64
    assert not noise.errors("output").any()


def test_lse_of_a_16_bit_kernel_has_the_noise_of_float32() -> None:
    keys = {"query": [[1.0, 0.5]], "key": [[1.0, 0.25], [-0.5, 2.0]], "value": [[1.0], [2.0]]}
    problem = read_problem(from_mapping(keys))
    noise = Noise.of(problem, ("output", "lse"), kernel_types("bfloat16"))
    assert noise.floor("lse") < 1e-6
    assert noise.floor("output") > 1e-4


@pytest.mark.parametrize(("left", "off"), [(3.9, 0), (4.1, 1)])
def test_a_rest_of_one_row_is_noise_up_to_four_times_the_largest(left: float, off: int) -> None:
    """Each row of the emulations is off by 1; one of 100 rows barely changes the rms of all."""
    signs = np.where(np.arange(400).reshape(100, 4) % 3, 1.0, -1.0)
    emulated = tuple({"output": sign * signs} for sign in (1, -1))
    exact, observed = np.zeros((100, 4)), np.zeros((100, 4))
    observed[7] = left
    noise = Noise({"output": exact}, emulated, kernel_types("float32"), {"output": 2.0**-23})
    judge = Judge(noise, {"output": observed}, ["output"])
    assert (judge.explained, judge.rows_off) == (not off, off)


def test_seeds_are_fixed() -> None:
    problem = one_key(np.array([[0.3, 0.7]]))
    one, other = (Noise.of(problem, ("output",), kernel_types("float16")) for _ in range(2))
    assert np.array_equal(one.errors("output"), other.errors("output"))
    assert len({each["output"].tobytes() for each in one.emulated}) > 1


def test_stored_values_are_rounded_once_more() -> None:
    problem = one_key(np.array([[0.3, 0.7]]))
    stored = {"output": FLOAT_TYPES["bfloat16"]}
    noise = Noise.of(problem, ("output",), kernel_types("float32"), stored=stored)
    for each in noise.emulated:
        assert np.array_equal(FLOAT_TYPES["bfloat16"].round(each["output"]), each["output"])


def test_numbers_whose_squares_overflow() -> None:
    assert difference(np.array([1e200, 2.0]), np.array([0.0, 1.0])).tolist() == [1e200, 1.0]
    assert all_finite(np.array([1e308, -1e308]))
    assert not all_finite(np.array([1.0, np.inf]))
    assert random_type("float32").round(np.array([1e300, 1.0])).tolist() == [np.inf, 1.0]


@pytest.mark.parametrize("count", [7000, 20_000])  # from the table, and with bits of their own
def test_roundings_of_two_arrays_are_independent(count: int) -> None:
    type_ = random_type("float32")
    x = 1 + np.random.default_rng(5).random(count)
    errors = np.stack([type_.round(x) - x for _ in range(8)])
    assert rms(errors) == pytest.approx(FLOAT_TYPES["float32"].eps / np.sqrt(6), rel=0.05)
    correlated = np.corrcoef(errors) - np.eye(8)
    assert np.abs(correlated).max() < 6 / np.sqrt(count)
    shifted = [np.corrcoef(errors[0][7:], each[:-7])[0, 1] for each in errors]
    assert np.abs(shifted).max() < 6 / np.sqrt(count)


def test_factors_are_uniform_about_1() -> None:
    draws = Draws(3)
    made = np.stack([draws.factors((5000,), 0.25) for _ in range(40)]) - 1
    assert np.abs(made).max() <= 0.25
    assert np.mean(made) == pytest.approx(0, abs=0.002)
    assert rms(made) == pytest.approx(0.25 / np.sqrt(3), rel=0.02)


def test_difference_and_rms_of_numbers_that_are_not_finite() -> None:
    inf, nan = np.inf, np.nan
    off = difference(np.array([-inf, nan, 1.0, 3.0]), np.array([-inf, nan, nan, 1.0]))
    assert off[:2].tolist() == [0, 0]
    assert np.isnan(off[2])
    assert off[3] == 2
    assert rms(np.array([3.0, 4.0, nan])) == pytest.approx(np.sqrt(12.5))
    assert rms(np.array([])) == 0
    assert rms(np.array([3e200, -4e200, np.inf])) == pytest.approx(np.sqrt(12.5) * 1e200)
