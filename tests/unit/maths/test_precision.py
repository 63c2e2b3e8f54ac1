"""Rounding to each type of numbers, against all numbers of that type, and sums in each."""

from __future__ import annotations

import math
import struct
from bisect import bisect_left
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from attn_cli import AttnError, attention, compute
from attn_cli.floats import FLOAT_TYPES, FloatType
from tests.helpers.many import for_each

INF, NAN = math.inf, math.nan
BF16, F16, F32, F64 = (FLOAT_TYPES[n] for n in ("bfloat16", "float16", "float32", "float64"))
SIXTEEN = pytest.mark.parametrize("kind", [BF16, F16], ids=lambda kind: kind.name)
INFINITY = {"bfloat16": 0x7F80, "float16": 0x7C00}  # its pattern: those below are all numbers >= 0


@cache
def numbers(name: str) -> list[Fraction]:
    """All numbers >= 0 of a 16-bit type in the order of their patterns, and the one after."""
    form = ("<HH", "<f") if name == "bfloat16" else ("<H", "<e")
    every = []
    for pattern in range(INFINITY[name]):
        bits = struct.pack(form[0], *[0] * (name == "bfloat16"), pattern)
        every.append(Fraction(struct.unpack(form[1], bits)[0]))
    return [*every, 2 * every[-1] - every[-2]]  # where infinity begins


def nearest(x: float, name: str) -> float:
    """The nearest of all numbers, that of the even pattern on a tie."""
    if not math.isfinite(x):
        return x
    every, size = numbers(name), abs(Fraction(x))
    above = min(bisect_left(every, size), INFINITY[name])
    below = max(above - 1, 0)
    gap = (every[above] - size) - (size - every[below])
    pattern = above if gap < 0 or (gap == 0 and above % 2 == 0) else below
    found = INF if pattern == INFINITY[name] else float(every[pattern])
    return math.copysign(found, x)


def same(found: Any, expected: Any) -> None:
    """Equal, NaN where NaN, and of the same sign where 0."""
    np.testing.assert_array_equal(found, expected)
    number = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(found)[number], np.signbit(expected)[number])


def rounded(kind: FloatType, values: Any, dtype: Any = np.float64) -> Any:
    found = kind.round(np.array(values, dtype))
    assert found.dtype == kind.carrier
    return found


ANY = st.one_of(
    st.floats(),
    st.floats(-9, 9),
    st.floats(-1e5, 1e5),
    st.floats(-1e-36, 1e-36),
    st.floats(1e38, 4e38),
)


@SIXTEEN
@given(arrays(np.float64, 7, elements=ANY))
def test_any_number_becomes_the_nearest(kind: FloatType, values: Any) -> None:
    same(rounded(kind, values), [nearest(x, kind.name) for x in values.tolist()])
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    same(rounded(kind, single, np.float32), [nearest(x, kind.name) for x in single.tolist()])


@SIXTEEN
def test_every_number_stays_and_every_tie_goes_to_the_even_one(kind: FloatType) -> None:
    every = [float(x) for x in numbers(kind.name)]
    same(rounded(kind, every[:-1]), every[:-1])
    same(rounded(kind, every[:-1], np.float32), every[:-1])
    same(rounded(kind, [-x for x in every[:-1]]), [-x for x in every[:-1]])
    every_or_inf = np.array([*every[:-1], INF])
    low, high = np.array(every[:-1]), np.array(every[1:])
    ties, even = (low + high) / 2, np.arange(len(low)) % 2 == 0
    same(rounded(kind, ties), np.where(even, every_or_inf[:-1], every_or_inf[1:]))
    same(rounded(kind, np.nextafter(ties, INF)), every_or_inf[1:])
    same(rounded(kind, np.nextafter(ties, 0)), every_or_inf[:-1])


def test_one_rounding_from_float64_is_not_two() -> None:
    """float32 puts each of these on a tie, from which it would go to the even neighbour."""
    just = 2.0**-40
    values = [1 + 2**-8 + just, 1 + 3 * 2**-8 - just, 2.0**-134 * (1 + just)]
    same(rounded(BF16, values), [1 + 2**-7, 1 + 2**-7, 2.0**-133])
    with np.errstate(under="ignore"):
        twice = BF16.round(np.array(values).astype(np.float32))
    same(twice, [1, 1 + 2**-6, 0])
    same(rounded(F16, [1 + 2**-11 + just]), [1 + 2**-10])


def test_known_bfloat16() -> None:
    known = {
        math.pi: 3.140625,
        1 / 3: 0.333984375,
        257.0: 256.0,
        65504.0: 65536.0,
        3.38e38: 254 * 2.0**120,
        3.39e38: 255 * 2.0**120,
        3.4e38: INF,  # 255.8 * 2^120
        -1e300: -INF,
        1e-40: 2.0**-133,
        -1e-300: -0.0,
    }
    same(rounded(BF16, list(known)), list(known.values()))


def test_bfloat16_of_float16_can_be_larger_than_float16() -> None:
    values = np.array([65504, -65504, 2.0**-24, 1 + 2**-10, INF, NAN], np.float16)
    same(rounded(BF16, values, np.float16), [65536, -65536, 2.0**-24, 1, INF, NAN])


@for_each("kind", FLOAT_TYPES.values())
def test_rounding_says_nothing_and_keeps_what_is_not_finite(kind: FloatType) -> None:
    with np.errstate(all="raise"):
        same(rounded(kind, [NAN, INF, -INF, 0.0, -0.0]), [NAN, INF, -INF, 0.0, -0.0])
        rounded(kind, [1e308, -1e308, 5e-324])
        signalling = np.array([0x7FF0000000000001], np.uint64).view(np.float64)
        assert np.isnan(kind.round(signalling)).all()


@for_each("kind", FLOAT_TYPES.values())
def test_what_is_rounded_already_is_not_copied(kind: FloatType) -> None:
    once = rounded(kind, [[1 / 3, 2e-40], [-7.0, INF]])
    assert kind.round(once) is once
    columns = once.T[::-1]
    assert kind.round(columns) is columns
    assert kind.round(once[:0]).shape == (0, 2)


def test_rounding_leaves_its_argument_alone() -> None:
    values = np.array([1 / 3], np.float32)
    assert BF16.round(values) is not values
    same(values, np.array([1 / 3], np.float32))


def test_the_smallest_finite_number() -> None:
    assert F64.lowest == -(2 - 2.0**-52) * 2.0**1023
    assert F32.lowest == -(2 - 2.0**-23) * 2.0**127
    assert F16.lowest == -65504
    assert BF16.lowest == -float(numbers("bfloat16")[-2])
    for kind in FLOAT_TYPES.values():
        assert type(kind.lowest) is float
        same(rounded(kind, [kind.lowest]), [kind.lowest])


def test_carriers() -> None:
    carriers = {name: kind.carrier.name for name, kind in FLOAT_TYPES.items()}
    same_name = {name: name for name in ("float64", "float32", "float16")}
    assert carriers == {**same_name, "bfloat16": "float32"}
    assert all(kind.name == name for name, kind in FLOAT_TYPES.items())


# What an attention computation does with them


def products(q: list[float], k: list[float], **keys: Any) -> Any:
    """The product of one query and one key."""
    return attention([q], [k], [[1.0]], "dot", **keys)["products"][0, 0]


ONES = [1.0, 1.0, 1.0]


def test_sums_run_in_the_type_to_accumulate_in() -> None:
    """In each type the sum is the first number whose addends vanish beside it."""
    q = [1.0, 2.0**-30, 2.0**-30]
    wide = {"accumulate": "float64", "scores": "float64"}
    assert products(q, ONES) == 1 + 2.0**-29
    assert products(q, ONES, dtype="float32", precision=wide) == 1 + 2.0**-29
    assert products(q, ONES, dtype="float32", precision={"scores": "float64"}) == 1
    assert products(q, ONES, dtype="float32", precision={"accumulate": "float64"}) == 1
    sixteen = [2048.0, 1.0, 0.0]
    for dtype in ("float16", "bfloat16"):  # whose sums run in float32
        assert products(sixteen, ONES, dtype=dtype, precision={"scores": "float32"}) == 2049
        assert products(sixteen, ONES, dtype=dtype) == 2048


def test_a_product_is_rounded_once() -> None:
    """1 + 2^-8 + 2^-40 is above a tie of bfloat16; float32 would put it there."""
    q = [1.0, 2.0**-8, 2.0**-40]
    for accumulate, expected in (("float64", 1 + 2.0**-7), ("float32", 1)):
        found = products(q, ONES, dtype="bfloat16", precision={"accumulate": accumulate})
        assert found == expected
        assert found.dtype == np.float32


@for_each("dtype", ["float16", "bfloat16", "float32"])
def test_every_step_is_a_number_of_its_type(dtype: str) -> None:
    rng = np.random.default_rng(3)
    problem = {
        "embeddings": rng.normal(size=(5, 6)), "heads": 2, "rope": {"dims": 2}, "qk_norm": "rms",
        "weights": {n: rng.normal(size=(6, 6)) for n in ("query", "key", "value", "output")},
        "softcap": 3, "alibi": True, "causal": True, "temperature": 0.7, "residual": True,
        "dropout": {"mask": rng.random((5, 5)) < 0.8, "p": 0.2}, "layer_norm": True,
        "output_gate": {"weights": rng.normal(size=(6, 2))}, "dtype": dtype,
    }  # fmt: skip
    precision = {"scores": "float32", "output": "float64", "accumulate": "float64"}
    own = {"output": F64, "row_sums": F64, "lse": F64}
    own |= dict.fromkeys(("products", "scores", "capped", "biased", "masked"), F32)
    record = compute({**problem, "precision": precision})
    for name, step in record.steps.items():
        if name == "visible":
            continue
        type_ = own.get(name, FLOAT_TYPES[dtype])
        assert step.values.dtype == type_.carrier, name
        same(type_.round(step.values), step.values)
    plain = compute({**problem, "dtype": "float64"})
    for name in ("weights", "output", "layer_norm"):  # near what they are without any rounding
        np.testing.assert_allclose(record[name], plain[name], rtol=0, atol=0.2)


def test_a_softmax_in_few_bits() -> None:
    """exp(-9) = 0.000123 beside 1: the weights are float16 numbers nearest to the quotients."""
    scores = [[0.0, -9.0]]
    problem = {"value": [[1.0], [0.0]], "score": {"function": "given", "scores": scores}}
    exact = math.exp(-9) / (1 + math.exp(-9))
    for softmax in ("float16", "bfloat16"):
        found = compute({**problem, "precision": {"softmax": softmax}})["weights"][0, 1]
        assert found == nearest(exact, softmax)
    found = compute({**problem, "precision": {"softmax": "float32"}})["weights"][0, 1]
    assert found == np.float32(found)
    assert found == pytest.approx(exact, rel=1e-6)


def test_a_sum_beyond_16_bits_is_infinite_and_said() -> None:
    q = [60_000.0, 60_000.0]
    record = attention([q], [[1.0, 1.0]], [[1.0]], "dot", dtype="float16")
    assert record["products"][0, 0] == INF
    assert record.warnings[0] == (
        "products is not finite at [0, 0] (1 value): float16 overflows there"
    )
    kept = attention(
        [q], [[1.0, 1.0]], [[1.0]], "dot", dtype="float16", precision={"scores": "float32"}
    )
    assert (kept["products"][0, 0], kept.warnings) == (120_000, ())


def test_the_lowest_number_is_finite_in_the_type_of_the_sums_too() -> None:
    """float32 sums under float64 scores: the fill is float32's, and an empty row is uniform."""
    record = attention(
        [[1.0]], [[1.0], [2.0]], [[1.0], [3.0]], "dot", dtype="float32", mask=[[-INF, -INF]],
        mask_fill="lowest", precision={"scores": "float64"},
    )  # fmt: skip
    np.testing.assert_array_equal(record["masked"], [[F32.lowest, F32.lowest]])
    np.testing.assert_array_equal(record["weights"], [[0.5, 0.5]])


@pytest.mark.regression("a scale or sigma became 0 or infinity in a narrow type")
@for_each("keys, dtype, message", [
        ({"scale": 1e-50}, "float16", "scale = 1e-50 is too small for float32"),
        ({"scale": 1e300}, "float32", "scale = 1e+300 is too large for float32"),
        ({"score": {"function": "gaussian", "sigma": 1e-9}}, "float16", "score.sigma = 1e-09 is too small for float16"),  # noqa: E501
    ])  # fmt: skip
def test_numbers_that_the_type_cannot_hold(keys: dict[str, Any], dtype: str, message: str) -> None:
    with pytest.raises(AttnError) as caught:
        compute({"embeddings": [[1.0]], "dtype": dtype, **keys})
    assert caught.value.message == message
