"""Causal order and masks: what is hidden, and that nothing hidden leaks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from attn_cli import AttnError, attention
from tests.conformance.oracle.single import single
from tests.helpers.many import for_each

N_Q, N_K, D, D_V = 5, 7, 3, 2
RNG = np.random.default_rng(7)
Q, K, V = (RNG.normal(size=s).tolist() for s in ((N_Q, D), (N_K, D), (N_K, D_V)))
INF = np.inf


@for_each(
    "n_q, n_k, causal, offset",
    [
        (5, 5, True, 0),
        (5, 7, "top-left", 0),
        (5, 7, "bottom-right", 2),
        (7, 5, "top-left", 0),
        (5, 5, "bottom-right", 0),
    ],
)
def test_causal(n_q: int, n_k: int, causal: Any, offset: int) -> None:
    q, k, v = (RNG.normal(size=s).tolist() for s in ((n_q, D), (n_k, D), (n_k, D_V)))
    expected = single(q, k, v, "scaled", sees=lambda i, j: j <= i + offset)
    record = attention(q, k, v, causal=causal)
    np.testing.assert_allclose(record["weights"], expected["weights"], rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(record["context"], expected["context"], rtol=1e-13, atol=1e-15)
    hidden = np.arange(n_k)[None, :] > np.arange(n_q)[:, None] + offset
    np.testing.assert_array_equal(np.isneginf(record["masked"]), hidden)
    np.testing.assert_array_equal(record["masked"][~hidden], record["scores"][~hidden])


def test_bottom_right_with_more_queries_leaves_the_first_without_a_key() -> None:
    q, k, v = (RNG.normal(size=s).tolist() for s in ((5, D), (2, D), (2, D_V)))
    record = attention(q, k, v, causal="bottom-right")
    np.testing.assert_array_equal(record["weights"][:3], np.zeros((3, 2)))
    np.testing.assert_array_equal(record["output"][:3], np.zeros((3, D_V)))
    np.testing.assert_array_equal(record["weights"][3], [1, 0])
    assert record.warnings == (
        "query 0; query 1; query 2 have no key to attend to: the weights there are 0",
    )


def test_float_mask_is_added_and_minus_infinity_hides() -> None:
    mask = RNG.normal(size=(N_Q, N_K))
    mask[RNG.random(size=mask.shape) < 0.4] = -INF
    mask[:, 3] = 0.5
    expected = single(
        Q, K, V, "dot", added=lambda i, j: mask[i][j], sees=lambda i, j: mask[i][j] > -INF
    )
    record = attention(Q, K, V, "dot", mask=mask.tolist())
    np.testing.assert_allclose(record["weights"], expected["weights"], rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(record["context"], expected["context"], rtol=1e-13, atol=1e-15)


@for_each("kind", [bool, int, float])
@for_each("true_means", ["attend", "ignore"])
def test_boolean_mask_says_which_way_round(kind: type, true_means: str) -> None:
    values = RNG.random(size=(N_Q, N_K)) < 0.5
    values[2] = true_means == "attend"
    expected = single(
        Q, K, V, "dot", sees=lambda i, j: bool(values[i][j]) == (true_means == "attend")
    )
    mask = {"values": values.astype(kind), "true_means": true_means}
    record = attention(Q, K, V, "dot", mask=mask)
    np.testing.assert_allclose(record["weights"], expected["weights"], rtol=1e-13, atol=1e-15)


@for_each("shape", [(7,), (1, 7), (5, 1), (3, 5, 7), (2, 1, 5, 7), (2, 3, 1, 1), (1, 5, 7)])
def test_a_mask_broadcasts_from_the_right(shape: tuple[int, ...]) -> None:
    q, k, v = (RNG.normal(size=s) for s in ((2, 3, 5, D), (2, 3, 7, D), (2, 3, 7, D_V)))
    mask = RNG.normal(size=shape)
    whole = np.broadcast_to(mask, (2, 3, 5, 7))
    record = attention(q, k, v, "dot", mask=mask)
    for b in range(2):
        for h in range(3):
            expected = single(
                q[b, h].tolist(),
                k[b, h].tolist(),
                v[b, h].tolist(),
                "dot",
                added=lambda i, j, m=whole[b, h]: float(m[i, j]),  # type: ignore[misc]
            )
            np.testing.assert_allclose(record["weights"][b, h], expected["weights"], rtol=1e-12)


def test_mask_causal_and_sparse_are_joined() -> None:
    mask = np.zeros((N_K, N_K))
    mask[:, 1] = -INF
    q = RNG.normal(size=(N_K, D)).tolist()
    expected = single(
        q, K, V, {"function": "sparse", "window": 2}, sees=lambda i, j: j <= i and j != 1
    )
    record = attention(q, K, V, {"function": "sparse", "window": 2}, causal=True, mask=mask)
    np.testing.assert_allclose(record["weights"], expected["weights"], rtol=1e-13, atol=1e-15)


@for_each("normalize", ["softmax", "none", "argmax"])
@for_each("poison", [1e300, np.nan, INF, -INF])
@for_each("place", ["key", "value"])
def test_nothing_hidden_reaches_a_result(normalize: str, poison: float, place: str) -> None:
    """A hidden key or value may hold anything: the result is that of the shorter problem."""
    key, value = np.array(K), np.array(V)
    (key if place == "key" else value)[[2, 6]] = poison
    mask = np.zeros(N_K)
    mask[[2, 6]] = -INF
    rest = [0, 1, 3, 4, 5]
    record = attention(Q, key, value, mask=mask, normalize=normalize, nonfinite="allow")
    short = attention(Q, np.array(K)[rest], np.array(V)[rest], normalize=normalize)
    np.testing.assert_allclose(record["weights"][:, rest], short["weights"], rtol=1e-13)
    np.testing.assert_array_equal(record["weights"][:, [2, 6]], np.zeros((N_Q, 2)))
    np.testing.assert_allclose(record["output"], short["output"], rtol=1e-13)


def test_poison_hidden_from_some_queries_reaches_only_the_others() -> None:
    value = np.array(V)
    value[4] = [np.nan, 1.0]
    record = attention(Q, K[:5], value[:5], causal=True, nonfinite="allow")
    clean = attention(Q, K[:5], V[:5], causal=True)
    np.testing.assert_allclose(record["output"][:4], clean["output"][:4], rtol=1e-13)
    assert np.isnan(record["output"][4, 0])
    assert np.isfinite(record["output"][4, 1])


def test_poison_outside_a_sparse_selection_reaches_nothing() -> None:
    value = np.array(V)
    value[6] = INF
    score = {"function": "sparse", "window": 1}
    record = attention(Q, K, value, score, nonfinite="allow")
    np.testing.assert_allclose(record["output"], attention(Q, K, V, score)["output"], rtol=1e-13)


def test_a_visible_nan_shows() -> None:
    key = np.array(K)
    key[2] = np.nan
    record = attention(Q, key, V, nonfinite="allow")
    assert np.isnan(record["output"]).all()


@for_each("normalize", ["softmax", "none", "argmax"])
def test_a_row_without_a_key_is_zero_and_named(normalize: str) -> None:
    mask = np.zeros((N_Q, N_K))
    mask[1] = -INF
    tokens = ["a", "b", "c", "d", "e"]
    record = attention(Q, K, V, mask=mask, normalize=normalize, tokens=tokens)
    np.testing.assert_array_equal(record["weights"][1], np.zeros(N_K))
    np.testing.assert_array_equal(record["output"][1], np.zeros(D_V))
    assert record.warnings == ("query 1 ('b') has no key to attend to: the weights there are 0",)


def test_empty_rows_of_many_entries_are_counted() -> None:
    q, k, v = (RNG.normal(size=(2, 3, 5, D)) for _ in range(3))
    mask = np.zeros((2, 3, 5, 5))
    mask[1, 0, [2, 4]] = -INF
    mask[1, 2] = -INF
    record = attention(q, k, v, mask=mask)
    assert record.warnings == (
        "batch 1, head 0, query 2; batch 1, head 0, query 4; batch 1, head 2, query 0 and 4 more "
        "have no key to attend to: the weights there are 0",
    )


def test_masks_that_may_be_meant_otherwise() -> None:
    zero_one = [[1.0, 0, 1, 0, 0, 0, 1]]
    assert attention(Q, K, V, mask=zero_one).warnings == (
        "mask holds only 0 and 1, and numbers are added to the scores: it hides nothing. For a "
        "mask of booleans write {values: ..., true_means: attend | ignore}",
    )
    assert attention(Q, K, V, mask=[[0.0] * N_K]).warnings == ()
    assert attention(Q, K, V, mask=[[0, -100, 1, 0, 0, 0, 0]]).warnings == ()
    with pytest.raises(AttnError, match="booleans, and does not say whether true means"):
        attention(Q, K, V, mask=np.ones((N_Q, N_K), dtype=bool))
    with pytest.raises(AttnError, match="whole numbers 0 and 1, and does not say whether 1 means"):
        attention(Q, K, V, mask=[[0] * N_K])


def test_a_large_negative_number_is_no_infinity_in_a_narrow_type() -> None:
    with pytest.raises(AttnError, match=r"mask\[0\]\[1\] = -1e\+09 is too large for float16"):
        attention(Q, K, V, mask=[[0, -1e9, 0, 0, 0, 0, 0.5]], dtype="float16")
