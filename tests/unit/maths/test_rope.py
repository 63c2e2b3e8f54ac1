"""Rotary positions: against complex numbers, and what must hold of any rotation."""

from __future__ import annotations

import cmath
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_cli.arrays import Array
from attn_cli.formula import Symbol
from attn_cli.maths.rope import SCALINGS, Rope, Scaling
from tests.helpers.many import for_each

RNG = np.random.default_rng(11)
YARN = {"factor": 4.0, "original_length": 4096}
LLAMA3 = {
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_length": 8192,
}


def at(*positions: int) -> Any:
    return np.array(positions, dtype=np.intp)


def turned(
    x: list[float], position: int, frequencies: list[float], *, interleaved: bool, factor: float = 1
) -> list[float]:
    """One row, a pair at a time, as the product of two complex numbers."""
    result = list(x)
    half = len(frequencies)
    for m, frequency in enumerate(frequencies):
        a, b = (2 * m, 2 * m + 1) if interleaved else (m, m + half)
        z = complex(x[a], x[b]) * factor * cmath.exp(1j * position * frequency)
        result[a], result[b] = z.real, z.imag
    return result


def plain(base: float, dims: int) -> list[float]:
    return [base ** (-2 * m / dims) for m in range(dims // 2)]


@for_each(
    "interleaved, expected",
    [
        (False, [-1.9841, 1.9599, 2.4624, 4.0198]),
        (True, [-1.1426, 1.9221, 2.9599, 4.0298]),
    ],
)
def test_the_numbers_that_tell_the_layouts_apart(interleaved: bool, expected: list[float]) -> None:
    x = np.array([[1.0, 2, 3, 4]])
    result = Rope(1e4, interleaved, 4)(x, at(1))
    np.testing.assert_allclose(result, [expected], atol=5e-5)
    np.testing.assert_array_equal(x, [[1, 2, 3, 4]])  # what was given stays


@for_each("interleaved", [False, True])
@for_each("dims, depth", [(14, 14), (6, 13), (2, 3)])
def test_each_pair_is_turned_by_its_own_angle(interleaved: bool, dims: int, depth: int) -> None:
    x = RNG.normal(size=(5, depth))
    positions = at(0, 7, -3, 1000, 2)
    result = Rope(500.0, interleaved, dims)(x, positions)
    for n, position in enumerate(positions):
        expected = turned(x[n].tolist(), int(position), plain(500.0, dims), interleaved=interleaved)
        np.testing.assert_allclose(result[n], expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(result[:, dims:], x[:, dims:])
    np.testing.assert_array_equal(result[0], x[0])


def test_leading_axes_are_turned_alike() -> None:
    x = RNG.normal(size=(2, 3, 5, 6))
    rope, positions = Rope(1e4, False, 4), at(1, 2, 5, 7, 9)
    result = rope(x, positions)
    for b in range(2):
        for h in range(3):
            np.testing.assert_array_equal(result[b, h], rope(x[b, h], positions))


def test_angles_are_computed_in_float64_whatever_the_input() -> None:
    positions = at(99_991, 131_071)
    x = RNG.normal(size=(2, 6)).astype(np.float32)
    rope = Rope(1e4, False, 6)
    exact = rope(x.astype(np.float64), positions)
    assert exact.dtype == np.float64
    assert rope(x, positions).dtype == np.float32
    np.testing.assert_array_equal(rope(x, positions), exact.astype(np.float32))
    half = x.astype(np.float16)
    assert rope(half, positions).dtype == np.float64
    np.testing.assert_array_equal(rope(half, positions), rope(half.astype(np.float64), positions))


def scaled(kind: str, base: float, dims: int, **parameters: float) -> Rope:
    return Rope(base, False, dims, Scaling(kind, parameters))


def test_without_scaling_and_linear() -> None:
    np.testing.assert_allclose(Rope(1e4, False, 14).frequencies(), plain(1e4, 14), rtol=1e-15)
    expected = [f / 3 for f in plain(1e4, 14)]
    np.testing.assert_allclose(scaled("linear", 1e4, 14, factor=3).frequencies(), expected)
    # The same as a position that is divided by the factor.
    x = RNG.normal(size=(1, 14))
    np.testing.assert_allclose(
        scaled("linear", 1e4, 14, factor=3)(x, at(21)), Rope(1e4, False, 14)(x, at(7)), rtol=1e-12
    )


@for_each("dims", [4, 14, 128])
def test_ntk_is_a_larger_base(dims: int) -> None:
    rope = scaled("ntk", 1e4, dims, factor=5)
    base = 1e4 * 5 ** (dims / (dims - 2))
    np.testing.assert_allclose(rope.frequencies(), plain(base, dims), rtol=1e-13)
    # Which is meant to slow the slowest pair as linear does, and to leave the fastest.
    assert rope.frequencies()[0] == 1
    assert rope.frequencies()[-1] == pytest.approx(plain(1e4, dims)[-1] / 5, rel=1e-13)


def test_ntk_with_a_single_pair() -> None:
    np.testing.assert_array_equal(scaled("ntk", 1e4, 2, factor=5).frequencies(), [1])


def yarn(base: float, dims: int, p: dict[str, Any]) -> list[float]:
    """Peng et al. 2023, with bounds rounded as in their code."""

    def dimension(turns: float) -> float:
        return dims * math.log(p["original_length"] / (2 * math.pi * turns)) / 2 / math.log(base)

    low, high = dimension(p.get("beta_fast", 32)), dimension(p.get("beta_slow", 1))
    if p.get("truncate", True):
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, dims - 1)
    found = []
    for m, f in enumerate(plain(base, dims)):
        blend = min(max((m - low) / (high - low), 0), 1) if high > low else float(m > low)
        found.append((1 - blend) * f + blend * f / p["factor"])
    return found


@for_each(
    "base, dims, parameters",
    [
        (1e4, 128, YARN),
        (150_000.0, 64, {"factor": 32, "original_length": 4096, "beta_fast": 29, "beta_slow": 3}),
        (1e4, 14, {"factor": 3, "original_length": 2053}),
        (150_000.0, 64, {"factor": 32, "original_length": 4096, "truncate": False}),  # gpt-oss
        (1e4, 6, {"factor": 7, "original_length": 5}),  # no pair turns even once
        (1e4, 14, {"factor": 7, "original_length": 6}),
        (2.0, 6, {"factor": 2, "original_length": 401}),
        (2.0, 10, {"factor": 2, "original_length": 101}),  # the upper end is beyond the pairs
    ],
)
def test_yarn(base: float, dims: int, parameters: dict[str, Any]) -> None:
    found = scaled("yarn", base, dims, **parameters).frequencies()
    np.testing.assert_allclose(found, yarn(base, dims, parameters), rtol=1e-13)


def test_yarn_of_llama_2() -> None:
    """dims 128, base 10000, length 4096: 32 turns are at m = 20.9, one is at m = 45.03."""
    found = scaled("yarn", 1e4, 128, **YARN).frequencies()
    expected = np.array(plain(1e4, 128))
    np.testing.assert_allclose(found[:21], expected[:21], rtol=1e-15)
    np.testing.assert_allclose(found[46:], expected[46:] / 4, rtol=1e-15)
    blend = (found / expected - 1 / 4) / (3 / 4)
    np.testing.assert_allclose(blend[20:47], 1 - np.arange(27) / 26, atol=1e-14)


def test_the_attention_factor_of_yarn() -> None:
    assert scaled("yarn", 1e4, 14, **YARN).factor == pytest.approx(0.1 * math.log(4) + 1, rel=1e-15)
    assert scaled("yarn", 1e4, 14, **YARN, attention_factor=0.7).factor == 0.7
    assert scaled("yarn", 1e4, 14, **(YARN | {"factor": 0.5})).factor == 1
    others = [("linear", {"factor": 3.0}), ("ntk", {"factor": 3.0}), ("llama3", LLAMA3)]
    assert [scaled(kind, 1e4, 14, **p).factor for kind, p in others] == [1, 1, 1]
    assert Rope(1e4, False, 14).factor == 1
    # It multiplies what is turned, and not what stays.
    x = RNG.normal(size=(1, 9))
    rope = scaled("yarn", 1e4, 6, **YARN, attention_factor=0.7)
    frequencies = rope.frequencies().tolist()
    expected = turned(x[0].tolist(), 5, frequencies, interleaved=False, factor=0.7)
    np.testing.assert_allclose(rope(x, at(5)), [expected], rtol=1e-13)


def test_what_yarn_takes_where_nothing_is_said() -> None:
    found = scaled("yarn", 1e4, 128, **YARN)
    said = scaled("yarn", 1e4, 128, **YARN, beta_fast=32, beta_slow=1)
    np.testing.assert_array_equal(found.frequencies(), said.frequencies())
    unsaid: dict[str, Any] = {**YARN, "beta_fast": None, "beta_slow": None}
    unsaid["attention_factor"] = None
    np.testing.assert_array_equal(
        scaled("yarn", 1e4, 128, **unsaid).frequencies(), said.frequencies()
    )
    assert scaled("yarn", 1e4, 128, **unsaid).factor == said.factor


@for_each(
    "base, dims, p",
    [(500_000.0, 128, LLAMA3), (1e4, 14, LLAMA3 | {"factor": 3.0, "original_length": 101})],
)
def test_llama3(base: float, dims: int, p: dict[str, float]) -> None:
    """By wavelengths, as it was published."""
    expected, kinds = [], set()
    for f in plain(base, dims):
        wavelength = 2 * math.pi / f
        if wavelength < p["original_length"] / p["high_freq_factor"]:
            expected.append(f)
            kinds.add("short")
        elif wavelength > p["original_length"] / p["low_freq_factor"]:
            expected.append(f / p["factor"])
            kinds.add("long")
        else:
            smooth = (p["original_length"] / wavelength - p["low_freq_factor"]) / (
                p["high_freq_factor"] - p["low_freq_factor"]
            )
            expected.append((1 - smooth) * f / p["factor"] + smooth * f)
            kinds.add("between")
    assert kinds == {"short", "long", "between"}
    np.testing.assert_allclose(
        scaled("llama3", base, dims, **p).frequencies(), expected, rtol=1e-14
    )


def test_parameters_are_data() -> None:
    required = {
        kind: tuple(p.name for p in entry.parameters if not p.optional)
        for kind, entry in SCALINGS.items()
    }
    assert required == {
        "linear": ("factor",),
        "ntk": ("factor",),
        "yarn": ("factor", "original_length"),
        "llama3": ("factor", "low_freq_factor", "high_freq_factor", "original_length"),
    }
    for entry in SCALINGS.values():
        names = [p.name for p in entry.parameters]
        assert set(entry.ordered or ()) <= set(names)
    assert SCALINGS["yarn"].ordered == ("beta_fast", "beta_slow")
    assert SCALINGS["llama3"].ordered == ("high_freq_factor", "low_freq_factor")


def test_formulas() -> None:
    half, interleaved = Rope(1e4, False, 4), Rope(5e5, True, 4)
    text = "Q turned by rope at i + 3, base 10000, pairs (m, m + 2)"
    Q, K, j = Symbol("Q"), Symbol("K"), Symbol("j")
    at = Symbol("i") + 3
    assert str(half.formula(Q, at)) == text
    assert str(half.formula(Q, at, 4)) == text
    assert str(half.formula(Q, at, 7)) == f"{text}, the first 4 of 7 features"
    pairs = "K turned by rope at j, base 500000, pairs (2m, 2m + 1)"
    assert str(interleaved.formula(K, j)) == pairs
    parameters = {"factor": 2.5, "original_length": 4096, "beta_fast": None}
    assert str(Rope(1e4, False, 4, Scaling("yarn", parameters)).formula(K, j)) == (
        "K turned by rope at j, base 10000, pairs (m, m + 2), "
        "yarn (factor 2.5, original_length 4096)"
    )


ROPES = st.builds(
    Rope,
    st.sampled_from([2.0, 1e4, 5e5]),
    st.booleans(),
    st.sampled_from([2, 4, 10]),
    st.sampled_from(
        [
            None,
            Scaling("linear", {"factor": 3.0}),
            Scaling("ntk", {"factor": 3.0}),
            Scaling("yarn", YARN),
            Scaling("llama3", LLAMA3),
        ]
    ),
)
POSITIONS = st.integers(-1000, 1000)


def vectors(seed: int) -> tuple[Array, Array]:
    q, k = np.random.default_rng(seed).normal(size=(2, 1, 11))
    return q, k


@given(ROPES, POSITIONS, POSITIONS, POSITIONS, st.integers(0, 99))
def test_a_product_depends_only_on_the_distance(
    rope: Rope, i: int, j: int, shift: int, seed: int
) -> None:
    q, k = vectors(seed)
    here = rope(q, at(i)) @ rope(k, at(j)).T
    there = rope(q, at(i + shift)) @ rope(k, at(j + shift)).T
    np.testing.assert_allclose(here, there, rtol=1e-10, atol=1e-10)


@given(ROPES, POSITIONS, st.integers(0, 99))
def test_a_rotation_keeps_lengths(rope: Rope, i: int, seed: int) -> None:
    x, _ = vectors(seed)
    before, after = x[:, : rope.dims], rope(x, at(i))[:, : rope.dims]
    np.testing.assert_allclose(
        np.linalg.norm(after), rope.factor * np.linalg.norm(before), rtol=1e-13
    )


@given(ROPES, POSITIONS, st.integers(0, 99))
def test_the_layouts_are_one_up_to_a_permutation(rope: Rope, i: int, seed: int) -> None:
    x, _ = vectors(seed)
    half = Rope(rope.base, False, rope.dims, rope.scaling)
    interleaved = Rope(rope.base, True, rope.dims, rope.scaling)
    order = np.arange(x.shape[1])
    order[: rope.dims] = order[: rope.dims].reshape(2, -1).T.ravel()  # 0, half, 1, half + 1, ...
    np.testing.assert_array_equal(interleaved(x[:, order], at(i)), half(x, at(i))[:, order])
