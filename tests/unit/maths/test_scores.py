"""Each score function against the brute-force loop, a different prime for each axis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attn_cli import AttnError, attention, compute
from attn_cli.maths.scores import SCORES
from tests.conformance.oracle.normalise import softmax
from tests.conformance.oracle.plain import dot, times
from tests.conformance.oracle.single import single
from tests.helpers.many import for_each

N_Q, N_K, D, D_V, H = 5, 7, 3, 2, 11
RNG = np.random.default_rng(20261122)


def normal(*shape: int) -> list[Any]:
    values: list[Any] = RNG.normal(size=shape).tolist()
    return values


Q, K, V = normal(N_Q, D), normal(N_K, D), normal(N_K, D_V)
K_OTHER = normal(N_K, 13)

CASES: dict[str, tuple[str, list[Any], dict[str, Any]]] = {
    "dot": ("dot", K, {}),
    "scaled": ("scaled", K, {}),
    "additive": ("additive", K_OTHER, {"W1": normal(H, D), "W2": normal(H, 13), "v": normal(H)}),
    "additive with b": (
        "additive",
        K_OTHER,
        {"W1": normal(H, D), "W2": normal(H, 13), "v": normal(H), "b": normal(H)},
    ),
    "multiplicative": ("multiplicative", K_OTHER, {"W": normal(D, 13)}),
    "gated": ("gated", K, {"W_g": normal(1, 2 * D)}),
    "gated with b_g": ("gated", K, {"W_g": normal(1, 2 * D), "b_g": [2.5]}),
    "gaussian": ("gaussian", K, {"sigma": 1.7}),
    "concat": ("concat", K_OTHER, {"W": normal(H, D + 13), "v": normal(H), "order": "query-key"}),
    "concat with b, the key first": (
        "concat",
        K_OTHER,
        {"W": normal(H, D + 13), "v": normal(H), "b": normal(H), "order": "key-query"},
    ),
    "cosine": ("cosine", K, {}),
    "sparse inside cosine": ("sparse", K, {"stride": 3, "inside": "cosine"}),
    "sparse pairs": ("sparse", K, {"pairs": [[0, 6], [4, 0], [2, 2], [2, 3]]}),
    "sparse window": ("sparse", K, {"window": 1}),
    "sparse window 0": ("sparse", K, {"window": 0}),
    "sparse stride": ("sparse", K, {"stride": 3}),
    "sparse block": ("sparse", K, {"block": 2}),
    "sparse global": ("sparse", K, {"global_tokens": 2}),
    "sparse top_k": ("sparse", K, {"top_k": 3}),
    "sparse united": (
        "sparse",
        K,
        {"pairs": [[1, 6]], "window": 1, "stride": 5, "block": 3, "global_tokens": 1, "top_k": 2},
    ),
    "sparse inside scaled": ("sparse", K, {"window": 2, "inside": "scaled"}),
    "sparse inside gaussian": (
        "sparse",
        K,
        {"block": 4, "inside": {"function": "gaussian", "sigma": 0.9}},
    ),
}


def written(name: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """The score as a problem file writes it."""
    return {"function": name, **parameters}


def test_every_score_function_is_tried() -> None:
    assert {name for name, _, _ in CASES.values()} | {"given"} == set(SCORES.names)


@for_each("scale", [None, 0.3])
@for_each("case", CASES)
def test_scores_weights_and_context(case: str, scale: float | None) -> None:
    name, keys, parameters = CASES[case]
    expected = single(Q, keys, V, written(name, parameters), scale=scale)
    given: dict[str, Any] = {} if scale is None else {"scale": scale}
    record = attention(Q, keys, V, written(name, parameters), **given)
    for step in ("scores", "weights", "context"):
        np.testing.assert_allclose(record[step], expected[step], rtol=1e-13, atol=1e-14)
    np.testing.assert_array_equal(record["output"], record["context"])


@for_each("layout", ["rows", "columns"])
@for_each("name", ["additive", "multiplicative"])
def test_the_formula_of_sparse_is_that_of_the_function_inside(name: str, layout: Any) -> None:
    inside, parameters = SCORES.get(name), {"b": np.ones(D)}
    formula = SCORES.get("sparse").expression({"inside": (inside, parameters)}, layout)
    assert formula == inside.expression(parameters, layout)
    without = {"additive": inside.expression({}, layout), "multiplicative": None}[name]
    assert formula != without


@for_each("case", CASES)
def test_products_are_unscaled_and_only_where_there_are_some(case: str) -> None:
    name, keys, parameters = CASES[case]
    record = attention(Q, keys, V, written(name, parameters), scale=5)
    if "cosine" in case or {"v", "sigma"} & {*parameters, *parameters.get("inside", ())}:
        assert "products" not in record.steps
        return
    W = parameters.get("W")
    expected = [[dot(q, times(W, k) if W else k) for k in keys] for q in Q]
    np.testing.assert_allclose(record["products"], expected, rtol=1e-13)


def test_gate_is_a_step_of_gated_alone() -> None:
    W_g = [[0.0] * D + [1.0] + [0.0] * (D - 1)]
    record = attention(Q, K, V, {"function": "gated", "W_g": W_g})
    expected = [[1 / (1 + np.exp(-k[0])) for k in K]] * N_Q
    np.testing.assert_allclose(record["gate"], expected, rtol=1e-13)
    assert "gate" not in attention(Q, K, V, "dot").steps


def test_gate_does_not_overflow() -> None:
    record = attention(
        [[1.0]], [[1.0], [2.0]], [[1.0], [2.0]], {"function": "gated", "W_g": [[-2000, 800]]}
    )
    np.testing.assert_array_equal(record["gate"], [[0.0, 0.0 + np.exp(-400.0)]])
    record = attention([[1.0]], [[1.0]], [[1.0]], {"function": "gated", "W_g": [[2000, 0]]})
    np.testing.assert_array_equal(record["gate"], [[1.0]])


def test_scale_none_is_one() -> None:
    np.testing.assert_array_equal(
        attention(Q, K, V, "scaled", scale="none")["scores"], attention(Q, K, V, "dot")["scores"]
    )


def test_given_scores_need_no_q_and_k() -> None:
    from attn_cli import compute

    table = normal(N_Q, N_K)
    record = compute({"value": V, "score": {"function": "given", "scores": table}, "scale": 2})
    np.testing.assert_allclose(record["scores"], 2 * np.array(table), rtol=1e-15)
    expected = [softmax([2 * s for s in row]) for row in table]
    np.testing.assert_allclose(record["weights"], expected, rtol=1e-13)
    assert set(record.steps) == {
        "v", "scores", "weights", "lse", "row_sums", "context", "output"
    }  # fmt: skip


def test_given_scores_of_one_query() -> None:
    from attn_cli import compute

    table = normal(N_Q, N_K)
    problem = {"value": V, "score": {"function": "given", "scores": table}}
    np.testing.assert_array_equal(compute(problem, query_token=3)["scores"], [table[3]])


def test_gaussian_keeps_its_digits_far_from_zero() -> None:
    record = attention(
        [[1e8]], [[1e8 + 1.0], [1e8 + 2.0]], [[1.0], [2.0]], {"function": "gaussian", "sigma": 1}
    )
    np.testing.assert_array_equal(record["scores"], [[-0.5, -2.0]])


def test_additive_is_the_concat_score() -> None:
    """Luong's concat, v . tanh(W_a [q; k]), is additive with W_a = [W1 W2]."""
    W1, W2, v = normal(H, D), normal(H, D), normal(H)
    W_a = np.hstack([W1, W2])
    expected = [[float(np.dot(v, np.tanh(W_a @ np.concatenate([q, k])))) for k in K] for q in Q]
    record = attention(Q, K, V, {"function": "additive", "W1": W1, "W2": W2, "v": v})
    np.testing.assert_allclose(record["scores"], expected, rtol=1e-12)


def test_top_k_keeps_ties_and_looks_only_at_what_is_visible() -> None:
    record = attention(
        [[1.0]],
        [[3.0], [9.0], [3.0], [1.0], [3.0]],
        [[1.0]] * 5,
        {"function": "sparse", "top_k": 1},
        mask=[[0, -np.inf, 0, 0, 0]],
    )
    np.testing.assert_array_equal(record["scores"], [[3, -np.inf, 3, -np.inf, 3]])
    np.testing.assert_allclose(record["weights"], [[1 / 3, 0, 1 / 3, 0, 1 / 3]], rtol=1e-15)


@for_each("name", ["dot", "scaled", "gated", "gaussian", "cosine"])
def test_depths_must_agree_where_q_k_is_formed(name: str) -> None:
    every: dict[str, dict[str, Any]] = {
        "gated": {"W_g": normal(1, D + 13)},
        "gaussian": {"sigma": 1},
    }
    parameters = every.get(name, {})
    with pytest.raises(AttnError, match="needs d_q = d_k"):
        attention(Q, K_OTHER, V, {"function": name, **parameters})


INF = np.inf


@pytest.mark.regression("given scores inside sparse were those of the first query")
@for_each("row", [0, 3])
def test_given_scores_inside_sparse_follow_the_query(row: int) -> None:
    table = np.arange(25.0).reshape(5, 5)
    score = {"function": "sparse", "window": 1, "inside": {"function": "given", "scores": table}}
    problem = {"value": np.eye(5), "score": score}
    visible = np.abs(np.arange(5) - row) <= 1
    expected = np.where(visible, table[row], -INF)
    np.testing.assert_array_equal(compute(problem, query_token=row)["scores"], [expected])


@pytest.mark.regression("equal distances differed in the last digit; sigma squared overflowed")
@for_each("sigma", [0.7, 1.7, 0.499, 1e200, 1e-200])
def test_equal_distances_stay_equal(sigma: float) -> None:
    score = {"function": "gaussian", "sigma": sigma}
    key = np.array([[5.0, 0], [3, 4], [0, 5]]) * sigma
    if sigma in {0.7, 1.7, 0.499}:
        key = np.array([[5.0, 0], [3, 4], [0, 5]])
        assert len(set(attention([[0.0, 0]], key, key, score)["scores"][0])) == 1
    else:
        np.testing.assert_allclose(attention([[0.0, 0]], key, key, score)["scores"], -12.5)


@pytest.mark.regression("top_k dropped a visible NaN")
def test_a_visible_nan_is_among_the_largest() -> None:
    score = {"function": "sparse", "top_k": 1}
    record = attention([[1.0]], [[np.nan], [5.0], [2.0]], [[1.0]] * 3, score, nonfinite="allow")
    assert np.isnan(record["scores"][0, 0])
    np.testing.assert_array_equal(record["scores"][0, 1:], [-INF, -INF])


@pytest.mark.regression("b_g was read as a list only")
def test_a_bias_of_the_gate_may_be_a_number_or_a_file(tmp_path: Path) -> None:
    np.save(tmp_path / "b.npy", np.array([2.0]))
    gates = [
        compute({"embeddings": np.eye(2), "score": {"function": "gated", "W_g": [[0, 0, 0, 0]], "b_g": b}})["gate"]  # noqa: E501
        for b in (2.0, np.float32(2), [2], str(tmp_path / "b.npy"))
    ]  # fmt: skip
    for gate in gates:
        np.testing.assert_allclose(gate, 1 / (1 + np.exp(-2.0)), rtol=1e-15)
