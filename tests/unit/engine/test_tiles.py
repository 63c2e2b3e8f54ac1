"""Contexts by tiles against the oracle and against the definition, for any conventions."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from attn_cli.engine.engines import choose
from attn_cli.engine.plan import make_plan
from attn_cli.engine.tiles import Tiles
from attn_cli.maths.normalizers import NORMALIZERS
from attn_cli.maths.problem import Problem, Request
from attn_cli.record import Record
from tests.conformance import expected
from tests.conformance.cases import PROBLEMS
from tests.conformance.expected import oracle_of, problem_of, turn
from tests.conformance.oracle import attention
from tests.conformance.strategies import problems
from tests.helpers.many import check_each
from tests.helpers.tiled import Mapping, Served, by_tiles, defined, loaded, refused, same

pytestmark = pytest.mark.slow

CLOSE = 1e-12
SINGLE = 2e-4  # of numbers around 1, read in float32, and scores up to some tens
TILED = [case for case in PROBLEMS if refused(problem_of(case)) is None]


def contexts_of(names: Any) -> tuple[str, ...]:
    return tuple(name for name in expected.CONTEXTS if name in names)


def check(problem: Mapping | Problem, oracle: Mapping, **k: Any) -> Served:
    """What the tiles give is what the oracle has."""
    steps = contexts_of(oracle)
    found = by_tiles(problem, steps, **k)
    for name in steps:
        np.testing.assert_allclose(
            found.record[name], oracle[name], rtol=CLOSE, atol=CLOSE, err_msg=name
        )
    return found


@settings(max_examples=15)
@given(problems(), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3))
def test_any_conventions_at_once(
    problem: Mapping, queries: int, keys: int, subtile: int, threads: int
) -> None:
    oracle = attention(problem)
    how: Any = {"tile": (queries, keys), "subtile": subtile, "aligned": subtile, "threads": threads}
    found = check(problem, oracle, **how)
    assert found.record.warnings == defined(problem, contexts_of(oracle)).warnings
    assert (found.by_tiles + found.left > 0) == (refused(problem) is None)
    event("by tiles" if found.by_tiles else "left" if found.left else "not taken")
    if not found.by_tiles:  # fills that are finite depend on the type
        return
    steps = contexts_of(oracle)
    single = by_tiles(problem | {"dtype": "float32"}, steps, **how).record
    for name in steps:
        np.testing.assert_allclose(
            single[name], oracle[name], rtol=SINGLE, atol=SINGLE, err_msg=name
        )
    assert single.warnings == found.record.warnings


def test_each_convention() -> None:
    """In subtiles, a third of the cases: `conformance/test_engines.py` has all of them in tiles."""

    def checked(case: str) -> None:
        threads = 1 + (TILED.index(case) % 4 == 0)
        found = check(problem_of(case), oracle_of(case), tile=(2, 3), threads=threads)
        wild = PROBLEMS[case].get("nonfinite") == "allow"
        assert (found.by_tiles > 0, found.left > 0) == (not wild, wild)
        assert found.record.warnings == expected.record_of(case).warnings

    check_each(
        [case for case in TILED if not turn(case, 3) or "nonfinite" in PROBLEMS[case]], checked
    )


def test_most_conventions_are_taken() -> None:
    """What is not: other normalisers, types that differ, top_k, dropout, fills that are finite."""
    assert len(TILED) > 0.6 * len(PROBLEMS)


RNG = np.random.default_rng(23)
N_Q, N_K, D, D_V, H = 89, 137, 13, 17, 7


def qkv(n_q: int = N_Q, n_k: int = N_K, groups: int = 1, **keys: Any) -> Mapping:
    """Two batch entries, heads of which two read the same keys: more than one tile of each."""
    made = {
        "query": RNG.normal(size=(2, 2 * groups, n_q, D)),
        "key": RNG.normal(size=(2, groups, n_k, D)),
    }
    return made | {"value": RNG.normal(size=(2, groups, n_k, D_V))} | keys


def plain(n_q: int = N_Q, n_k: int = N_K, **keys: Any) -> Mapping:
    made = {"query": RNG.normal(size=(n_q, D)), "key": RNG.normal(size=(n_k, D))}
    return made | {"value": RNG.normal(size=(n_k, D_V))} | keys


def sparse(**selection: Any) -> Mapping:
    return plain(N_K, score={"function": "sparse", "inside": "scaled", **selection})


def inside(function: Any) -> Mapping:
    return plain(N_K, score={"function": "sparse", "stride": 5, "block": 31, "inside": function})


ADDITIVE = {"W1": RNG.normal(size=(H, D)), "W2": RNG.normal(size=(H, D)), "v": RNG.normal(size=H)}
NUMBERS = np.where(RNG.random((N_Q, N_K)) < 0.3, -np.inf, RNG.normal(size=(N_Q, N_K)))
NUMBERS[3] = -np.inf
PIECES = RNG.integers(0, 5, N_K)
IN_ORDER = np.sort(PIECES)
PAIRS = [[int(i), int(j)] for i, j in RNG.integers(0, N_K, (500, 2))]
SINKS = {"function": "sink_logits", "logits": RNG.normal(size=6).tolist()}

ZEROED = np.random.default_rng(3).normal(size=(N_K, D))  # of which some keys are zero vectors
ZEROED[[0, 5, 6, 7, 90, N_K - 1]] = 0

LARGER: dict[str, Mapping] = {
    "dense": qkv(groups=3),
    "causal": qkv(N_K, causal=True),
    "offset": qkv(causal=True, offset=[5, -31]),
    "bottom-right": qkv(N_K, N_Q, causal="bottom-right"),
    "window": qkv(N_K, window={"left": 29, "right": 3}),
    "causal window with sinks": qkv(N_K, causal=True, window={"left": 41}, sink_tokens=11),
    "window beyond the keys": qkv(N_K, N_Q, window={"keys": 19}, causal=True, offset=-7),
    "prefix": qkv(N_K, causal=True, prefix=37),
    "prefix in a window": qkv(N_K, causal=True, window={"left": 23}, prefix=37, sink_tokens=41),
    "lengths": qkv(key_lengths=[0, 101]),
    "documents in order": plain(N_K, documents=IN_ORDER),
    "documents in pieces": plain(N_K, documents=PIECES, causal=True),
    "many documents": plain(N_K, documents=np.arange(N_K) // 13),
    "booleans": plain(mask={"values": np.isneginf(NUMBERS), "true_means": "ignore"}),
    "numbers": plain(mask=NUMBERS),
    "numbers of batch entries": qkv(mask=NUMBERS[None, None]),
    "alibi": qkv(N_K, groups=3, alibi=True, causal=True),
    "relative": plain(N_K, relative_bias={"table": RNG.normal(size=(32, 1))}),
    "bias": plain(score_bias=RNG.normal(size=(N_Q, N_K))),
    "softcap": qkv(softcap=1.5),
    "softcap behind a bias": plain(
        softcap=2.5, score_bias=RNG.normal(size=(N_Q, N_K)), order=["bias", "softcap", "mask"]
    ),
    "cold": qkv(temperature=0.1),
    "hot": qkv(temperature=7),
    "softmax1": qkv(normalize="softmax1"),
    "sinks": qkv(groups=3, normalize=SINKS, causal="top-left"),
    "negative scale": qkv(scale=-1.5),
    "no scale": qkv(scale=0.0),
    "scaled query": qkv(scale=0.3, scale_placement="query"),
    "empty rows of NaN": plain(mask=NUMBERS, empty_rows="nan"),
    "sparse window": sparse(window=17),
    "sparse block": sparse(block=23),
    "sparse stride": sparse(stride=11),
    "sparse globals": sparse(window=3, global_tokens=5),
    "sparse pairs": sparse(pairs=PAIRS),
    "stride and block": sparse(stride=7, block=29),
    "stride in a causal window": {**sparse(stride=3), "causal": True, "window": {"left": 61}},
    "wide stride": sparse(stride=131),
    "all selections": sparse(window=2, block=13, stride=37, global_tokens=3, pairs=PAIRS),
    "sparse gated": inside({"function": "gated", "W_g": RNG.normal(size=(1, 2 * D))}),
    "sparse additive": inside({"function": "additive", **ADDITIVE}),
    "sparse multiplicative": inside({"function": "multiplicative", "W": RNG.normal(size=(D, D))}),
    "sparse gaussian": inside({"function": "gaussian", "sigma": 3.0}),
    "sparse given": inside({"function": "given", "scores": RNG.normal(size=(N_K, N_K))}),
    "additive": plain(score={"function": "additive", **ADDITIVE, "b": RNG.normal(size=H)}),
    "gaussian": plain(score={"function": "gaussian", "sigma": 2.0}),
    "concat": plain(
        score={
            "function": "concat",
            "W": RNG.normal(size=(H, 2 * D)),
            "v": RNG.normal(size=H),
            "order": "key-query",
        }
    ),
    "cosine": plain(score="cosine"),
    "cosine, zero keys": {**plain(score="cosine"), "key": ZEROED},
    "cosine, zero keys, causal": {**plain(score="cosine"), "key": ZEROED, "causal": "bottom-right"},
    "sparse cosine, zero keys": {**inside({"function": "cosine"}), "key": ZEROED},
    "stride of cosine, zero keys": {
        **sparse(stride=11, inside="cosine"),
        "key": ZEROED,
    },
}


@cache
def larger(name: str) -> tuple[Problem, Record]:
    """The problem as it is read, and what the definition makes of it."""
    problem = loaded(LARGER[name])
    return problem, defined(problem, ("lse", "context"))


@pytest.mark.parametrize("name", LARGER)
def test_larger_than_a_tile(name: str) -> None:
    """Tiles and strips of other sizes than all axes, two threads."""
    problem, expected = larger(name)
    steps = ("lse", "context")
    same(problem, steps, expected=expected, tile=(37, 53), subtile=11, aligned=16, threads=2)
    if list(LARGER).index(name) % 2:  # one row is computed of each below
        return
    rows = tuple(range(5, problem.n_q, 3))
    found = by_tiles(problem, steps, tile=(37, 53), subtile=11, rows=rows)
    for step in steps:
        whole = expected[step]
        part = np.take(whole, rows, axis=whole.ndim - (2 if step == "context" else 1))
        np.testing.assert_allclose(found.record[step], part, rtol=CLOSE, atol=CLOSE)
    assert found.left == 0


@pytest.mark.parametrize("name", LARGER)
def test_one_query_and_the_type_of_32_bits(name: str) -> None:
    problem = {**LARGER[name], "dtype": "float32"}
    steps = ("lse", "context")
    found = by_tiles(problem, steps, tile=(64, 32), subtile=16, aligned=16)
    assert (found.left, found.by_tiles > 0) == (0, True)
    double, expected = larger(name)
    for step in steps:
        np.testing.assert_allclose(found.record[step], expected[step], rtol=1e-4, atol=1e-5)
    one = by_tiles(double, steps, tile=(64, 32), rows=(71,)).record["context"]
    np.testing.assert_allclose(
        one[..., 0, :], expected["context"][..., 71, :], rtol=CLOSE, atol=CLOSE
    )


NOT_TAKEN: dict[str, Mapping] = {
    **{
        name: {"normalize": name}
        for name in (each.name for each in NORMALIZERS)
        if name not in ("softmax", "softmax1", "sink_logits", "entmax", "none")
    },
    "entmax": {"normalize": {"function": "entmax", "alpha": 1.3}},
    "none": {"normalize": "none"},
    "top_k": {"top_k": 2},
    "sparse top_k": {"score": {"function": "sparse", "top_k": 2}},
    "dropout": {"dropout": {"mask": [[True, True, True]] * 3}},
    "uniform rows": {"causal": True, "empty_rows": "uniform"},
    "a finite fill": {"causal": True, "mask_fill": -1e9},
    "a cap behind the mask": {"causal": True, "softcap": 2.0, "order": ["bias", "mask", "softcap"]},
    "float16": {"dtype": "float16"},
    "bfloat16": {"dtype": "bfloat16"},
    "softmax in float64": {"dtype": "float32", "precision": {"softmax": "float64"}},
    "sums in float64": {"dtype": "float32", "precision": {"accumulate": "float64"}},
    "scores in float16": {"dtype": "float32", "precision": {"scores": "float16"}},
}
TAKEN: dict[str, Mapping] = {
    "plain": {},
    "float32": {"dtype": "float32"},
    "softmax1": {"normalize": "softmax1"},
    "sinks": {"normalize": {"function": "sink_logits", "logits": [0.5]}, "heads": 1},
    "a cap before the mask": {"causal": True, "softcap": 2.0},
    "an output of another type": {"dtype": "float32", "precision": {"output": "bfloat16"}},
    "rows of NaN": {"causal": True, "empty_rows": "nan"},
}
SMALL = {side: RNG.normal(size=(3, 2)) for side in ("query", "key", "value")}


@pytest.mark.parametrize("name", [*NOT_TAKEN, *TAKEN])
def test_what_is_taken(name: str) -> None:
    keys = NOT_TAKEN.get(name, TAKEN.get(name, {}))
    found = by_tiles(SMALL | keys)
    assert (found.by_tiles, found.left) == ((0, 0) if name in NOT_TAKEN else (1, 0))
    exact = defined(SMALL | keys)["output"]
    single = "float32" in str(keys)
    np.testing.assert_allclose(found.record["output"], exact, rtol=1e-2 if single else CLOSE)


@pytest.mark.parametrize(
    ("steps", "served"),
    [
        (("output",), True),
        (("context",), True),
        (("lse", "output"), True),
        (("q", "k", "v", "output"), True),
        (("lse",), False),
        (("row_sums", "output"), False),
        (("scores", "output"), False),
        (("products",), False),
        (("weights",), False),
        (("q",), False),
        (None, False),
    ],
)
def test_which_steps_are_served(steps: tuple[str, ...] | None, served: bool) -> None:
    problem = loaded(SMALL)
    plan = make_plan(problem, Request(steps=steps))
    assert plan.only_contexts == served
    assert (Tiles().refuses(problem, plan) is None) == served
    assert choose(problem, plan).engine.name == "definition"  # too small


def test_served_from_a_million_scores_on() -> None:
    for n_q, served in ((1023, False), (1024, True)):
        problem = loaded({side: np.ones((1024, 1)) for side in ("key", "value")} | {
            "query": np.ones((n_q, 1))
        })  # fmt: skip
        plan = make_plan(problem, Request(steps=("output",)))
        assert choose(problem, plan).engine.name == ("tiles" if served else "definition")
        few = make_plan(problem, Request(steps=("output",), rows=(3,)))
        assert choose(problem, few).engine.name == "definition"


def test_what_follows_the_contexts() -> None:
    """Gates, projections and what comes after them are made of the contexts of tiles."""
    problem = {
        "embeddings": RNG.normal(size=(31, 6)), "heads": 2,
        "weights": {n: RNG.normal(size=(6, 6)) for n in ("query", "key", "value", "output")},
        "output_gate": {"weights": RNG.normal(size=(6, 6))},
        "residual": True, "layer_norm": {}, "causal": True,
    }  # fmt: skip
    steps = ("context", "gated", "concat", "output", "residual", "layer_norm")
    same(problem, steps, threads=2)
