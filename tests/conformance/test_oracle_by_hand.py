"""The oracle against sums that fit on the back of an envelope, and against what must not matter."""

from __future__ import annotations

import math
import sys
from typing import Any

import pytest

from tests.conformance.oracle import attention
from tests.conformance.oracle.rope import frequency, rotated

INF = math.inf
ZERO = [[0.0]]


def scores_of(n_q: int, n_k: int, **keys: Any) -> dict[str, Any]:
    """n_q queries whose score for key j is j; the values are the scores."""
    keys_ = [[float(j)] for j in range(n_k)]
    return attention({"query": [[1.0]] * n_q, "key": keys_, "value": keys_, "score": "dot", **keys})


@pytest.mark.parametrize(
    ("keys", "visible"),
    [
        ({"causal": "top-left", "prefix": 2}, [[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1]]),
        ({"causal": True, "offset": -1}, [[1, 1, 1, 1], [0, 1, 1, 1], [0, 0, 1, 1]]),
        (
            {"causal": "bottom-right", "key_lengths": [3]},
            [[0, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1]],
        ),
        ({"window": {"left": 0}, "offset": 1}, [[2, 0, 0, 0], [2, 2, 0, 0], [2, 2, 2, 0]]),
        ({"window": {"right": 0}, "offset": 1}, [[0, 0, 2, 2], [0, 0, 0, 2], [0, 0, 0, 0]]),
        (
            {"window": {"keys": 1}, "offset": 1, "sink_tokens": 1},
            [[0, 0, 2, 2], [0, 2, 0, 2], [0, 2, 2, 0]],
        ),
        (
            {"window": {"keys": 1}, "offset": 1, "prefix": 2},
            [[0, 0, 2, 2], [0, 0, 0, 2], [0, 0, 2, 0]],
        ),
        (
            {"documents": [7, 7, 8, 8], "causal": "top-left"},
            [[0, 1, 4, 1], [0, 0, 4, 4], [4, 1, 0, 1]],
        ),
        (
            {"documents": [7, 7, 8, 8], "causal": "bottom-right"},
            [[0, 0, 4, 4], [4, 1, 0, 1], [4, 4, 0, 0]],
        ),
        (
            {"documents": {"query": [1, 2, 1], "key": [1, 2, 2, 1]}},
            [[0, 4, 4, 0], [4, 0, 0, 4], [0, 4, 4, 0]],
        ),
        ({"mask": [[-INF], [0.0], [-INF]]}, [[6] * 4, [0] * 4, [6] * 4]),
        ({"mask": [1.0, -INF]}, [[0, 6, 6, 6]] * 3),
        ({"mask": {"values": [True, False, True], "true_means": "ignore"}}, [[6, 0, 6, 6]] * 3),
        ({"top_k": 2}, [[7, 7, 0, 0]] * 3),
        ({"top_k": 1, "key_lengths": 2}, [[7, 0, 3, 3]] * 3),
        (
            {"top_k": 1, "causal": "top-left", "mask": [0.0, 0.0, 0.0, -INF]},
            [[0, 1, 1, 1], [7, 0, 1, 1], [7, 7, 0, 1]],
        ),
        (
            {"score": {"function": "sparse", "window": 0}, "key_lengths": 2},
            [[0, 5, 3, 3], [5, 0, 3, 3], [5, 5, 3, 3]],
        ),
    ],
)
def test_codes(keys: dict[str, Any], visible: list[list[int]]) -> None:
    steps = scores_of(3, 4, **keys)
    assert steps["visible"] == visible
    for weights, codes in zip(steps["weights"], visible, strict=True):
        assert [w == 0 for w in weights] == [code != 0 for code in codes]


def test_ties_with_the_last_of_top_k_are_kept() -> None:
    steps = attention(
        {"query": [[1.0]], "key": [[2.0], [1.0], [2.0], [3.0]], "top_k": 2}
        | {"value": [[0.0]] * 4, "score": "dot"}
    )
    assert steps["visible"] == [[0, 7, 0, 0]]


def test_how_a_fill_is_applied() -> None:
    keys = {"causal": True, "mask": [[0.5, 0.25], [-INF, 0.5]]}
    assert scores_of(2, 2, **keys)["masked"] == [[0.5, -INF], [-INF, 1.5]]
    select = {"mask_fill": {"value": -9.0}}
    assert scores_of(2, 2, **keys, **select)["masked"] == [[0.5, -9], [-9, 1.5]]
    add = {"mask_fill": {"value": -9.0, "how": "add"}}
    assert scores_of(2, 2, **keys, **add)["masked"] == [[0.5, -7.75], [-9, 1.5]]


def test_lowest_is_that_of_float64() -> None:
    for value, share in (("lowest", 1.0), ("0.7 lowest", 0.7)):
        steps = scores_of(1, 2, key_lengths=1, mask_fill={"value": value})
        assert steps["masked"] == [[0, -sys.float_info.max * share]]


@pytest.mark.parametrize("rows", ["zero", "nan", "uniform"])
def test_a_row_with_a_key_is_not_empty(rows: str) -> None:
    assert scores_of(1, 4, key_lengths=1, empty_rows=rows)["weights"] == [[1, 0, 0, 0]]


def test_top_k_ranks_filled_keys_too() -> None:
    keys = {"key_lengths": 2, "top_k": 2, "mask_fill": {"value": 0.5}, "normalize": "none"}
    steps = scores_of(1, 4, **keys)
    assert steps["weights"] == [[0, 1, 0.5, 0.5]]
    assert steps["visible"] == [[7, 0, 3, 3]]


def test_what_sparse_leaves_out_stays_out() -> None:
    score = {"function": "sparse", "pairs": [[0, 1]]}
    steps = scores_of(
        1, 3, score=score, softcap=1.0, score_bias=[[5.0]], order=["bias", "softcap", "mask"]
    )
    for name in ("scores", "biased", "capped"):
        assert [s == -INF for s in steps[name][0]] == [True, False, True]
    assert steps["weights"] == [[0, 1, 0]]


def test_temperature_divides_before_the_normaliser() -> None:
    steps = scores_of(1, 2, temperature=0.5)
    assert steps["lse"] == pytest.approx([math.log(1 + math.exp(2))])
    assert steps["weights"][0] == pytest.approx([1 / (1 + math.exp(2)), 1 / (1 + math.exp(-2))])


@pytest.mark.parametrize(
    ("normalize", "expected"),
    [
        ({"function": "sigmoid", "bias": -1}, [1 / (1 + math.e), 0.5, 1 / (1 + 1 / math.e)]),
        ({"function": "relu", "divisor": 4}, [0, 0.25, 0.5]),
        ("none", [0, 1, 2]),
        ("argmax", [0, 0, 1]),
    ],
)
def test_normalisers_of_single_scores(normalize: Any, expected: list[float]) -> None:
    steps = scores_of(1, 3, normalize=normalize)
    assert steps["weights"][0] == pytest.approx(expected, abs=1e-15)
    assert steps["row_sums"] == pytest.approx([sum(expected)])
    assert "lse" not in steps


def test_norms_of_queries_and_new_keys() -> None:
    given = {"function": "rms", "eps": 0, "query_gain": [1.0, 2.0], "key_gain": [5.0, 1.0]}
    past = {"key": [[[[9.0, 9.0]]]], "value": [[ZERO]]}
    steps = attention(
        {"query": [[3.0, 4.0]], "key": [[6.0, 8.0]], "value": ZERO}
        | {"qk_norm": given, "past": past}
    )
    root = math.sqrt(12.5)
    assert steps["q_normed"] == [pytest.approx([3 / root, 8 / root])]
    assert steps["k_normed"] == [pytest.approx([15 / root, 4 / root])]
    assert steps["present_key"] == [[9.0, 9.0], steps["k_normed"][0]]
    l2 = attention({"query": [[3.0, 4.0]], "key": [[0.0, 0.0]], "value": ZERO, "qk_norm": "l2"})
    assert (l2["q_normed"], l2["k_normed"]) == ([pytest.approx([0.6, 0.8])], [[0.0, 0.0]])


def test_the_eps_of_l2_is_the_least_length() -> None:
    given = {"function": "l2", "eps": 10}
    steps = attention({"query": [[3.0, 4.0]], "key": [[6.0, 8.0]], "value": ZERO, "qk_norm": given})
    assert steps["q_normed"] == [pytest.approx([0.3, 0.4])]
    assert steps["k_normed"] == [pytest.approx([0.6, 0.8])]


@pytest.mark.parametrize("score", ["dot", {"function": "sparse", "window": 4}])
def test_where_the_scale_is_applied(score: Any) -> None:
    after = scores_of(2, 3, score=score, scale=0.25)
    assert after["scores"][0] == pytest.approx([0, 0.25, 0.5])
    for placement in ("query", "split"):
        steps = scores_of(2, 3, score=score, scale=0.25, scale_placement=placement)
        assert steps["scores"] == after["scores"]
        assert "products" not in steps


def test_dropout_and_the_gate_on_the_output() -> None:
    steps = scores_of(
        1,
        3,
        normalize="none",
        dropout={"mask": [True, False, True], "p": 0.5},
        output_gate={"logits": [[math.log(3)]]},
    )
    assert steps["dropped"] == [[0, 0, 4]]
    assert steps["context"] == [[8]]
    assert steps["gated"] == steps["output"] == [[pytest.approx(6)]]


def test_a_gate_for_each_head_of_what_queries_are_made_from() -> None:
    problem = {"embeddings": [[2.0, 1.0]], "key": [[0.0]], "value": [[4.0, 8.0]]}
    gate = {"weights": [[0.0, 1.0], [0.0, -1.0]], "bias": [0.0, -1.0]}
    steps = attention({**problem, "heads": 2, "kv_heads": 1, "output_gate": gate})
    assert steps["gated"] == [[[2, 4]], [[2, 4]]]
    assert steps["concat"] == [[2, 4, 2, 4]]


def test_layouts_hold_the_same_numbers() -> None:
    """Four axes either way round, and packed heads."""
    queries = [[[[1.0, 2.0], [0.5, -1.0]], [[3.0, 0.0], [1.0, 1.0]]]]
    keys = [[[[1.0, -1.0], [0.0, 2.0], [1.0, 1.0]]]]
    four = attention({"query": queries, "key": keys, "value": keys})
    turned = attention(
        {"axes": "bshd", "query": [list(map(list, zip(*queries[0], strict=True)))]}
        | {name: [[[row] for row in keys[0][0]]] for name in ("key", "value")}
    )
    packed = attention(
        {"query": [[*a, *b] for a, b in zip(*queries[0], strict=True)], "heads": 2, "kv_heads": 1}
        | {"key": keys[0][0], "value": keys[0][0]}
    )
    assert four["weights"] == turned["weights"] == [packed["weights"]]
    by_query = [list(map(list, zip(*four["output"][0], strict=True)))]
    assert turned["output"] == by_query
    assert packed["output"] == [[*a, *b] for a, b in by_query[0]]


def test_scalings_of_rotary_frequencies() -> None:
    dims, base, factor = 8, 10000.0, 4.0
    plain = [frequency(m, base, dims, {}) for m in range(4)]
    assert plain == pytest.approx([1, 0.1, 0.01, 0.001])

    def scaled(kind: str, **more: Any) -> list[float]:
        return [
            frequency(m, base, dims, {"kind": kind, "factor": factor, **more}) for m in range(4)
        ]

    assert scaled("linear") == pytest.approx([f / 4 for f in plain])
    ntk = scaled("ntk")
    assert [ntk[0], ntk[3]] == pytest.approx([1, plain[3] / 4])
    # Pairs turn 1000/2pi = 159, 16, 1.6 and 0.16 times; 32 times would be pair 0.7, once pair 2.2.
    yarn = scaled("yarn", original_length=1000)
    shares = [1, 1 - 3 / 4 * 1 / 3, 1 - 3 / 4 * 2 / 3, 1 / 4]
    assert yarn == pytest.approx([f * share for f, share in zip(plain, shares, strict=True)])
    llama = scaled("llama3", original_length=1000, low_freq_factor=1, high_freq_factor=4)
    turns = 1000 * 0.01 / (2 * math.pi)
    share = (turns - 1) / 3
    assert llama == pytest.approx([1, 0.1, 0.01 * (share + (1 - share) / 4), 0.001 / 4])


def test_yarn_makes_features_larger_and_the_rest_stays() -> None:
    scaling = {"kind": "yarn", "factor": math.e, "original_length": 64}
    x = [3.0, 4.0, 5.0]
    assert rotated({"dims": 2, "scaling": scaling}, x, 0) == pytest.approx([3.3, 4.4, 5])
    assert math.hypot(*rotated({"dims": 2, "scaling": scaling}, x, 7)[:2]) == pytest.approx(5.5)
    scaling["attention_factor"] = 2.0
    assert rotated({"dims": 2, "scaling": scaling}, x, 0) == [6, 8, 5]


def test_the_first_dims_are_split_in_halves() -> None:
    cos, sin = math.cos(1), math.sin(1)
    for interleaved in (False, True):
        rope = {"dims": 2, "interleaved": interleaved}
        turned = rotated(rope, [1.0, 0.0, 5.0, 7.0], 1)
        assert turned == pytest.approx([cos, sin, 5, 7])


def test_only_distances_matter_to_rotated_products() -> None:
    rows = [[1.0, -2.0, 0.5, 3.0], [2.0, 0.0, 1.0, 1.0], [0.5, 1.5, -1.0, 2.0]]
    for rope in (True, {"interleaved": True}, {"base": 100, "dims": 2}):
        one = [rotated(rope, rows[0], 5), rotated(rope, rows[1], 3)]
        two = [rotated(rope, rows[0], 102), rotated(rope, rows[1], 100)]
        products = [sum(a * b for a, b in zip(*pair, strict=True)) for pair in (one, two)]
        assert products[0] == pytest.approx(products[1], abs=1e-12)
