"""The cosine score: lengths that do not count, and zero vectors, which have no direction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attn_cli import AttnError, attention, compute
from attn_cli.maths.scores.cosine import SCORE
from attn_cli.maths.visible.base import REASONS
from tests.conformance.oracle import attention as oracle
from tests.conftest import Attn
from tests.helpers.many import check_each

RNG = np.random.default_rng(20261127)
N_Q, N_K, D = 5, 7, 3
Q, K, V = RNG.normal(size=(N_Q, D)), RNG.normal(size=(N_K, D)), RNG.normal(size=(N_K, 2))
ZERO = [1, 4]
HOLED = np.where(np.isin(np.arange(N_K), ZERO)[:, None], 0.0, K)


def test_lengths_do_not_count() -> None:
    """Also where their squares overflow, or are below the smallest number."""
    expected = attention(Q, K, V, "cosine")["scores"]
    for length in (2.0**600, 2.0**-700):
        np.testing.assert_array_equal(attention(Q * length, K, V, "cosine")["scores"], expected)
        np.testing.assert_array_equal(attention(Q, K * length, V, "cosine")["scores"], expected)


def test_known_angles() -> None:
    found = attention([[3, 4]], [[4, 3], [-3, -4], [4, -3], [6, 8]], np.eye(4), "cosine")
    np.testing.assert_allclose(found["scores"], [[24 / 25, -1, 0, 1]], rtol=1e-15, atol=1e-15)


HIDING: dict[str, dict[str, Any]] = {
    "alone": {},
    "a bias": {"score_bias": RNG.normal(size=(1, N_K))},
    "a finite fill": {"mask": [[0] * 6 + [-np.inf]], "mask_fill": {"value": -3, "how": "select"}},
    "softcap after the mask": {
        "softcap": 0.5,
        "causal": "top-left",
        "order": ["mask", "bias", "softcap"],
    },
    "the largest": {"top_k": 2},
    "sparsemax": {"normalize": "sparsemax"},
    "columns": {"layout": "columns"},
}


def without(keys: dict[str, Any], kept: np.ndarray) -> dict[str, Any]:
    """The same keys of a problem that lacks the zero keys."""
    axes = {"score_bias", "mask"} & keys.keys()
    found = keys | {name: np.asarray(keys[name])[:, kept].tolist() for name in axes}
    if "causal" in keys:  # the keys that are left have other positions
        seen = np.tril(np.ones((N_Q, N_K)))[:, kept]
        found = found | {"mask": {"values": seen, "true_means": "attend"}}
        del found["causal"]
    return found


def test_zero_keys_are_as_if_they_were_not_there() -> None:
    kept = np.setdiff1d(np.arange(N_K), ZERO)

    def check(case: str) -> None:
        keys = HIDING[case]
        turn = np.transpose if "layout" in keys else np.asarray
        record = compute({
            "query": turn(Q), "key": turn(HOLED), "value": turn(V), "score": "cosine", **keys,
        })  # fmt: skip
        other = compute({
            "query": turn(Q), "key": turn(K[kept]), "value": turn(V[kept]), "score": "cosine",
            **without(keys, kept),
        })  # fmt: skip
        weights, expected = turn(record["weights"]), turn(other["weights"])
        np.testing.assert_allclose(weights[:, kept], expected, rtol=1e-14)
        assert not weights[:, ZERO].any()
        np.testing.assert_allclose(record["output"], other["output"], rtol=1e-14)

    check_each(HIDING, check)


def test_the_reason_and_the_number_of_hidden_keys() -> None:
    record = compute(
        {"query": Q, "key": HOLED, "value": V, "score": "cosine", "causal": True, "offset": 1},
        steps=("visible", "scores"),
    )
    names = [REASONS[code] for code in record["visible"][0]]
    assert names == ["visible", "zero_key", "causal", "causal", "causal", "causal", "causal"]
    assert np.isneginf(record["scores"][:, ZERO]).all()
    assert np.isfinite(np.delete(record["scores"], ZERO, axis=1)).all()
    warning = "2 of 7 keys are zero vectors, without a direction: cosine hides them"
    assert record.warnings.count(warning) == 1


def test_keys_are_counted_once_for_each_head_that_has_them() -> None:
    heads = {"query": Q[None, None].repeat(4, axis=1), "key": HOLED[None, None].repeat(2, axis=1)}
    record = compute({**heads, "value": V[None, None].repeat(2, axis=1), "score": "cosine"})
    (warning,) = [each for each in record.warnings if "zero" in each]
    assert warning.startswith("4 of 14 keys of all heads and batch entries are zero vectors")


def test_only_zero_keys() -> None:
    record = attention(Q[:1], np.zeros((2, D)), V[:2], "cosine")
    np.testing.assert_array_equal(record["output"], [[0, 0]])
    assert any("no key to attend to" in each for each in record.warnings)


def test_a_zero_query_is_an_error() -> None:
    with pytest.raises(AttnError) as caught:
        attention(np.where(np.arange(N_Q)[:, None] == 3, 0, Q), K, V, "cosine")
    assert str(caught.value).startswith("query 3 is a zero vector, which has no direction")


def test_of_chosen_rows_only_those_must_have_a_direction() -> None:
    first = np.where(np.arange(N_Q)[:, None] == 0, 0, Q)
    problem = {"query": first, "key": K, "value": V, "score": "cosine"}
    expected = attention(Q, K, V, "cosine")["output"]
    found = compute(problem, query_token=2)["output"]
    np.testing.assert_allclose(found, expected[2:3], rtol=1e-15)


def test_the_query_is_named_as_text(attn: Attn, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(
        'tokens: ["a\\u202eb", c]\nembeddings: [[0, 0], [1, 2]]\nscore: cosine\n', encoding="utf-8"
    )
    ran = attn("compute", tmp_path / "p.yaml")
    assert (ran.status, ran.out) == (2, "")
    assert "query 0 ('a\\u202eb') is a zero vector" in ran.err


def test_a_zero_key_has_no_gradient() -> None:
    """The others have that of the same keys without it."""
    assert SCORE.backward is not None
    dS = RNG.normal(size=(N_Q, N_K))
    dS[:, ZERO] = 0
    dQ, dK, _ = SCORE.backward(Q, HOLED, {}, {}, dS)
    kept = np.setdiff1d(np.arange(N_K), ZERO)
    expected_q, expected_k, _ = SCORE.backward(Q, K[kept], {}, {}, dS[:, kept])
    np.testing.assert_allclose(dQ, expected_q, rtol=1e-13)
    np.testing.assert_allclose(dK[kept], expected_k, rtol=1e-13)
    assert not dK[ZERO].any()


def test_the_oracle_of_zero_keys() -> None:
    problem = {"query": Q.tolist(), "key": HOLED.tolist(), "value": V.tolist(), "score": "cosine"}
    for keys in ({}, {"causal": "top-left"}, {"score_bias": [[0.5] * N_K]}):
        expected, record = oracle({**problem, **keys}), compute({**problem, **keys})
        for step in ("scores", "visible", "weights", "output"):
            np.testing.assert_allclose(record[step], expected[step], rtol=1e-13, atol=1e-15)


def test_other_names_are_accepted_with_a_note() -> None:
    names = {
        "scaled_dot_product": "scaled", "Scaled-Dot-Product": "scaled", "Bahdanau": "additive",
        "general": "multiplicative", "luong": "multiplicative",
    }  # fmt: skip
    parameters: dict[str, dict[str, Any]] = {
        "scaled": {},
        "multiplicative": {"W": np.eye(D)},
        "additive": {"W1": np.eye(D), "W2": np.eye(D), "v": [1] * D},
    }

    def check(name: str) -> None:
        given = parameters[names[name]]
        record = attention(Q, K, V, {"function": name, **given})
        expected = attention(Q, K, V, {"function": names[name], **given})
        np.testing.assert_array_equal(record["weights"], expected["weights"])
        (note,) = record.warnings
        assert note.startswith(f"the score function '{name}' is read as {names[name]}: ")
        assert expected.warnings == ()
        inside = attention(Q, K, V, {
            "function": "sparse", "stride": 2, "inside": {"function": name, **given},
        })  # fmt: skip
        assert inside.warnings == (note,)

    check_each(names, check)
