"""The oracle's documents, key starts, given positions and rotated past, by formulas."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.conformance.oracle import attention
from tests.conformance.oracle.plain import Axes
from tests.conformance.oracle.positions import Documents, Positions
from tests.conformance.oracle.rope import frequency, section

INF = math.inf
ONES = [1.0, 10.0, 100.0, 1000.0, 10_000.0, 100_000.0, 1_000_000.0]


def alike(n_q: int, n_k: int, **keys: Any) -> dict[str, Any]:
    """n_q queries to whom all n_k keys are alike; value j is 10^j, so outputs name the keys."""
    rows = {"query": [[0.0]] * n_q, "key": [[0.0]] * n_k, "value": [[x] for x in ONES[:n_k]]}
    return attention({**rows, "score": "dot", **keys})


def positions(n_q: int, n_k: int, **keys: Any) -> tuple[list[int], list[int]]:
    """P_q and P_k."""
    read = Positions(keys, Axes(1, 1, 1, n_q, 0, n_k, True, False, False, False))
    return [read.query(0, i) for i in range(n_q)], [read.key(0, j) for j in range(n_k)]


UNEQUAL: list[tuple[list[int], list[int], str, list[list[int]], list[float]]] = [
    (  # flash-attn and xformers: the last query of each document is at its last key
        [0, 0, 1],
        [0, 0, 1, 1],
        "bottom-right",
        [[0, 1, 4, 1], [0, 0, 4, 4], [4, 4, 0, 0]],
        [1, 5.5, 550],
    ),
    (
        [0, 0, 1],
        [0, 1, 1],
        "bottom-right",
        [[1, 1, 1], [0, 4, 1], [4, 0, 0]],
        [0, 1, 55],
    ),
    (  # the first query of each document is at its first key
        [0, 0, 1],
        [0, 0, 1, 1],
        "top-left",
        [[0, 1, 4, 1], [0, 0, 4, 4], [4, 1, 0, 1]],
        [1, 5.5, 100],
    ),
    (  # ids may interleave, and be on one side alone
        [0, 1, 0, 7],
        [1, 0, 0, 1, 8],
        "bottom-right",
        [[4, 0, 1, 1, 4], [0, 4, 4, 0, 4], [4, 0, 0, 4, 4], [1, 1, 1, 1, 1]],
        [10, 500.5, 55, 0],
    ),
]


@pytest.mark.parametrize(("queries", "keys", "causal", "visible", "outputs"), UNEQUAL)
def test_documents_of_unequal_lengths(
    queries: list[int], keys: list[int], causal: str, visible: list[list[int]], outputs: list[float]
) -> None:
    steps = alike(len(queries), len(keys), documents={"query": queries, "key": keys}, causal=causal)
    assert steps["visible"] == visible
    assert [x for [x] in steps["output"]] == pytest.approx(outputs)


def test_cumulative_lengths_are_ids_in_order() -> None:
    """A document may have no queries, or no keys: 0 has 1 and 1, 1 none and 2, 2 has 2 and 1."""
    ids = {"query": [0, 2, 2], "key": [0, 1, 1, 2]}
    cumulative = {"cu_seqlens_q": [0, 1, 1, 3], "cu_seqlens_k": [0, 1, 3, 4]}
    for causal in ("top-left", "bottom-right"):
        steps = [alike(3, 4, documents=given, causal=causal) for given in (ids, cumulative)]
        assert steps[0] == steps[1]
    assert [x for [x] in steps[0]["output"]] == [1, 0, 1000]


def test_ids_of_keys_alone() -> None:
    """As many queries: each has the id of its key. Fewer: from the first key, or to the last."""
    ids = [5, 5, 6, 6, 6]
    assert alike(5, 5, documents=ids) == alike(5, 5, documents={"query": ids, "key": ids})
    for causal, of_queries in (("top-left", [5, 5, 6]), ("bottom-right", [6, 6, 6])):
        both = {"query": of_queries, "key": ids}
        assert alike(3, 5, documents=ids, causal=causal) == alike(
            3, 5, documents=both, causal=causal
        )
    short = {"causal": "bottom-right", "key_lengths": 4}
    both = {"query": [5, 6, 6], "key": ids}
    assert alike(3, 5, documents=ids, **short) == alike(3, 5, documents=both, **short)


@pytest.mark.parametrize(
    ("keys", "of_queries", "of_keys"),
    [
        ({}, [0, 1, 2], [0, 1, 2, 3]),
        ({"key_start": 2}, [-2, -1, 0], [-2, -1, 0, 1]),
        ({"key_start": 2, "causal": "bottom-right"}, [-1, 0, 1], [-2, -1, 0, 1]),
        ({"key_start": 1, "key_lengths": 3, "causal": "bottom-right"}, [-1, 0, 1], [-1, 0, 1, 2]),
        ({"key_start": 1, "offset": 3}, [2, 3, 4], [-1, 0, 1, 2]),
        ({"documents": [3, 3, 3, 3], "causal": "bottom-right"}, [1, 2, 3], [0, 1, 2, 3]),
        (
            {"documents": [3, 3, 3, 3], "causal": "bottom-right", "key_start": 1},
            [0, 1, 2],
            [-1, 0, 1, 2],
        ),
        (
            {"documents": [3, 3, 3, 3], "causal": "top-left", "key_start": 1},
            [-1, 0, 1],
            [-1, 0, 1, 2],
        ),
        (  # document 3 has keys 1 and 2 of 0, 1 and 2; document 4 has key 3
            {
                "documents": {"query": [4, 3, 3], "key": [3, 3, 3, 4]},
                "causal": "bottom-right",
                "key_start": 1,
            },
            [0, 0, 1],
            [-1, 0, 1, 0],
        ),
        (  # document 4 has no key that is there
            {
                "documents": {"query": [4, 3, 4], "key": [3, 3, 3, 4]},
                "causal": "bottom-right",
                "key_lengths": 3,
            },
            [-2, 2, -1],
            [0, 1, 2, 0],
        ),
    ],
)
def test_positions(keys: dict[str, Any], of_queries: list[int], of_keys: list[int]) -> None:
    assert positions(3, 4, **keys) == (of_queries, of_keys)


def test_when_alignments_agree() -> None:
    def agree(queries: list[int], keys: list[int], **more: Any) -> bool:
        axes = Axes(1, 1, 1, len(queries), 0, len(keys), True, False, False, False)
        return Documents({"documents": {"query": queries, "key": keys}, **more}, axes, 0).agree()

    assert agree([0, 1, 1], [1, 0, 1])
    assert agree([0, 1, 1, 2], [1, 0, 1, 3, 3])
    assert not agree([0, 1, 1], [1, 0, 0])
    assert not agree([0, 0], [0, 0], key_lengths=1)
    assert agree([0, 0, 1], [0, 0, 1], key_lengths=2)
    assert agree([0, 0], [0, 0], key_start=1)
    assert not agree([0], [0, 0], key_start=1)


def test_key_start_is_left_padding() -> None:
    """2 places of padding, then 3 tokens; padded queries see nothing."""
    steps = alike(5, 5, key_start=2, causal=True)
    assert [x for [x] in steps["output"]] == pytest.approx([0, 0, 100, 550, 3700])
    assert steps["visible"][4] == [8, 8, 0, 0, 0]
    assert alike(2, 3, key_start=3)["visible"] == [[8, 8, 8]] * 2
    assert alike(1, 4, key_start=1, key_lengths=3)["visible"] == [[8, 0, 0, 3]]


def test_windows_prefixes_and_sinks_count_from_the_first_key() -> None:
    window = {"window": {"left": 1, "right": 0}}
    assert alike(4, 4, key_start=1, **window)["visible"][3][1:] == [2, 0, 0]
    assert alike(4, 4, key_start=1, sink_tokens=1, **window)["visible"][3] == [8, 0, 0, 0]
    sides = {"query": [0, 1, 1, 1], "key": [0, 1, 1, 1]}
    assert alike(4, 4, documents=sides, causal=True, prefix=2)["visible"] == [
        [0, 4, 4, 1],
        [4, 0, 0, 1],
        [4, 0, 0, 1],
        [4, 0, 0, 0],
    ]


def cosines(steps: dict[str, Any]) -> list[list[float]]:
    """The distances, by scores that are their cosines: a unit vector of one pair turned twice."""
    return [[round(s, 12) for s in row] for row in steps["scores"]]


def turned(n_q: int, n_k: int, rope: Any = True, d: int = 2, **keys: Any) -> list[list[float]]:
    """Scores of unit vectors that rope turns: cos(P_q - P_k) summed over frequencies."""
    x = [1.0] * (d // 2) + [0.0] * (d // 2)
    problem = {"query": [x] * n_q, "key": [x] * n_k, "value": [[0.0]] * n_k, "score": "dot"}
    return cosines(attention({**problem, "rope": rope, **keys}))


def distances(of_queries: list[int], of_keys: list[int]) -> list[list[float]]:
    """cos(P_q - P_k)."""
    return [[round(math.cos(p - k), 12) for k in of_keys] for p in of_queries]


def test_rope_reads_documents_starts_and_given_positions() -> None:
    sides = {"query": [0, 0, 1], "key": [0, 0, 1, 1]}
    packed = turned(3, 4, documents=sides, causal="bottom-right")
    assert packed == distances([0, 1, 1], [0, 1, 0, 1])
    tree = {"positions": {"query": [2, 2], "key": [0, 1, 1, 2, 2]}}
    assert turned(2, 5, rope=tree) == distances([2, 2], [0, 1, 1, 2, 2])
    assert turned(2, 5, rope=tree, causal="bottom-right") == turned(2, 5, rope=tree)
    resets = {"positions": [0, 1, 0, 1, 2]}
    assert turned(5, 5, rope=resets) == distances([0, 1, 0, 1, 2], [0, 1, 0, 1, 2])


def test_rotated_queries_and_keys_are_at_their_positions_from_key_start_on() -> None:
    """Hugging Face's position_ids of a left-padded row: its first token is at 0."""
    rows = [[1.0, 0.0]] * 4
    steps = attention({"query": rows, "key": rows, "value": rows, "rope": True, "key_start": 2})
    for name in ("q_rotated", "k_rotated"):
        for n, p in ((2, 0), (3, 1)):
            assert steps[name][n] == pytest.approx([math.cos(p), math.sin(p)])


def test_a_past_that_is_rotated_is_not_turned_again() -> None:
    """Keys 0 and 1 are stored as they were turned; the query is at 2, the new key too."""
    x = [1.0, 0.0]
    past = {
        "key": [[[x, [math.cos(1), math.sin(1)]]]],
        "value": [[[[1.0], [10.0]]]],
    }
    problem = {"query": [x], "key": [x], "value": [[100.0]], "score": "dot", "rope": True}
    steps = attention({**problem, "past": {**past, "rotated": True}})
    assert cosines(steps) == distances([2], [0, 1, 2])
    assert len(steps["k_rotated"]) == 1
    assert steps["present_key"] == [*past["key"][0][0], *steps["k_rotated"]]
    again = attention({**problem, "past": {**past, "rotated": False}})
    assert cosines(again) == distances([2], [0, 2, 2])


def test_a_decoded_token_is_the_last_row_of_the_whole() -> None:
    """A cache of keys after rope, as engines store them."""
    rows = [[0.3, -1.0, 0.5, 2.0], [1.0, 0.25, -0.5, 0.75], [-1.5, 0.5, 1.0, 0.0]]
    whole = attention({"query": rows, "key": rows, "value": rows, "rope": True, "causal": True})
    past = {"key": [[whole["k_rotated"][:2]]], "value": [[rows[:2]]], "rotated": True}
    new = {"query": rows[2:], "key": rows[2:], "value": rows[2:]}
    steps = attention({**new, "rope": True, "past": past})
    for name in ("scores", "weights", "output"):
        assert steps[name][0] == pytest.approx(whole[name][2])
    assert steps["present_key"] == [pytest.approx(row) for row in whole["k_rotated"]]


def test_rows_of_sections() -> None:
    def rows(layout: str, *sections: int) -> list[int]:
        rope = {"sections": [*sections], "sections_layout": layout}
        return [section(rope, m) for m in range(sum(sections))]

    assert rows("blocks", 2, 1, 2) == [0, 0, 1, 2, 2]
    assert rows("blocks", 16, 24, 24) == [0] * 16 + [1] * 24 + [2] * 24  # Qwen2-VL
    assert rows("in-turn", 2, 2, 1) == [0, 1, 2, 0, 1]
    assert rows("in-turn", 24, 20, 20) == [0, 1, 2] * 20 + [0] * 4  # Qwen3-VL
    assert rows("in-turn", 3, 1, 2) == [0, 1, 2, 0, 0, 2]


def test_sections_turn_each_pair_by_its_row() -> None:
    """cos((2 - 1) f_0) + cos((5 - 1) f_1) + cos((7 - 4) f_2)."""
    f = [frequency(m, 10_000, 6, {}) for m in range(3)]
    expected = math.cos(f[0]) + math.cos(4 * f[1]) + math.cos(3 * f[2])
    sections = {"sections": [1, 1, 1], "sections_layout": "blocks"}
    query, key = [[2], [5], [7]], [[1], [1], [4]]

    def named(rows: list[list[int]]) -> dict[str, list[int]]:
        return dict(zip(("temporal", "height", "width"), rows, strict=True))

    for positions in (
        {"query": query, "key": key},
        {"query": [query], "key": [[row] for row in key]},
        {"query": named(query), "key": {name: [row] for name, row in named(key).items()}},
    ):
        [[score]] = turned(1, 1, rope={"positions": positions, **sections}, d=6)
        assert score == pytest.approx(expected)


def biases(n_q: int, n_k: int, **keys: Any) -> list[list[float]]:
    """What biases add to scores of 0."""
    return list(alike(n_q, n_k, **keys)["biased"])


def test_alibi_reads_positions() -> None:
    slopes = {"slopes": [1.0]}
    packed = {"documents": {"query": [0, 0, 1], "key": [0, 0, 1, 1]}, "causal": "bottom-right"}
    distance = [[-0.0, -1, -0.0, -1], [-1, 0, -1, 0], [-1, 0, -1, 0]]
    assert biases(3, 4, alibi=slopes, **packed) == distance
    padded = {"key_start": 2, "alibi": {**slopes, "form": "key"}}
    assert biases(4, 4, **padded)[0] == [-2, -1, 0, 1]  # BLOOM: cumsum(attention_mask) - 1
    own = {**slopes, "form": "signed", "positions": {"query": [5], "key": [3, 9, 5]}}
    assert biases(1, 3, alibi=own, causal="bottom-right") == [[-2, 4, 0]]


def test_the_last_key_of_alibi() -> None:
    last = {"slopes": [1.0], "form": "last_key"}
    assert biases(3, 3, alibi=last, key_start=1)[0] == [-2, -1, 0]
    sides = {"query": [0, 1, 1, 1], "key": [0, 1, 1, 1]}
    assert biases(4, 4, alibi=last, documents=sides)[0] == [-2, -2, -1, 0]
    short = {"documents": sides, "key_lengths": 3, "causal": "top-left"}
    assert biases(4, 4, alibi=last, **short)[0] == [-2, -2, -1, 0]
    own = {**last, "positions": {"query": [0], "key": [3, 9, 5]}}
    assert biases(1, 3, alibi=own) == [[-6, 0, -4]]


def test_relative_bias_reads_positions() -> None:
    """Buckets 0 and 1 of the past, 2 and 3 of the future: distances 0, -1, .., 1, .."""
    table = {"table": [[0.0], [1.0], [2.0], [3.0]]}
    packed = {"documents": {"query": [0, 0, 1], "key": [0, 0, 1, 1]}, "causal": "bottom-right"}
    assert biases(3, 4, relative_bias=table, **packed) == [
        [0, 3, 0, 3],
        [1, 0, 1, 0],
        [1, 0, 1, 0],
    ]
    own = {**table, "positions": {"query": [5], "key": [5, 4, 6]}}
    assert biases(1, 3, relative_bias=own) == [[0, 1, 3]]
