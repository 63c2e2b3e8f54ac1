"""The oracle against figures that are known from elsewhere, and its scores by hand."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from tests.conformance.oracle import attention
from tests.conformance.oracle.biases import bucket, slopes
from tests.conformance.oracle.rope import rotated

Rows = list[list[float]]
THIRD = 1 / 3


def one_query(*scores: float, **keys: Any) -> dict[str, Any]:
    """One query whose scores are these; the values are unit vectors, so context = weights."""
    n = len(scores)
    value = [[float(i == j) for j in range(n)] for i in range(n)]
    problem = {"query": [[1.0]], "key": [[s] for s in scores], "value": value, "score": "dot"}
    return attention({**problem, **keys})


def close(found: Any, expected: Any, digits: int) -> None:
    """Equal in so many decimals."""
    assert found == pytest.approx(expected, abs=0.5001 * 10**-digits)


HIDDEN_LAST = {"values": [[True, True, False]], "true_means": "attend"}


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (["softcap", "bias", "mask"], [0.354583, 0.645417, 0]),
        (["mask", "bias", "softcap"], [0.347957, 0.633356, 0.018687]),
    ],
)
def test_softcap_before_and_after_the_mask(order: list[str], expected: list[float]) -> None:
    steps = one_query(1, 2, 3, softcap=2, mask=HIDDEN_LAST, order=order)
    close(steps["weights"][0], expected, 6)
    close(steps["output"][0], expected, 6)
    assert steps["visible"] == [[0, 0, 6]]


@pytest.mark.parametrize(
    "way", [{"mask": [[0.0, -1.0, -2.0]]}, {"score_bias": [[0.0, -1.0, -2.0]]}]
)
@pytest.mark.parametrize(
    ("softcap_first", "expected"),
    [(True, [0.500530, 0.335164, 0.164306]), (False, [THIRD, THIRD, THIRD])],
)
def test_softcap_before_and_after_a_bias(
    way: dict[str, Any], softcap_first: bool, expected: list[float]
) -> None:
    order = ["softcap", "bias", "mask"] if softcap_first else ["bias", "mask", "softcap"]
    close(one_query(1, 2, 3, softcap=2, order=order, **way)["weights"][0], expected, 6)


NOTHING = {"values": [[True, True, True]], "true_means": "ignore"}


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, [0, 0, 0]),
        ({"empty_rows": "zero"}, [0, 0, 0]),
        ({"empty_rows": "uniform"}, [THIRD] * 3),
        ({"mask_fill": {"value": -1e9}}, [THIRD] * 3),
        ({"mask_fill": {"value": "lowest"}}, [THIRD] * 3),
        ({"mask_fill": {"value": "0.7 lowest"}}, [THIRD] * 3),
        ({"mask_fill": {"value": -1e9, "how": "add"}}, [0.0900, 0.2447, 0.6652]),
        ({"mask_fill": {"value": -1e9}, "empty_rows": "zero"}, [0, 0, 0]),
        ({"normalize": {"function": "sink_logits", "logits": [2.0]}}, [0, 0, 0]),
        ({"normalize": "softmax1"}, [0, 0, 0]),
    ],
)
def test_a_row_without_a_key(keys: dict[str, Any], expected: list[float]) -> None:
    steps = one_query(1, 2, 3, mask=NOTHING, **keys)
    close(steps["weights"][0], expected, 4)
    close(steps["output"][0], expected, 4)
    assert steps["visible"] == [[6, 6, 6]]


def test_a_row_without_a_key_can_be_nan() -> None:
    steps = one_query(1, 2, 3, mask=NOTHING, empty_rows="nan")
    assert all(map(math.isnan, steps["weights"][0] + steps["output"][0] + steps["row_sums"]))
    assert steps["lse"] == [-math.inf]


def test_a_finite_fill_is_beaten_by_smaller_scores() -> None:
    scores = [-110_000.0] * 5
    mask = {"values": [[1, 1, 1, 0, 0]], "true_means": "attend"}
    steps = one_query(*scores, mask=mask, mask_fill={"value": -100_000})
    close(steps["weights"][0], [0, 0, 0, 0.5, 0.5], 12)
    assert steps["visible"] == [[0, 0, 0, 6, 6]]


def square(n: int, **keys: Any) -> dict[str, Any]:
    """n queries and keys, all scores 0."""
    rows = [[0.0]] * n
    return attention({"query": rows, "key": rows, "value": rows, "score": "dot", **keys})


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"causal": True, "window": {"keys": 3}}, [1, 2, 3, 3, 3, 3]),
        ({"causal": True, "window": {"left": 3, "right": 0}}, [1, 2, 3, 4, 4, 4]),
        ({"window": {"left": 3}, "causal": True}, [1, 2, 3, 4, 4, 4]),
        ({"window": {"left": 3, "right": 3}}, [4, 5, 6, 6, 5, 4]),
        ({"window": {"left": 2, "right": 2}}, [3, 4, 5, 5, 4, 3]),
    ],
)
def test_how_many_keys_a_window_has(keys: dict[str, Any], expected: list[int]) -> None:
    assert [row.count(0) for row in square(6, **keys)["visible"]] == expected


@pytest.mark.parametrize(
    ("n_q", "n_k", "causal", "seen"),
    [
        (2, 5, "top-left", [1, 2]),
        (2, 5, "bottom-right", [4, 5]),
        (5, 2, "top-left", [1, 2, 2, 2, 2]),
        (5, 2, "bottom-right", [0, 0, 0, 1, 2]),
    ],
)
def test_how_many_keys_a_query_sees(n_q: int, n_k: int, causal: str, seen: list[int]) -> None:
    problem = {"query": [[0.0]] * n_q, "key": [[0.0]] * n_k, "value": [[1.0]] * n_k}
    steps = attention({**problem, "score": "dot", "causal": causal})
    assert [row.count(0) for row in steps["visible"]] == seen
    assert [x for [x] in steps["output"]] == pytest.approx([float(n > 0) for n in seen])


@pytest.mark.parametrize(
    ("grouping", "read"),
    [
        ("interleave", [0, 0, 0, 1, 1, 1]),
        ("tile", [0, 1, 0, 1, 0, 1]),
        ([1, 1, 0, 1, 0, 0], [1, 1, 0, 1, 0, 0]),
    ],
)
def test_which_key_head_a_query_head_reads(grouping: Any, read: list[int]) -> None:
    problem = {"query": [[0.0] * 6], "key": [[0.0] * 2], "value": [[0.0, 1.0]], "score": "dot"}
    steps = attention({**problem, "heads": 6, "kv_heads": 2, "grouping": grouping})
    assert steps["concat"] == [read]


@pytest.mark.parametrize(
    ("interleaved", "expected"),
    [(False, [-1.9841, 1.9599, 2.4624, 4.0198]), (True, [-1.1426, 1.9221, 2.9599, 4.0298])],
)
def test_rotary_pairs(interleaved: bool, expected: list[float]) -> None:
    close(rotated({"interleaved": interleaved}, [1.0, 2.0, 3.0, 4.0], 1), expected, 4)


def test_past_keys_turn_by_their_number_and_queries_stand_behind_them() -> None:
    x = [[1.0, 2.0, 3.0, 4.0]]
    past = {"key": [[x]], "value": [[x]]}
    steps = attention({"query": x, "key": x, "value": x, "rope": True, "past": past})
    close(steps["k_rotated"][0], x[0], 15)
    for step in (steps["k_rotated"][1], steps["q_rotated"][0]):
        close(step, [-1.9841, 1.9599, 2.4624, 4.0198], 4)


def test_alibi_slopes() -> None:
    paper = [0.5**n for n in range(1, 9)] + [0.7071, 0.3536, 0.1768, 0.0884]
    close(slopes("paper", 12), paper, 4)
    close(slopes("plain", 12)[:4], [0.630, 0.397, 0.25, 0.1575], 3)
    for heads in (1, 2, 4, 8):
        assert slopes("paper", heads) == slopes("plain", heads)
    assert slopes([3.0, 0.1], 2) == [3.0, 0.1]


def test_forms_of_alibi_differ_before_the_softmax_alone() -> None:
    numbers = random.Random(3)
    rows = [[numbers.uniform(-1, 1)] for _ in range(5)]
    forms = ["distance", "signed", "key", "last_key", "clamped"]
    steps = [
        attention(
            {"query": rows, "key": rows, "value": rows, "causal": True}
            | {"alibi": {"slopes": [0.3], "form": form}}
        )
        for form in forms
    ]
    assert [s["biased"][1][0] - s["scores"][1][0] for s in steps] == pytest.approx(
        [-0.3, -0.3, 0, -1.2, -0.3]
    )
    assert [s["biased"][1][4] - s["scores"][1][4] for s in steps] == pytest.approx(
        [-0.9, 0.9, 1.2, 0, 0]
    )
    for other in steps[1:]:
        for row, first in zip(other["weights"], steps[0]["weights"], strict=True):
            assert row == pytest.approx(first, abs=1e-15)


def test_buckets_of_t5() -> None:
    """16 of 32 buckets a side: 8 exact ones, then up to 128 in steps of 2^(1/2)."""
    assert [bucket(-n, 32, True, 128) for n in (0, 1, 7, 8, 11, 12, 16, 23, 127, 999)] == [
        *(0, 1, 7, 8, 8, 9, 10, 11, 15, 15)
    ]
    assert [bucket(n, 32, True, 128) for n in (1, 8, 999)] == [17, 24, 31]
    assert [bucket(n, 32, False, 128) for n in (5, 0, -15, -16, -127, -128)] == [
        0,
        0,
        15,
        16,
        31,
        31,
    ]


@pytest.mark.parametrize(
    ("normalize", "expected"),
    [
        ("softmax", [0.0900, 0.2447, 0.6652]),
        ("softmax1", [0.0871, 0.2369, 0.6439]),
        ({"function": "sink_logits", "logits": [0.0]}, [0.0871, 0.2369, 0.6439]),
        ({"function": "sink_logits", "logits": [2.0]}, [0.0723, 0.1966, 0.5344]),
    ],
)
def test_sinks(normalize: Any, expected: list[float]) -> None:
    steps = one_query(1, 2, 3, normalize=normalize)
    close(steps["weights"][0], expected, 4)
    for w, s in zip(steps["weights"][0], (1, 2, 3), strict=True):
        assert w == pytest.approx(math.exp(s - steps["lse"][0]), rel=1e-14)


@pytest.mark.parametrize(
    ("normalize", "expected"),
    [
        ("softmax", [0.0486, 0.3592, 0.5922]),
        ("sparsemax", [0, 0.25, 0.75]),
        ({"function": "entmax", "alpha": 2}, [0, 0.25, 0.75]),
        ("entmax15", [0, 0.326007, 0.673993]),
        ({"function": "entmax", "alpha": 1.5}, [0, 0.326007, 0.673993]),
        ({"function": "entmax", "alpha": 1}, [0.0486, 0.3592, 0.5922]),
    ],
)
def test_sparse_normalisers(normalize: Any, expected: list[float]) -> None:
    steps = one_query(-2, 0, 0.5, normalize=normalize)
    close(steps["weights"][0], expected, 4 if expected[0] else 6)
    assert steps["row_sums"] == pytest.approx([1], abs=1e-14)


Q, K = [1.0, 2.0], [3.0, 5.0]
SCORES: list[tuple[dict[str, Any], float]] = [
    ({"function": "dot"}, 13),
    ({"function": "scaled"}, 13 / math.sqrt(2)),
    (
        {"function": "additive", "W1": [[2, 0], [1, 1]], "W2": [[0, -1], [1, -1]], "v": [7, 11]},
        7 * math.tanh(-3) + 11 * math.tanh(1),
    ),
    (
        {"function": "additive", "W1": [[2, 0]], "W2": [[0, -1]], "v": [7], "b": [3.5]},
        7 * math.tanh(0.5),
    ),
    ({"function": "multiplicative", "W": [[1, 2], [0, 3]]}, 13 + 30),
    ({"function": "gated", "W_g": [[1, 0, -1, 0.5]]}, 13 / (1 + math.exp(-0.5))),
    ({"function": "gated", "W_g": [[0, 1, 0, 0]], "b_g": [-3]}, 13 / (1 + math.e)),
    ({"function": "gaussian", "sigma": 1.5}, -13 / 4.5),
    (
        {"function": "concat", "W": [[2, 0, 0, -1]], "v": [7], "b": [3.5], "order": "query-key"},
        7 * math.tanh(0.5),
    ),
    (
        {"function": "concat", "W": [[0, -1, 2, 0]], "v": [7], "b": [3.5], "order": "key-query"},
        7 * math.tanh(0.5),
    ),
    ({"function": "cosine"}, 13 / math.hypot(*Q) / math.hypot(*K)),
]


@pytest.mark.parametrize(("score", "expected"), SCORES)
@pytest.mark.parametrize("scale", [None, 0.7])
def test_score_functions_of_one_pair(
    score: dict[str, Any], expected: float, scale: float | None
) -> None:
    problem: dict[str, Any] = {"query": [Q], "key": [K], "value": [[1.0]]}
    if scale is not None:
        expected *= scale * (math.sqrt(2) if score["function"] == "scaled" else 1)
        problem["scale"] = scale
    inside = {"function": "sparse", "window": 0, "inside": score}
    for each in (score, inside):
        steps = attention(problem | {"score": each})
        assert steps["scores"] == [[pytest.approx(expected, rel=1e-14)]]
