"""Biases: ALiBi in its five forms, T5's buckets, and a matrix that is given. Key heads too."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from decimal import Decimal, localcontext
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_cli.arrays import Array
from attn_cli.maths.bias.alibi import FORMS, SLOPES, Alibi, slopes
from attn_cli.maths.bias.base import Bias
from attn_cli.maths.bias.given import ScoreBias
from attn_cli.maths.bias.relative import RelativeBias, bucket
from attn_cli.maths.heads import GROUPINGS, key_head
from attn_cli.maths.normalizers.softmax import normalize
from attn_cli.maths.token_positions import TokenPositions
from tests.conftest import Attn
from tests.helpers.many import for_each
from tests.helpers.places import place

RNG = np.random.default_rng(13)
N_Q, N_K = 5, 7

# The multiple of m, for a query at p and the key j of n_k.
LOOPS: dict[str, Callable[[int, int, int], int]] = {
    "distance": lambda p, j, n_k: p - j if p < j else j - p,
    "signed": lambda p, j, n_k: j - p,
    "key": lambda p, j, n_k: j,
    "last_key": lambda p, j, n_k: j - n_k + 1,
    "clamped": lambda p, j, n_k: j - p if j < p else 0,
}


@cache
def power(numerator: int, denominator: int) -> float:
    """2^(-numerator/denominator), rounded once."""
    with localcontext(prec=60):
        return float(Decimal(2) ** (-Decimal(numerator) / Decimal(denominator)))


@for_each("heads", [1, 2, 4, 8, 16, 32, 64])
def test_slopes_of_a_power_of_two(heads: int) -> None:
    """The two kinds are one."""
    expected = [power(8 * (h + 1), heads) for h in range(heads)]
    for kind in SLOPES:
        found = slopes(heads, kind)
        assert found.dtype == np.float64
        assert all(abs(a - b) <= math.ulp(b) for a, b in zip(found, expected, strict=True))
        if heads <= 8:  # whole powers of 2
            np.testing.assert_array_equal(found, expected)


def test_slopes_of_twelve_heads() -> None:
    paper = [2.0**-h for h in range(1, 9)] + [power(h, 2) for h in (1, 3, 5, 7)]
    np.testing.assert_allclose(slopes(12, "paper"), paper, rtol=1e-15)
    np.testing.assert_allclose(
        slopes(12, "paper")[7:], [0.0039, 0.7071, 0.3536, 0.1768, 0.0884], atol=5e-5
    )
    np.testing.assert_allclose(slopes(12, "plain")[:4], [0.630, 0.397, 0.25, 0.1575], atol=5e-4)
    plain = [power(8 * (h + 1), 12) for h in range(12)]
    np.testing.assert_allclose(slopes(12, "plain"), plain, rtol=2e-16)


@for_each("heads", range(1, 68))
def test_the_slopes_of_mpt_are_those_of_the_paper(heads: int) -> None:
    """MPT takes the next higher power of two, every second slope first, and cuts."""
    ceiling = 2 ** math.ceil(math.log2(heads))
    own = [power(8 * (h + 1), ceiling) for h in range(ceiling)]
    shuffled = own if ceiling == heads else (own[1::2] + own[::2])[:heads]
    np.testing.assert_allclose(slopes(heads, "paper"), shuffled, rtol=3e-16)


@for_each("form", LOOPS)
@for_each("offset", [0, 2, -3, 11])
def test_alibi_in_five_forms(form: str, offset: int) -> None:
    m = slopes(3, "paper")
    alibi = Alibi(m, form, N_K)
    for head in range(3):
        i, j = range(1, N_Q), range(2, N_K)
        found = alibi.values(place(i, j, offset, head=head))
        expected = [[m[head] * LOOPS[form](row + offset, key, N_K) for key in j] for row in i]
        np.testing.assert_array_equal(np.broadcast_to(found, (len(i), len(j))), expected)
        assert found.dtype == np.float64


def test_every_form_has_its_loop() -> None:
    assert set(FORMS) == set(LOOPS)


def test_the_forms_differ_before_softmax_and_where_keys_come_later() -> None:
    """One query at p = 2 of four keys, m = 1/2."""
    half = np.array([0.5])
    at = place(range(2, 3), range(4))
    found = {form: Alibi(half, form, 4).values(at)[0].tolist() for form in FORMS}
    assert found == {
        "distance": [-1, -0.5, 0, -0.5],
        "signed": [-1, -0.5, 0, 0.5],
        "key": [0, 0.5, 1, 1.5],
        "last_key": [-1.5, -1, -0.5, 0],
        "clamped": [-1, -0.5, 0, 0],
    }


@given(st.integers(0, 99), st.integers(-4, 9), st.sampled_from([1, 3, 8]))
def test_the_forms_are_one_after_a_causal_softmax(seed: int, offset: int, heads: int) -> None:
    scores = np.random.default_rng(seed).normal(size=(N_Q, N_K))
    at = place(range(N_Q), range(N_K), offset, head=heads - 1)
    biased = {form: scores + Alibi(slopes(heads, "plain"), form, N_K).values(at) for form in FORMS}
    causal = at.j[None, :] <= at.p_i[:, None]
    everywhere = np.ones_like(causal)
    for visible, forms in ((causal, tuple(FORMS)), (everywhere, ("signed", "key", "last_key"))):
        found = [normalize(np.where(visible, biased[form], -np.inf), visible) for form in forms]
        for weights in found[1:]:
            np.testing.assert_allclose(weights, found[0], rtol=1e-13, atol=1e-15)


def test_formulas_of_alibi() -> None:
    def formula(form: str, *offsets: int) -> str:
        return str(Alibi(slopes(3, "paper"), form, 7, TokenPositions(offsets)).formula)

    assert formula("distance", 0) == "alibi (-m |i - j|)"
    assert formula("distance", 3) == "alibi (-m |i + 3 - j|)"
    assert formula("distance", 3, 3) == "alibi (-m |i + 3 - j|)"
    assert formula("distance", 3, 4) == "alibi (-m |i + offset[batch] - j|)"
    assert formula("signed", 0) == "alibi (m (j - i))"
    assert formula("signed", -2) == "alibi (m (j - (i - 2)))"
    assert formula("key", 3) == "alibi (m j)"
    assert formula("last_key", 3) == "alibi (m (j - 6))"
    assert formula("clamped", 3) == "alibi (-m max(i + 3 - j, 0))"


def one_bucket(distance: int, buckets: int, bidirectional: bool, max_distance: int) -> int:
    """T5's bucket of j - p, in whole numbers: d^n e^t >= M^t e^n is t <= n ln(d/e) / ln(M/e)."""
    first, count = 0, buckets
    if bidirectional:
        count = buckets // 2
        first = count if distance > 0 else 0
        distance = -abs(distance)
    d = max(-distance, 0)
    e = count // 2
    if d < e:
        return first + d
    n, t = count - e, 0
    while t + 1 < n and d**n * e ** (t + 1) >= max_distance ** (t + 1) * e**n:
        t += 1
    return first + e + t


SETTINGS = [
    (32, True, 128),
    (32, False, 128),
    (9, False, 128),  # a logarithm in float64 puts 8 one bucket too low
    (17, False, 27),  # in float32, 12
    (11, True, 23),
    (7, False, 3),  # max_distance is no more than what is near
    (9, False, 1),
    (3, True, 20),  # one bucket on either side
]


@for_each("buckets, bidirectional, max_distance", SETTINGS)
def test_buckets_one_by_one(buckets: int, bidirectional: bool, max_distance: int) -> None:
    distances = np.arange(-300, 301)
    found = bucket(distances, buckets, bidirectional, max_distance)
    expected = [one_bucket(int(d), buckets, bidirectional, max_distance) for d in distances]
    np.testing.assert_array_equal(found, expected)
    assert found.min() == 0
    assert found.max() < buckets


@for_each("bidirectional", [True, False])
def test_the_buckets_of_t5(bidirectional: bool) -> None:
    """By logarithms, as it was published; 16, 32 and 64 lie on boundaries."""
    count = 16 if bidirectional else 32
    for distance in range(-200, 201):
        d = abs(distance) if bidirectional else max(-distance, 0)
        large = count // 2
        if d >= count // 2:
            large += int(math.log(d / (count // 2)) / math.log(128 / (count // 2)) * (count // 2))
        expected = min(d if d < count // 2 else large, count - 1)
        expected += 16 if bidirectional and distance > 0 else 0
        assert bucket(np.array([distance]), 32, bidirectional, 128) == expected


def test_on_a_boundary() -> None:
    """9 buckets: 4 are near, 5 reach from 4 to 128 in powers of 2."""
    distances = np.array([-3, -4, -7, -8, -15, -16, -31, -32, -63, -64, -128, -999, 5])
    np.testing.assert_array_equal(
        bucket(distances, 9, False, 128), [3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 8, 0]
    )


@for_each("buckets, bidirectional, max_distance", SETTINGS)
@for_each("offset", [0, 2, -3, 40])
def test_relative_bias(buckets: int, bidirectional: bool, max_distance: int, offset: int) -> None:
    table = RNG.normal(size=(buckets, 3))
    bias = RelativeBias(table, bidirectional, max_distance)
    i, j = range(1, N_Q), range(2, N_K)
    expected = [
        [
            table[one_bucket(key - row - offset, buckets, bidirectional, max_distance)][2]
            for key in j
        ]
        for row in i
    ]
    np.testing.assert_array_equal(bias.values(place(i, j, offset, head=2)), expected)


def test_relative_bias_is_that_of_t5_where_nothing_is_said() -> None:
    table = RNG.normal(size=(32, 1))
    at = place(range(150), range(150))
    np.testing.assert_array_equal(
        RelativeBias(table).values(at), RelativeBias(table, True, 128).values(at)
    )


def test_formulas_of_what_is_learned_or_given() -> None:
    table = np.zeros((32, 1))
    assert str(RelativeBias(table).formula) == "relative_bias[bucket(j - i), head]"
    offset = RelativeBias(table, token_positions=TokenPositions((3,)))
    assert str(offset.formula) == "relative_bias[bucket(j - (i + 3)), head]"
    assert str(ScoreBias(np.zeros((1, 1, 1, 1))).formula) == "score_bias"


@for_each("shape", [(2, 3, 5, 7), (1, 3, 1, 7), (2, 1, 5, 1), (1, 1, 1, 1)])
def test_a_given_bias(shape: tuple[int, ...]) -> None:
    matrix = RNG.normal(size=shape)
    whole = np.broadcast_to(matrix, (2, 3, 5, 7))
    bias: Bias = ScoreBias(whole)
    for b in range(2):
        for h in range(3):
            found = bias.values(place(range(1, 4), range(2, 6), 9, batch=b, head=h))
            expected: Array = whole[b, h, 1:4, 2:6]
            np.testing.assert_array_equal(found, expected)
    assert bias.values(place(range(3), range(0))).shape == (3, 0)
    assert bias.values(place(range(0), range(3))).shape == (0, 3)


def test_which_key_head_a_query_head_reads() -> None:
    def mapped(heads: int, kv_heads: int, grouping: str) -> list[int]:
        return [key_head(h, heads, kv_heads, grouping) for h in range(heads)]

    assert mapped(6, 2, "interleave") == [0, 0, 0, 1, 1, 1]
    assert mapped(6, 2, "tile") == [0, 1, 0, 1, 0, 1]
    for grouping in GROUPINGS:
        assert mapped(5, 5, grouping) == [0, 1, 2, 3, 4]
        assert mapped(5, 1, grouping) == [0] * 5
    assert mapped(6, 3, "interleave") == np.repeat(range(3), 2).tolist()
    assert mapped(6, 3, "tile") == np.tile(range(3), 2).tolist()


@pytest.mark.parametrize("written", ["s.npy", "s.csv", "all.npz#s", "{slopes: s.npy}"])
def test_slopes_of_alibi_come_from_a_file(written: str, tmp_path: Path, attn: Attn) -> None:
    slopes = np.array([0.5, 0.25])
    np.save(tmp_path / "s.npy", slopes)
    np.savez(tmp_path / "all.npz", s=slopes)
    (tmp_path / "s.csv").write_text("0.5,0.25\n")
    path = tmp_path / "p.yaml"
    problem = f"query: {[[1, 2, 3, 4]] * 3}\nkey: {[[1, 0, 0, 1]] * 3}\nvalue: {[[1, 2]] * 3}\n"
    path.write_text(f"{problem}heads: 2\ncausal: true\nalibi: {written}\n")
    ran = attn("compute", path, "-f", "json")
    assert (ran.status, ran.err) == (0, "")
    steps = json.loads(ran.out)["steps"]
    bias = np.array(steps["biased"]["values"]) - np.array(steps["scores"]["values"])
    distance = np.arange(3) - np.arange(3)[:, None]
    np.testing.assert_allclose(bias, -slopes[:, None, None] * abs(distance), atol=1e-12)
