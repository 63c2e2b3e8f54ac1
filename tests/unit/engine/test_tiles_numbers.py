"""Contexts by tiles where numbers are huge, tiny or not finite: no worse than the definition."""

from __future__ import annotations

from math import inf, log10
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from attn_cli.arrays import Array
from tests.helpers.tiled import Mapping, by_tiles, defined, same

N_Q, N_K, D, D_V = 29, 43, 7, 3
HOW: Any = {"tile": (11, 13), "subtile": 5, "threads": 2}


def normal(*shape: int, seed: int = 5) -> Array:
    return np.random.default_rng(seed).normal(size=shape)


def drawn(q: float = 1, k: float = 1, v: float = 1, **keys: Any) -> Mapping:
    """Q, K and V of these sizes, with scores that are the products."""
    made: Mapping = {"query": q * normal(N_Q, D), "key": k * normal(N_K, D, seed=7)}
    return made | {"value": v * normal(N_K, D_V, seed=11), "score": "dot"} | keys


def changed(problem: Mapping, name: str, at: Any, to: float) -> Mapping:
    values = problem[name].copy()
    values[at] = to
    return problem | {name: values}


SINGLE: Mapping = {"dtype": "float32"}


def constant(q: float, k: float, **keys: Any) -> Mapping:
    """Scores of D q k for every pair."""
    return drawn(**keys) | {"query": np.full((N_Q, D), q), "key": np.full((N_K, D), k)}


def sinks(logit: float) -> Mapping:
    return {"heads": 1, "normalize": {"function": "sink_logits", "logits": [logit]}}


def additive(v: float, x: float, **keys: Any) -> Mapping:
    """Units that stay near 0, and weigh much."""
    score = {"function": "additive", "W1": np.eye(D), "W2": np.eye(D), "v": v * normal(D)}
    return drawn(x, x, score=score, **keys)


def lifted(low: float, key: float, **keys: Any) -> Mapping:
    """Early queries see values around `low` alone, by scores of `key`."""
    value = normal(N_K, D_V)
    value[:20] *= low
    made: Mapping = {"query": np.ones((N_K, 1)), "key": np.full((N_K, 1), key), "value": value}
    return made | {"score": "dot", "causal": True} | keys


# What goes wrong where it is not thought of, and how exact the definition is there.
HARD: dict[str, tuple[Mapping, float]] = {
    "scores of 1e4": (drawn(100, 100), 1e-10),
    "scores of -1e4": (drawn(100, 100, scale=-1.0), 1e-10),
    "scores of 1e4 in float32": (drawn(50, 50, **SINGLE), 5e-3),
    "one huge key": (changed(drawn(), "key", 17, 1e5), 1e-11),
    "one huge key in float32": (changed(drawn(**SINGLE), "key", 17, 1e4), 1e-3),
    "a huge key that nobody sees": (
        changed(drawn(key_lengths=N_K - 3, **SINGLE), "key", -1, 1e30),
        1e-5,
    ),
    "constant scores of 700": (constant(1e3, 0.1), 1e-12),
    "constant scores of -700": (constant(-1e3, 0.1), 1e-12),
    "constant scores of -150 in float32": (constant(-256, 0.125, **SINGLE), 1e-6),
    "huge values": (drawn(v=1e305), 1e-12),
    "huge values in float32": (drawn(v=1e35, **SINGLE), 1e-5),
    "tiny values": (drawn(v=1e-290), 1e-12),
    "tiny values in float32": (drawn(v=1e-30, **SINGLE), 1e-5),
    "values of 0": (drawn(v=0.0, **SINGLE), 1e-6),
    "a column of 0": (changed(drawn(), "value", (slice(None), 1), 0), 1e-12),
    "columns of different size": (
        drawn() | {"value": normal(N_K, 3) * [1e300, 1.0, 1e-300]},
        1e-12,
    ),
    "only tiny values seen": (lifted(1e-250, -230.0), 1e-11),
    "only tiny values seen in float32": (lifted(1e-30, -28.0, **SINGLE), 1e-5),
    "a factor whose scale overflows": (drawn(1e30, 1e-38, scale=1e10, **SINGLE), 1e-3),
    "norms whose squares vanish": (drawn(1e-23, 1e17, scale=1e8, **SINGLE), 1e-3),
    "norms whose squares overflow": (drawn(1e200, 1e-200), 1e-12),
    "a scaled factor below the normal numbers": (
        drawn(1e-3, 1e36, scale=1e-34, temperature=1e-3, **SINGLE),
        1e-4,
    ),
    "a huge scale of tiny vectors": (drawn(1e-100, 1e-100, scale=1e200), 1e-12),
    "a scale of 0": (drawn(scale=0.0), 1e-12),
    "a sink above all": (constant(1, 4, **sinks(95), **SINGLE), 1e-5),
    "a sink far above": (constant(1, 30, **sinks(900)), 1e-11),
    "a sink far below": (drawn(**sinks(-1e4)), 1e-12),
    "scores far below a sink of 0": (constant(1, -5, normalize="softmax1"), 1e-12),
    "a low temperature": (drawn(temperature=1e-3), 1e-10),
    "a high temperature": (drawn(30, 30, temperature=1e3), 1e-12),
    "a tight cap": (drawn(30, 30, softcap=0.01), 1e-12),
    "a wide cap": (drawn(30, 30, softcap=1e4), 1e-11),
    "a bias of 1e4": (drawn(score_bias=1e4 * normal(N_Q, N_K)), 1e-11),
    "a mask of -1e9": (drawn(mask=np.where(normal(N_Q, N_K) > 0, -1e9, 0.0)), 1e-12),
    "a mask that is huge for all": (drawn(mask=np.full((N_Q, N_K), -1e308)), 1e-12),
    "large v of units near 0": (additive(1e8, 1e-8), 1e-12),
    "large v of units near 0 in float32": (additive(1e4, 1e-4, **SINGLE), 1e-5),
    "v whose double overflows": (additive(1e308, 1e-308), 1e-12),
    "units that overflow": (additive(1.0, 500.0), 1e-12),
    "one key": (drawn() | {"key": normal(1, D), "value": normal(1, D_V)}, 1e-12),
    "one feature": (drawn() | {"key": normal(N_K, 1), "query": normal(N_Q, 1)}, 1e-12),
}  # fmt: skip
LEFT = {"a factor whose scale overflows", "a scaled factor below the normal numbers"}


@pytest.mark.parametrize("name", HARD)
def test_no_digits_are_lost(name: str) -> None:
    """Relative to the definition, each value by itself: no size of another value excuses an error.

    For scores of 1e4 their own rounding is what is allowed.
    """
    problem, close = HARD[name]
    steps = ("lse", "context")
    found, expected = by_tiles(problem, steps, **HOW), defined(problem, steps)
    least = 4 * np.finfo(expected["context"].dtype).tiny
    for step in steps:
        apart = np.abs(found.record[step] - expected[step])
        size = np.abs(expected[step])
        if step == "context":  # the sum of products of any signs
            value = np.abs(problem["value"]).astype(size.dtype)
            weights = defined(problem, ("weights",))["weights"]
            size = weights @ value
        assert np.all(apart <= close * size + least), (step, (apart / (size + least)).max())
        assert np.isfinite(found.record[step]).all()
    assert found.record.warnings == expected.warnings == ()
    assert (found.by_tiles, found.left) == ((0, 1) if name in LEFT else (1, 0))


@settings(max_examples=30)
@given(
    st.sampled_from(["float64", "float32"]),
    st.lists(st.floats(-0.9, 0.9), min_size=5, max_size=5),
    st.floats(-3, 2),
)
def test_any_sizes_of_vectors_scale_temperature_and_values(
    dtype: str, sizes: list[float], size_of_scores: float
) -> None:
    """Each from the smallest to the largest numbers, so that scores are of some size."""
    info = np.finfo(dtype)
    digits = log10(float(info.max))
    assume(abs(sizes[0] + sizes[1]) < 0.9)  # else products overflow, or have few digits
    of_scale = size_of_scores / digits + sizes[4] - sizes[0] - sizes[1]
    assume(abs(of_scale) < 0.95)
    q, k, v, low, t, scale = (10.0 ** (part * digits) for part in (*sizes, of_scale))
    problem = drawn(q, k, v, scale=scale, temperature=t, dtype=dtype)
    problem["causal"] = "top-left"
    problem["value"][:9] *= min(low, 1.0)
    found, expected = by_tiles(problem, **HOW), defined(problem, ("weights", "output"))
    reference = expected["output"]
    if not np.isfinite(reference).all():
        np.testing.assert_array_equal(found.record["output"], reference)
    products = np.abs(problem["query"] / q) @ np.abs(problem["key"] / k).T
    close = 50 * info.eps * (1 + 10**size_of_scores * products.max(axis=1, keepdims=True))
    allowed = close * (expected["weights"] @ np.abs(problem["value"])) + 2 * N_K * info.tiny
    apart = np.abs(found.record["output"] - reference)
    assert np.all((apart <= allowed) | ~np.isfinite(reference))
    assert found.record.warnings == defined(problem).warnings


SPECIAL = [np.nan, np.inf, -np.inf]


@pytest.mark.parametrize("special", SPECIAL, ids=str)
@pytest.mark.parametrize("name", ["query", "key", "value"])
@pytest.mark.parametrize("lengths", [N_K, N_K - 5], ids=["seen", "hidden"])
@pytest.mark.parametrize("nonfinite", ["allow", "refuse"])
def test_what_is_not_finite_is_left_to_the_definition(
    special: float, name: str, lengths: int, nonfinite: str
) -> None:
    problem = changed(drawn(key_lengths=lengths), name, (-1, 1), special)
    if nonfinite == "refuse":  # which reading would do
        problem[name][-1, 1] = np.sign(special) * 1e308 if np.isinf(special) else 1e308
        problem |= {"scale": 1e3} if name != "value" else {"value": problem["value"] * 1.0}
    problem |= {"nonfinite": nonfinite}
    with np.errstate(all="ignore"):
        found, expected = by_tiles(problem, **HOW), defined(problem)
    np.testing.assert_array_equal(found.record["output"], expected["output"])
    assert found.record.warnings == expected.warnings
    assert (found.by_tiles, found.left) == (0, 1)


OVERFLOWS: dict[str, Mapping] = {
    "distances": drawn(1e200, score={"function": "gaussian", "sigma": 1.0}),
    "distances that are capped": drawn(
        1e200, score={"function": "gaussian", "sigma": 1.0}, softcap=30.0
    ),
    "products": drawn(1e200, 1e200),
    "products that are capped": drawn(1e200, 1e200, softcap=3.0),
    "products of one pair": changed(changed(drawn(), "query", 3, 1e200), "key", 5, 1e200),
    "scores by their scale": drawn(1e100, 1e100, scale=1e150),
    "scores below all by the temperature": drawn(temperature=0.1, mask=np.full((N_Q, N_K), -1e308)),
    "scores above all by the temperature": drawn(temperature=0.1, mask=np.full((N_Q, N_K), 1e308)),
    "scores by the temperature": drawn(1e100, 1e100, temperature=1e-300),
    "biases": drawn(score_bias=np.full((N_Q, N_K), 1.7e308), mask=np.full((N_Q, N_K), 1.7e308)),
}


@pytest.mark.parametrize("name", OVERFLOWS)
def test_what_overflows_warns_as_the_definition_does(name: str) -> None:
    problem = OVERFLOWS[name]
    found, expected = by_tiles(problem, **HOW), defined(problem)
    np.testing.assert_array_equal(found.record["output"], expected["output"])
    assert found.record.warnings == expected.warnings
    assert (found.by_tiles, found.left) == (0, 1)


def test_values_of_which_a_sum_may_overflow_are_left() -> None:
    for v, left in ((1e305, 0), (1e306, 0), (5e306, 1)):
        value = np.full((N_K, 2), v)
        found = by_tiles(drawn() | {"value": value}, **HOW)
        assert found.left == left
        np.testing.assert_allclose(found.record["output"], v, rtol=1e-13)


@pytest.mark.parametrize("temperature", [None, 0.01])
def test_without_a_cause_scores_are_not_looked_at(
    temperature: float | None,
) -> None:
    """Where a bound proves them finite, one pass over the scores is spared."""
    keys = {} if temperature is None else {"temperature": temperature}
    found = same(drawn(causal=False, **keys))
    assert found.events.of("scores are checked") == [False] * found.by_tiles
    found = same(drawn(score_bias=normal(N_Q, N_K), **keys), close=1e-9)
    assert found.events.of("scores are checked") == [True] * found.by_tiles


@pytest.mark.parametrize(
    "problem",
    [drawn(3, 3), drawn(100, 100), drawn(3, 3, softcap=20.0), drawn(score_bias=normal(N_Q, N_K))],
    ids=["around 1", "1e4", "capped", "biased"],
)
def test_errors_against_64_bits_are_those_of_the_definition(problem: Mapping) -> None:
    """Inputs that float32 holds exactly; the largest error may be twice that of the definition."""
    rounded = {
        name: x.astype(np.float32).astype(float) if isinstance(x, np.ndarray) else x
        for name, x in problem.items()
    }
    exact = defined(rounded)["output"]
    single = rounded | SINGLE
    of_definition = np.abs(defined(single)["output"] - exact).max()
    of_tiles = np.abs(by_tiles(single, **HOW).record["output"] - exact).max()
    assert of_tiles <= 2 * of_definition + 1e-7


LONG = {"query": normal(N_Q, 64), "key": normal(N_K, 64), "value": normal(N_K, D_V), **SINGLE}
FOLLOWS: dict[str, tuple[Mapping, bool]] = {
    "vectors of usual size": (LONG, False),
    "under a mask that hides": (LONG | {"causal": "top-left", "key_lengths": 30}, False),
    "hidden by booleans": (
        LONG | {"mask": {"values": normal(N_Q, N_K) > 0, "true_means": "attend"}},
        False,
    ),
    "without a scale": (LONG | {"score": "dot"}, True),
    "a high temperature": (LONG | {"score": "dot", "temperature": 8.0}, False),
    "a low temperature": (LONG | {"temperature": 0.1}, True),
    "capped": (LONG | {"score": "dot", "softcap": 25.0}, False),
    "capped far off": (LONG | {"score": "dot", "softcap": 50.0}, True),
    "a wide cap of small scores": (LONG | {"softcap": 50.0}, False),
    "biased": (LONG | {"score_bias": np.zeros((N_Q, N_K))}, True),
    "biased and then capped": (
        LONG
        | {"score_bias": np.zeros((N_Q, N_K)), "softcap": 5.0}
        | {"order": ["bias", "softcap", "mask"]},
        False,
    ),
    "numbers added": (LONG | {"mask": np.ones((N_Q, N_K))}, True),
    "a sink of usual size": (LONG | {"normalize": "softmax1"}, False),
    "a low sink": (LONG | sinks(-95.0), False),
    "a high sink": (LONG | sinks(95.0), False),
    "distances": (LONG | {"score": {"function": "gaussian", "sigma": 5.0}}, True),
}


def test_weights_below_the_normal_numbers() -> None:
    """They count 0, or have lost the smallest normal number a few times; so do hidden keys."""
    steep: Mapping = {"query": 1e4 * normal(N_K, 1), "key": normal(N_K, 1, seed=3)}
    problem = lifted(0, 1.0, **SINGLE) | steep
    found, expected = by_tiles(problem, ("context",), **HOW), defined(problem, ("context",))
    assert found.by_tiles == 1
    nothing = (expected["context"] == 0).all(axis=1)
    assert nothing[:20].all()  # which see values of 0 alone
    assert (found.record["context"][nothing] == 0).all()
    lost = 5 * N_K * np.finfo(np.float32).tiny * np.abs(problem["value"]).max()
    np.testing.assert_allclose(found.record["context"], expected["context"], rtol=1e-3, atol=lost)


@pytest.mark.parametrize("name", FOLLOWS)
def test_where_the_largest_score_is_followed(name: str) -> None:
    """A bound on scores spares it; a sink comes in at the end, whatever its size."""
    problem, follows = FOLLOWS[name]
    (max_slack,) = same(problem, close=1e-5, **HOW).events.of("max slack")
    assert (max_slack < inf) == follows
