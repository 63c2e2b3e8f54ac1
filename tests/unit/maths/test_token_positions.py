"""Positions of queries and keys: offsets, left padding, documents, written ones, a rotated past."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import attn_cli
from attn_cli.arrays import Bools
from attn_cli.maths.place import Place
from attn_cli.maths.ranges import Ranges
from attn_cli.maths.rope import Rope
from attn_cli.maths.token_positions import TokenPositions, in_documents
from attn_cli.maths.visible.base import Scheme, all_of, common_reach, open_to_all
from attn_cli.maths.visible.causal import Causal
from attn_cli.maths.visible.document import Documents
from attn_cli.maths.visible.start import KeyStart
from attn_cli.maths.visible.window import Window
from tests.helpers.many import for_each

HUGE = 1e30


def zeros(n: int) -> list[list[float]]:
    return [[0.0]] * n


def weights(n_q: int, n_k: int, **keys: Any) -> list[list[float]]:
    """Weights of equal scores: 1 / how many keys a query sees."""
    problem = {"query": zeros(n_q), "key": zeros(n_k), "value": zeros(n_k), **keys}
    found: list[list[float]] = attn_cli.compute(problem, steps=("weights",))["weights"].tolist()
    return found


PACKED = {"query": [0, 0, 1], "key": [0, 0, 1, 1]}
FEWER = {"query": [0, 0, 1], "key": [0, 1, 1]}


UP_TO_ITSELF = {"left": -1, "right": 0}


@for_each(
    "how, beside",
    [
        ({"causal": "bottom-right"}, {}),
        ({"causal": True, "like": "flash-attn"}, {}),
        ({"causal": True, "like": "xformers"}, {"alignment": "bottom-right"}),
        ({"window": UP_TO_ITSELF, "like": "flash-attn"}, {}),
        ({"window": UP_TO_ITSELF}, {"alignment": "bottom-right"}),
    ],
)
def test_each_document_is_bottom_right_in_itself(
    how: dict[str, Any], beside: dict[str, str]
) -> None:
    """Query r of a document with q queries and n keys is at its key r + n - q."""
    packed = weights(3, 4, **how, documents={**PACKED, **beside})
    assert packed == [[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]]
    fewer = weights(3, 3, **how, documents={**FEWER, **beside})
    assert fewer == [[0, 0, 0], [1, 0, 0], [0, 0.5, 0.5]]


def test_each_document_is_top_left_in_itself() -> None:
    packed = weights(3, 4, causal="top-left", documents=PACKED)
    assert packed == [[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0, 0, 1, 0]]
    lengths = {"cu_seqlens_q": [0, 2, 3], "cu_seqlens_k": [0, 2, 4]}
    assert weights(3, 4, causal="top-left", documents=lengths) == packed


def test_ids_that_take_turns_and_a_document_without_keys() -> None:
    """Keys 0, 2, 4 are of document 7, keys 1, 3 of 5; no key is of 9."""
    documents = {"query": [5, 7, 9, 7], "key": [7, 5, 7, 5, 7]}
    assert weights(4, 5, causal="bottom-right", documents=documents) == [
        [0, 0.5, 0, 0.5, 0],  # the only query of 5 is at its second key
        [0.5, 0, 0.5, 0, 0],  # the first of two queries of 7 at the second of three keys
        [0, 0, 0, 0, 0],
        [1 / 3, 0, 1 / 3, 0, 1 / 3],
    ]


def test_alignments_agree_if_each_document_has_as_many_queries_as_keys() -> None:
    """Then `causal: true` does not ask, though there are more keys in all: document 2 is of no
    query."""
    documents = {"query": [0, 1, 1], "key": [1, 0, 2, 1]}
    found = weights(3, 4, causal=True, documents=documents)
    assert found == [[0, 1, 0, 0], [1, 0, 0, 0], [0.5, 0, 0, 0.5]]
    with pytest.raises(attn_cli.AttnError, match="document 1 has 1 query and 2 keys"):
        weights(2, 4, causal=True, documents={"query": [0, 1], "key": [1, 0, 2, 1]})


def test_left_padding_hides_and_moves_positions() -> None:
    """Positions count from the first key that is there; what ALiBi adds per distance stays."""
    x = [[1.0], [2.0], [3.0], [5.0]]
    shared = {"query": [x, x], "key": [x, x], "value": [x, x], "causal": True, "score": "dot"}
    record = attn_cli.compute({**shared, "key_start": [1, 3], "alibi": {"form": "key"}})
    assert record.settings["query_positions"] == [[[-1, 2]], [[-3, 0]]]
    assert record.settings["key_positions"] == [[[-1, 2]], [[-3, 0]]]
    slope = 2.0**-8
    for b, start in enumerate((1, 3)):
        biased = record["biased"][b] - np.outer([1, 2, 3, 5], [1, 2, 3, 5])
        np.testing.assert_array_equal(biased, slope * np.tile(np.arange(4) - start, (4, 1)))
    assert record["visible"][0].tolist() == [[8, 1, 1, 1], [8, 0, 1, 1], [8, 0, 0, 1], [8, 0, 0, 0]]
    assert record["visible"][1].tolist() == [[8, 1, 1, 1], [8, 8, 1, 1], [8, 8, 8, 1], [8, 8, 8, 0]]


def test_left_padding_of_one_document_is_that_of_no_documents() -> None:
    """Queries and keys have the same padding, so that both alignments are one and nothing asks."""
    padded = weights(4, 4, causal=True, key_start=1)
    assert padded == [[0, 0, 0, 0], [0, 1, 0, 0], [0, 0.5, 0.5, 0], [0, 1 / 3, 1 / 3, 1 / 3]]
    assert weights(4, 4, causal=True, key_start=1, documents=[7, 7, 7, 7]) == padded


def test_keys_before_the_start_reach_no_result() -> None:
    keys = {"key_start": 2, "nonfinite": "allow"}
    wild = [[math.nan], [-HUGE], [1.0], [2.0]]
    found = attn_cli.compute({"query": [[1.0]], "key": wild, "value": wild, "score": "dot", **keys})
    expected = (math.e * 1 + math.e**2 * 2) / (math.e + math.e**2)
    np.testing.assert_allclose(found["output"], [[expected]], rtol=1e-15)


def turned(x: list[float], position: float, base: float = 10000.0) -> list[float]:
    """Rope of one row in halves, from the formula."""
    half = len(x) // 2
    angles = [position * base ** (-2 * m / len(x)) for m in range(half)]
    first = [x[m] * math.cos(t) - x[m + half] * math.sin(t) for m, t in enumerate(angles)]
    second = [x[m] * math.sin(t) + x[m + half] * math.cos(t) for m, t in enumerate(angles)]
    return first + second


ROWS = np.random.default_rng(5).normal(size=(5, 4))


def test_written_positions_turn_and_hide_nothing() -> None:
    positions = {"query": [3, 0, 3], "key": [7, 1, 0, 4, 4]}
    problem = {
        "query": ROWS[:3],
        "key": ROWS,
        "value": ROWS,
        "causal": "bottom-right",
        "rope": {"positions": positions},
    }
    record = attn_cli.compute(problem)
    for step, side in (("q_rotated", "query"), ("k_rotated", "key")):
        expected = [turned(list(x), p) for x, p in zip(ROWS, positions[side], strict=False)]
        np.testing.assert_allclose(record[step], expected, rtol=1e-14, atol=1e-15)
    assert (record["visible"] == 0).sum(axis=1).tolist() == [3, 4, 5]  # causal reads numbers
    assert record.settings["rope_positions"] == {
        "query": [[3, 3], [0, 0], [3, 3]],
        "key": [[7, 7], [1, 1], [0, 0], [4, 4], [4, 4]],
    }


def test_rope_counts_inside_documents() -> None:
    record = attn_cli.compute(
        {"query": ROWS, "key": ROWS, "value": ROWS, "documents": [0, 0, 1, 1, 0], "rope": True}
    )
    expected = [turned(list(x), p) for x, p in zip(ROWS, [0, 1, 0, 1, 2], strict=True)]
    np.testing.assert_allclose(record["q_rotated"], expected, rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(record["k_rotated"], expected, rtol=1e-14, atol=1e-15)


@for_each("layout", ["blocks", "in-turn"])
def test_three_rows_of_positions(layout: str) -> None:
    """16 dims are 8 pairs. In turn pair m is height for m = 1, 4, 7 and width for m = 2, 5."""
    x = np.random.default_rng(7).normal(size=(1, 16))
    rows = {"temporal": [2], "height": [5], "width": [11]}
    record = attn_cli.compute(
        {
            "query": x,
            "key": x,
            "value": x,
            "rope": {"positions": rows, "sections": [3, 3, 2], "sections_layout": layout},
        }
    )
    in_blocks = [2, 2, 2, 5, 5, 5, 11, 11]
    positions = in_blocks if layout == "blocks" else [2, 5, 11, 2, 5, 11, 2, 5]
    for m, p in enumerate(positions):
        t = p * 10000 ** (-2 * m / 16)
        a, b = x[0, m], x[0, m + 8]
        pair = record["q_rotated"][0, [m, m + 8]]
        expected = [a * math.cos(t) - b * math.sin(t), a * math.sin(t) + b * math.cos(t)]
        np.testing.assert_allclose(pair, expected, rtol=1e-13, atol=1e-14)


def test_rows_of_positions_in_either_order_of_axes() -> None:
    """(batch, 3, n) and (3, batch, n) are distinguished by their sizes, if those differ."""
    x = np.random.default_rng(11).normal(size=(2, 5, 4))
    ids = np.random.default_rng(13).integers(0, 9, size=(3, 2, 5))
    rope = {"sections": [1, 1, 0], "sections_layout": "blocks"}
    problem = {"query": x, "key": x, "value": x}
    first, second = (
        attn_cli.compute({**problem, "rope": {**rope, "positions": positions}})["q_rotated"]
        for positions in (ids, ids.swapaxes(0, 1))
    )
    np.testing.assert_array_equal(first, second)
    for b in range(2):
        for n in range(5):
            a, c = x[b, n, 0], x[b, n, 2]
            t = ids[0, b, n]
            np.testing.assert_allclose(first[b, n, 0], a * math.cos(t) - c * math.sin(t), 1e-12)


@for_each("rotated", [True, False])
def test_a_past_of_keys_from_after_or_before_rope(rotated: bool) -> None:
    past, new = ROWS[:2], ROWS[2:]
    stored = np.array([turned(list(x), p) for p, x in enumerate(past)]) if rotated else past
    whole = attn_cli.compute(
        {"query": new, "key": ROWS, "value": ROWS, "rope": True, "causal": "bottom-right"}
    )
    record = attn_cli.compute(
        {
            "query": new,
            "key": new,
            "value": new,
            "past": {"key": stored[None, None], "value": past[None, None], "rotated": rotated},
            "rope": True,
            "causal": True,
        }
    )
    np.testing.assert_allclose(record["output"], whole["output"], rtol=1e-13, atol=1e-14)
    names = list(record.steps)
    assert (names.index("present_key") > names.index("k_rotated")) == rotated
    assert record["k_rotated"].shape == ((3, 4) if rotated else (5, 4))
    np.testing.assert_array_equal(record["present_key"][:2], stored)


def test_the_law_of_rows() -> None:
    assert Rope(10000, False, 12, sections=(0, 4, 2)).rows().tolist() == [1, 1, 1, 1, 2, 2]
    in_turn = Rope(10000, False, 12, sections=(2, 2, 2), in_turn=True)
    assert in_turn.rows().tolist() == [0, 1, 2, 0, 1, 2]
    uneven = Rope(10000, False, 16, sections=(4, 3, 1), in_turn=True)
    assert uneven.rows().tolist() == [0, 1, 2, 0, 1, 0, 0, 1]


N_Q, N_K = 7, 11
IDS = st.binary(min_size=N_K, max_size=N_K).map(lambda some: [each % 4 for each in some])
ROWS_OF_QUERIES = st.integers(1, 2**N_Q - 1).map(
    lambda bits: [i for i in range(N_Q) if bits >> i & 1]
)
BOUND = st.integers(-1, 4)
COUNT = st.integers(0, 3)


def loop(
    query_ids: list[int], key_ids: list[int], start: int, stop: int, alignment: str
) -> tuple[list[int], list[int]]:
    """The positions, counted one by one."""
    keys = [key_ids[:j].count(d) - key_ids[:start].count(d) for j, d in enumerate(key_ids)]
    queries = []
    for i, d in enumerate(query_ids):
        there = key_ids[: len(key_ids) if alignment == "end" else stop].count(d)
        shift = 0 if alignment == "top-left" else there - query_ids.count(d)
        queries.append(query_ids[:i].count(d) + shift - key_ids[:start].count(d))
    return queries, keys


@given(IDS, IDS, st.integers(0, N_K), st.integers(0, N_K),
       st.sampled_from(["top-left", "bottom-right", "end"]))  # fmt: skip
def test_positions_in_documents(
    query_ids: list[int], key_ids: list[int], one: int, other: int, alignment: str
) -> None:
    start, stop = sorted((one, other))
    queries = np.array([query_ids[:N_Q]] * 2)
    keys = np.array([key_ids[::-1], key_ids])
    token_positions = in_documents(queries, keys, ((0, N_K), (start, stop)), alignment)
    expected = loop(query_ids[:N_Q], key_ids, start, stop, alignment)
    assert token_positions.queries(1, np.arange(N_Q)).tolist() == expected[0]
    assert token_positions.keys(1, np.arange(N_K)).tolist() == expected[1]


def among(ranges: Ranges) -> Bools:
    found = np.zeros(N_K, dtype=np.bool_)
    for first, last in ranges:
        assert 0 <= first < last <= N_K
        found[first:last] = True
    return found


@given(
    IDS,
    IDS,
    ROWS_OF_QUERIES,
    st.sampled_from(["top-left", "bottom-right"]),
    st.lists(
        st.builds(Causal, COUNT) | st.builds(Window, BOUND, BOUND, COUNT, COUNT),
        min_size=1,
        max_size=2,
    ),
)
def test_reach_and_open_in_documents(
    query_ids: list[int], key_ids: list[int], rows: list[int], alignment: str, some: list[Scheme]
) -> None:
    """No key that is seen is missed; of one document nothing else is reached by causal order."""
    queries, keys = np.array([query_ids[:N_Q]]), np.array([key_ids])
    token_positions = in_documents(queries, keys, ((0, N_K),), alignment)
    at = Place(0, 0, np.array(rows), np.arange(N_K), token_positions)
    schemes = [*some, Documents(queries, keys)]
    seen = all_of(schemes, at)
    reach = among(common_reach(schemes, at, N_K))
    assert not seen[:, ~reach].any()
    start, stop = open_to_all(schemes, at, N_K)
    assert seen[:, start:stop].all()
    causal: list[Scheme] = [Causal(), Documents(queries, keys)]
    np.testing.assert_array_equal(
        among(common_reach(causal, at, N_K)), all_of(causal, at).any(axis=0)
    )


@given(
    IDS,
    IDS,
    st.sets(st.integers(0, N_Q - 1), min_size=3).map(sorted),
    st.builds(Causal) | st.builds(Window, BOUND, BOUND),
)
def test_of_each_document_exactly_what_some_and_what_all_of_its_queries_see(
    query_ids: list[int], key_ids: list[int], rows: list[int], scheme: Scheme
) -> None:
    queries, keys = np.array([query_ids[:N_Q]]), np.array([key_ids])
    token_positions = in_documents(queries, keys, ((0, N_K),), "bottom-right")
    at = Place(0, 0, np.array(rows), np.arange(N_K), token_positions)
    of_some, of_all = among(scheme.reach(at, N_K)), among(scheme.open(at, N_K))
    sees = scheme.sees(at)
    for document in set(key_ids):
        mine = queries[0, rows] == document
        own = keys[0] == document
        by_some: Bools = np.logical_or.reduce(sees[np.ix_(mine, own)], axis=0)
        # A reach is one range in each document.
        on_both_sides = np.logical_or.accumulate(by_some) & np.logical_or.accumulate(
            by_some[::-1]
        )[::-1]  # fmt: skip
        np.testing.assert_array_equal(of_some[own], on_both_sides)
        np.testing.assert_array_equal(of_all[own], sees[np.ix_(mine, own)].all(axis=0))


@given(st.integers(0, N_K), st.integers(0, N_K))
def test_a_start_reaches_what_is_there(start: int, other: int) -> None:
    scheme = KeyStart((other, start))
    at = Place(1, 0, np.arange(N_Q), np.arange(N_K), TokenPositions((0,), (other, start)))
    seen = np.broadcast_to(scheme.sees(at), (N_Q, N_K))
    np.testing.assert_array_equal(among(scheme.reach(at, N_K)), seen.any(axis=0))
    np.testing.assert_array_equal(among(scheme.open(at, N_K)), seen.all(axis=0))
    assert str(KeyStart((2,)).formula) == "j >= 2"
    assert str(KeyStart((2, 3)).formula) == "j >= key_start[batch]"


def test_a_mask_beside_rope_gives_a_note() -> None:
    problem: dict[str, Any] = {
        "query": ROWS,
        "key": ROWS,
        "value": ROWS,
        "mask": [[-math.inf, 0, 0, 0, 0]],
        "rope": True,
    }
    (note,) = attn_cli.compute(problem).warnings
    assert note.startswith("rope turns each token by its number")
    assert attn_cli.compute({**problem, "key_start": 1}).warnings == ()
    assert attn_cli.compute({**problem, "rope": {"positions": [0, 0, 1, 2, 3]}}).warnings == ()
