"""Documents, key starts, given positions and rotated pasts by tiles: right, and what is hidden is
skipped."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from attn_cli.arrays import Bools
from attn_cli.maths.problem import Problem
from attn_cli.record import Record
from tests.helpers.tiled import Mapping, by_tiles, defined, loaded, same
from tests.unit.engine.test_tiles_counts import of_subtiles

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(31)
N_Q, N_K, D, D_V = 127, 173, 14, 3
Q_LENGTHS, K_LENGTHS = [29, 0, 61, 37], [53, 19, 31, 70]
Q_ENDS, K_ENDS = (np.cumsum([0, *lengths]) for lengths in (Q_LENGTHS, K_LENGTHS))
CU = {"cu_seqlens_q": Q_ENDS.tolist(), "cu_seqlens_k": K_ENDS.tolist()}
Q_IDS, K_IDS = np.repeat(range(4), Q_LENGTHS), np.repeat(range(4), K_LENGTHS)
P_Q = np.arange(N_Q) - Q_ENDS[Q_IDS] + np.subtract(K_LENGTHS, Q_LENGTHS)[Q_IDS]
P_K = np.arange(N_K) - K_ENDS[K_IDS]
"""Positions of documents that are bottom-right."""
PIECES = {"query": RNG.integers(0, 5, N_Q), "key": RNG.integers(0, 5, N_K)}
PLACES = {"query": RNG.integers(0, 200, N_Q), "key": RNG.integers(0, 200, N_K)}
THREE = {"query": RNG.integers(0, 50, (3, N_Q)), "key": RNG.integers(0, 50, (3, N_K))}
SECTIONS = {"sections": [3, 2, 2], "sections_layout": "blocks"}
TABLE = RNG.normal(size=(16, 1))
HOW: Mapping = {"tile": (44, 29), "subtile": 11, "aligned": 8}
ROW, COL = np.arange(N_Q)[:, None], np.arange(N_K)[None, :]


def plain(**keys: Any) -> Mapping:
    made = {"query": RNG.normal(size=(N_Q, D)), "key": RNG.normal(size=(N_K, D))}
    return made | {"value": RNG.normal(size=(N_K, D_V))} | keys


def batched(**keys: Any) -> Mapping:
    """Two batch entries, three heads that read one."""
    made = {"query": RNG.normal(size=(2, 3, N_Q, D)), "key": RNG.normal(size=(2, 1, N_K, D))}
    return made | {"value": RNG.normal(size=(2, 1, N_K, D_V))} | keys


def cached(rotated: bool, past: int = 59, **keys: Any) -> Mapping:
    """A past that `rope` has turned, or will turn."""
    whole = batched()
    cache = {side: whole[side][:, :, :past].tolist() for side in ("key", "value")}
    new = {side: whole[side][:, :, past:] for side in ("key", "value")}
    return {**whole, **new, "past": {**cache, "rotated": rotated}, "rope": True, **keys}


RIGHT = {"causal": "bottom-right"}
LARGER: dict[str, Mapping] = {
    "documents": plain(documents=CU, **RIGHT),
    "documents, top-left": plain(documents=CU, causal="top-left"),
    "documents, not causal": plain(documents=CU),
    "documents in pieces": plain(documents=PIECES, **RIGHT),
    "documents of each entry": batched(
        documents={
            "query": np.stack([Q_IDS, PIECES["query"]]),
            "key": np.stack([K_IDS, PIECES["key"]]),
        },
        **RIGHT,
    ),
    "documents in a window": plain(documents=CU, window={"left": 13, "right": 3}, **RIGHT),
    "documents with sinks": plain(documents=CU, window={"left": 9}, sink_tokens=3, **RIGHT),
    "documents with a prefix": plain(documents=CU, prefix=17, **RIGHT),
    "documents, rope": plain(documents=CU, rope=True, **RIGHT),
    "documents, alibi": batched(documents=CU, alibi=True, **RIGHT),
    "documents, last_key": batched(documents=PIECES, alibi={"form": "last_key"}, **RIGHT),
    "documents, relative_bias": plain(documents=CU, relative_bias={"table": TABLE}, **RIGHT),
    "documents and lengths": batched(documents=CU, key_lengths=[101, N_K], rope=True, **RIGHT),
    "documents and starts": batched(documents=CU, key_start=[7, 61], rope=True, **RIGHT),
    "starts": batched(key_start=[0, 91]),
    "starts that hide all": batched(key_start=[N_K, 3]),
    "starts, causal": batched(key_start=[5, 91], **RIGHT),
    "starts and lengths": batched(key_start=[5, 91], key_lengths=[101, 140], alibi=True, **RIGHT),
    "starts in a window": batched(key_start=[5, 91], window={"keys": 23}, offset=[46, 31]),
    "starts with sinks": batched(key_start=[5, 91], window={"keys": 9}, sink_tokens=4, **RIGHT),
    "starts, prefix": batched(key_start=[5, 91], prefix=40, **RIGHT),
    "starts, rope": batched(key_start=[5, 91], rope=True, **RIGHT),
    "rope positions": plain(rope={"positions": PLACES}),
    "rope positions, causal": plain(rope={"positions": PLACES}, **RIGHT),
    "rope sections": plain(rope={"positions": THREE, **SECTIONS}),
    "rope sections in turn": plain(
        rope={"positions": THREE, "sections": [3, 2, 2], "sections_layout": "in-turn"}, **RIGHT
    ),
    "alibi positions": batched(alibi={"positions": PLACES}, **RIGHT),
    "alibi positions, last_key": batched(alibi={"positions": PLACES, "form": "last_key"}),
    "relative_bias positions": plain(
        relative_bias={"table": TABLE, "positions": PLACES}, window={"left": 40}, **RIGHT
    ),
    "a past that is rotated": cached(True, causal=True),
    "a past to rotate": cached(False, causal=True),
}


@cache
def larger(name: str) -> tuple[Problem, Record]:
    """The problem as it is read, and what the definition makes of it."""
    problem = loaded(LARGER[name])
    return problem, defined(problem, ("lse", "context"))


@pytest.mark.parametrize("name", LARGER)
def test_larger_than_a_tile(name: str) -> None:
    """All queries on two threads, and some of them, against the definition."""
    problem, whole = larger(name)
    same(problem, ("lse", "context"), expected=whole, threads=2, **HOW)
    if list(LARGER).index(name) % 2:
        return
    rows = tuple(range(5, N_Q, 3))
    found = by_tiles(problem, ("context",), rows=rows, **HOW)
    part = np.take(whole["context"], rows, axis=-2)
    np.testing.assert_allclose(found.record["context"], part, rtol=1e-12, atol=1e-12)
    assert found.left == 0


@pytest.mark.parametrize("name", LARGER)
def test_one_query(name: str) -> None:
    problem, whole = larger(name)
    expected = whole["context"]
    for row in (0, N_Q - 1):
        found = by_tiles(problem, ("context",), tile=(64, 32), rows=(row,)).record["context"]
        np.testing.assert_allclose(found[..., 0, :], expected[..., row, :], rtol=1e-12, atol=1e-12)


OWN = Q_IDS[:, None] == K_IDS[None]
BEFORE = P_K[None] <= P_Q[:, None]
LATE = 61
WHOLE: dict[str, tuple[Mapping, Bools]] = {
    "documents": (plain(documents=CU), OWN),
    "causal documents": (plain(documents=CU, **RIGHT), OWN & BEFORE),
    "documents in a window": (
        plain(documents=CU, window={"left": 13}, **RIGHT),
        OWN & BEFORE & (P_K[None] >= P_Q[:, None] - 13),
    ),
    "documents with rope": (plain(documents=CU, rope=True, **RIGHT), OWN & BEFORE),
    "documents with alibi": (plain(documents=CU, alibi=True, **RIGHT), OWN & BEFORE),
    "documents with their own positions": (
        plain(documents=CU, rope={"positions": PLACES}, alibi={"positions": PLACES}, **RIGHT),
        OWN & BEFORE,
    ),
    "a start": (plain(key_start=LATE), (COL >= LATE) & (ROW >= 0)),
    "a start and a length": (
        plain(key_start=LATE, key_lengths=N_K - 30),
        (COL >= LATE) & (COL < N_K - 30) & (ROW >= 0),
    ),
    "a start, causal": (
        plain(key_start=LATE, **RIGHT),
        (COL >= LATE) & (COL <= ROW + N_K - N_Q),
    ),
    "a start in a window": (
        plain(key_start=LATE, window={"left": 19}, **RIGHT),
        (COL >= LATE) & (COL <= ROW + N_K - N_Q) & (COL >= ROW + N_K - N_Q - 19),
    ),
    "a start with sinks": (
        plain(key_start=LATE, window={"left": 19}, sink_tokens=3, **RIGHT),
        (COL >= LATE)
        & (COL <= ROW + N_K - N_Q)
        & ((COL >= ROW + N_K - N_Q - 19) | (COL < LATE + 3)),
    ),
}


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_hidden_is_skipped(name: str) -> None:
    """Each strip meets the keys that a query of it sees, and no other.

    One that lies across the edge of a document meets no more than the keys of its documents.
    """
    problem, visible = WHOLE[name]
    expected = defined(problem)["output"]
    for height in (1, HOW["subtile"]):
        found = by_tiles(problem, tile=HOW["tile"], subtile=height, aligned=1)
        np.testing.assert_allclose(found.record["output"], expected, rtol=1e-11, atol=1e-11)
        assert found.left == 0
        across = np.zeros(N_Q, dtype=np.bool_)
        if "documents" in problem:
            starts = range(0, N_Q, height)
            for start in starts:
                rows = slice(start, start + height)
                across[rows] = len({*Q_IDS[rows].tolist()}) > 1
        most = of_subtiles(np.where(across[:, None], OWN, visible), height)
        assert of_subtiles(visible, height) <= found.scores <= most
    empty = ~visible.any(axis=1)
    np.testing.assert_array_equal(expected[empty], 0)


def test_documents_are_each_by_itself() -> None:
    problem = plain(documents=CU, rope=True, window={"left": 21}, **RIGHT)
    packed = by_tiles(problem, **HOW).record["output"]
    for d in (0, 2, 3):
        q, k = d == Q_IDS, d == K_IDS
        alone = {"query": problem["query"][q], "key": problem["key"][k]}
        alone |= {"value": problem["value"][k], "rope": True, "window": {"left": 21}, **RIGHT}
        np.testing.assert_allclose(packed[q], defined(alone)["output"], rtol=1e-11, atol=1e-11)


UNSEEN: list[tuple[Mapping, slice]] = [
    ({"key_start": LATE}, slice(0, LATE)),
    ({"key_start": LATE, **RIGHT, "rope": True}, slice(0, LATE)),
    ({"key_start": LATE, **RIGHT, "alibi": True, "prefix": 5}, slice(0, LATE)),
    ({"documents": CU}, slice(*K_ENDS[1:3])),
    ({"documents": CU, **RIGHT, "rope": True}, slice(*K_ENDS[1:3])),
]
WILD = [  # any two of keys, sides and numbers together
    (*unseen, sides, huge)
    for a, unseen in enumerate(UNSEEN)
    for b, sides in enumerate([("value",), ("key",), ("key", "value")])
    for c, huge in enumerate([1e30, np.inf, np.nan])
    if (a + b + c) % 3 == 0
]


@pytest.mark.parametrize(("keys", "hidden", "sides", "huge"), WILD)
def test_what_nobody_sees_may_hold_anything(
    keys: Mapping, hidden: slice, sides: tuple[str, ...], huge: float
) -> None:
    """Keys before the start, and keys of a document without queries."""
    bare = plain(**keys, nonfinite="allow" if not np.isfinite(huge) else "refuse")
    wild = dict(bare)
    for side in sides:
        wild[side] = bare[side].copy()
        wild[side][hidden] = huge
    expected = defined(bare)["output"]
    for found in (by_tiles(wild, **HOW).record, defined(wild)):
        np.testing.assert_allclose(found["output"], expected, rtol=1e-11, atol=1e-11)
