"""Places at which a slip of one character once went unseen by all other tests."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attn_cli import AttnError, attention, compute
from attn_cli.engine.definition import Definition
from attn_cli.engine.run import run
from attn_cli.maths.normalizers import NORMALIZERS
from attn_cli.maths.problem import Edge, Request
from attn_cli.maths.select import Selection
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.document import from_mapping
from tests import oracle
from tests.conftest import SAMPLES, Attn
from tests.helpers.tiled import Events, in_blocks, loaded

RNG = np.random.default_rng(99)
INF = np.inf


def test_every_step_describes_its_own_array() -> None:
    q, k, v = (
        RNG.normal(size=(2, 3, 5, 7)),
        RNG.normal(size=(2, 3, 11, 7)),
        RNG.normal(size=(2, 3, 11, 13)),
    )
    turned = {n: x.swapaxes(-1, -2) for n, x in (("query", q), ("key", k), ("value", v))}
    records = [attention(q, k, v), compute({**turned, "layout": "columns"})]
    records.append(compute({"query": [[1.0, 2.0]], "embeddings": [[1.0, 2], [3, 4], [5, 6]]}))
    records.append(
        run(read_problem(from_mapping(turned | {"layout": "columns"})), Request(edge=Edge(3, 2)))
    )
    for record in records:
        for step in record.steps.values():
            assert len(step.axes) == len(step.shape) == len(step.labels) == step.values.ndim
            assert tuple(map(len, step.labels)) == step.shape
            assert step.values.shape == tuple(len(step.indices(a)) for a in range(step.values.ndim))
    assert records[1].steps["output"].shape == (2, 3, 13, 5)
    assert records[1].steps["output"].axes == ("batch", "head", "dimension", "query")


def test_blocks_keep_memory_small() -> None:
    n = 6_000
    x = RNG.normal(size=(n, 1))
    tracemalloc.start()
    attention(x, x, x, steps=["output"], memory_limit=1 << 24)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50e6  # all the scores would be 288 MB


SELECTIONS: list[dict[str, Any]] = [
    {"window": 1}, {"block": 4}, {"stride": 4}, {"global_tokens": 2}, {"top_k": 2},
    {"pairs": [[8, 0], [3, 7], [3, 1]]},
]  # fmt: skip
SELECTIONS += [{"window": 0, **s} for s in SELECTIONS[1:]]


@pytest.mark.parametrize("selection", SELECTIONS)
def test_keys_beyond_reach_are_beyond_selection(
    selection: dict[str, Any],
) -> None:
    """Blocks of one row, output alone: only there keys are skipped."""
    q, k, v = (RNG.normal(size=(9, d)).tolist() for d in (3, 3, 2))
    expected = oracle.attention(q, k, v, "sparse", selection)["context"]
    problem = {"query": q, "key": k, "value": v, "score": {"function": "sparse", **selection}}
    record = in_blocks(problem, 1, steps=["output"])
    np.testing.assert_allclose(record["output"], expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("n_q", "n_k", "offset"), [(5, 9, 4), (9, 5, -4)])
def test_keys_beyond_the_diagonal_are_skipped_and_no_others(
    n_q: int, n_k: int, offset: int
) -> None:
    q, k, v = (RNG.normal(size=s).tolist() for s in ((n_q, 3), (n_k, 3), (n_k, 2)))
    expected = oracle.attention(q, k, v, "dot", sees=lambda i, j: j <= i + offset)["context"]
    problem = {"query": q, "key": k, "value": v, "score": "dot", "causal": "bottom-right"}
    events = Events()
    request = Request(steps=("output",), block_bytes=1)
    record = run(loaded(problem), request, engine=Definition(trace=events))
    np.testing.assert_allclose(record["output"], expected, rtol=1e-12, atol=1e-14)
    assert [s.stop for s in events.of("keys")] == [max(0, i + offset + 1) for i in range(n_q)]


def test_pairs_reach_no_further_than_their_keys() -> None:
    selection = Selection(pairs=np.array([[1, 5], [1, 3], [2, 8], [7, 0]]))
    assert selection.reach(np.array([1]), 9) == ((3, 6),)
    assert selection.reach(np.array([1, 2]), 9) == ((3, 9),)
    assert selection.reach(np.array([4]), 9) == ()


@pytest.mark.parametrize("row", [0, 3])
def test_given_scores_inside_sparse_follow_the_query(row: int) -> None:
    table = np.arange(25.0).reshape(5, 5)
    score = {"function": "sparse", "window": 1, "inside": {"function": "given", "scores": table}}
    problem = {"value": np.eye(5), "score": score}
    visible = np.abs(np.arange(5) - row) <= 1
    expected = np.where(visible, table[row], -INF)
    np.testing.assert_array_equal(compute(problem, query_token=row)["scores"], [expected])


class TestOverflow:
    """What overflows is said, whether or not the step is shown, and where it stands."""

    def test_behind_argmax(self) -> None:
        record = attention(
            [[300.0]], [[300.0], [400.0]], [[1.0], [2.0]], "dot", dtype="float16",
            normalize="argmax", steps=["weights"],
        )  # fmt: skip
        assert record.warnings == (
            "scores is not finite at [0, 0] (2 values): float16 overflows there",
        )

    def test_to_minus_infinity(self) -> None:
        record = attention(
            [[300.0]], [[-300.0], [1.0]], [[1.0], [2.0]], "dot", dtype="float16", steps=["output"]
        )
        assert record.warnings == (
            "scores is not finite at [0, 0] (1 value): float16 overflows there",
        )

    def test_not_where_it_is_hidden(self) -> None:
        record = attention(
            [[300.0]], [[300.0], [1.0]], [[1.0], [2.0]], "dot", dtype="float16",
            mask=[[-INF, 0]], steps=["scores", "output"],
        )  # fmt: skip
        assert record.warnings == ()

    def test_its_place_is_that_of_the_whole_step(self) -> None:
        q = np.ones((40, 1))
        q[38] = 300.0
        k = np.ones((40, 1))
        k[7] = 300.0
        problem: dict[str, Any] = {"query": q, "key": k, "value": k, "score": "dot"}
        problem["dtype"] = "float16"
        loaded = read_problem(from_mapping(problem))
        place = "scores is not finite at [38, 7] (1 value): float16 overflows there"
        assert place in run(loaded, Request(edge=Edge())).warnings
        assert place in run(loaded, Request(rows=(38,))).warnings
        turned = {**problem, "query": q.T, "key": k.T, "value": k.T, "layout": "columns"}
        assert place.replace("[38, 7]", "[7, 38]") in compute(turned).warnings
        stacked = {n: np.stack([np.ones((40, 1)), problem[n]]) for n in ("query", "key", "value")}
        assert place.replace("[38", "[1, 38") in compute({**problem, **stacked}, batch=1).warnings

    def test_nothing_is_said_where_it_is_allowed(self) -> None:
        record = attention([[np.nan]], [[1.0]], [[1.0]], nonfinite="allow")
        assert np.isnan(record["output"]).all()
        assert record.warnings == ()


@pytest.mark.parametrize(
    ("keys", "dtype", "message"),
    [
        ({"scale": 1e-50}, "float16", "scale = 1e-50 is too small for float32"),
        ({"scale": 1e300}, "float32", "scale = 1e+300 is too large for float32"),
        ({"score": {"function": "gaussian", "sigma": 1e-9}}, "float16", "score.sigma = 1e-09 is too small for float16"),  # noqa: E501
    ],
)  # fmt: skip
def test_numbers_that_the_type_cannot_hold(keys: dict[str, Any], dtype: str, message: str) -> None:
    with pytest.raises(AttnError) as caught:
        compute({"embeddings": [[1.0]], "dtype": dtype, **keys})
    assert caught.value.message == message


@pytest.mark.parametrize("sigma", [0.7, 1.7, 0.499, 1e200, 1e-200])
def test_equal_distances_stay_equal(sigma: float) -> None:
    score = {"function": "gaussian", "sigma": sigma}
    key = np.array([[5.0, 0], [3, 4], [0, 5]]) * sigma
    if sigma in {0.7, 1.7, 0.499}:
        key = np.array([[5.0, 0], [3, 4], [0, 5]])
        assert len(set(attention([[0.0, 0]], key, key, score)["scores"][0])) == 1
    else:
        np.testing.assert_allclose(attention([[0.0, 0]], key, key, score)["scores"], -12.5)


def test_a_visible_nan_is_among_the_largest() -> None:
    score = {"function": "sparse", "top_k": 1}
    record = attention([[1.0]], [[np.nan], [5.0], [2.0]], [[1.0]] * 3, score, nonfinite="allow")
    assert np.isnan(record["scores"][0, 0])
    np.testing.assert_array_equal(record["scores"][0, 1:], [-INF, -INF])


def test_argmax_takes_a_visible_key_where_all_scores_are_minus_infinity() -> None:
    argmax = NORMALIZERS.get("argmax").normalize
    weights = argmax(np.array([[-INF, -INF, -INF]]), np.array([[False, True, True]]), {})
    np.testing.assert_array_equal(weights, [[0, 1, 0]])


def test_softmax_of_an_empty_row_needs_no_invalid_arithmetic() -> None:
    softmax = NORMALIZERS.get("softmax").normalize
    with np.errstate(all="raise"):
        weights = softmax(
            np.array([[-INF, -INF], [1.0, -INF]]), np.array([[False, False], [True, False]]), {}
        )
    np.testing.assert_array_equal(weights, [[0, 0], [1, 0]])


class TestMemory:
    """What is held counts, all of it, and nothing else."""

    X = np.ones((100, 1))

    def test_steps_that_fit_one_by_one_do_not_fit_together(self) -> None:
        limit = 100 * 100 * 8 + 1000
        for steps in (["scores"], ["weights"]):
            attention(self.X, self.X, self.X, steps=steps, memory_limit=limit)
        with pytest.raises(AttnError, match=r"would take 156\.2 KiB"):
            attention(self.X, self.X, self.X, steps=["scores", "weights"], memory_limit=limit)

    def test_a_shortened_step_takes_what_is_shown(self) -> None:
        problem = read_problem(from_mapping({"embeddings": self.X}))
        record = run(problem, Request(steps=("scores",), edge=Edge(), memory=6 * 6 * 8))
        assert record["scores"].shape == (6, 6)


def test_an_axis_of_just_both_ends_is_whole() -> None:
    problem = read_problem(
        from_mapping({"query": np.ones((6, 1)), "key": np.ones((7, 1)), "value": np.ones((7, 1))})
    )
    step = run(problem, Request(edge=Edge(threshold=10, items=3))).steps["scores"]
    assert step.kept == (None, (0, 1, 2, 4, 5, 6))


@pytest.mark.parametrize("index", [-1, 2, "0", 0.5])
def test_batch_is_an_index(index: Any) -> None:
    x = np.ones((2, 3, 5))
    with pytest.raises(AttnError) as caught:
        attention(x, x, x, batch=index)
    assert caught.value.message.startswith(f"batch {index} is out of range: there are 2")


def test_memory_without_tokens_has_numbers() -> None:
    problem = {"tokens": "a b", "embeddings": np.eye(2), "memory": {"embeddings": np.eye(2)}}
    assert list(compute(problem).key_tokens) == ["0", "1"]


FORMULAS: list[tuple[dict[str, Any], str, str]] = [
    ({"mask": [[0.5, 1]]}, "masked", "masked = scores + mask"),
    ({"mask": [[0.5, -INF]]}, "masked", "masked = scores + mask where mask > -inf, else -inf"),
    ({"mask": [[0.0, -INF]], "causal": True}, "masked", "masked = scores where j <= i and mask > -inf, else -inf"),  # noqa: E501
    ({"scale": 2, "score": {"function": "additive", "W1": np.eye(2), "W2": np.eye(2), "v": [1, 1]}}, "scores", "scores = 2 * (v . tanh(W1 q + W2 k))"),  # noqa: E501
    ({"scale": 0.5}, "scores", "scores = 0.5 * Q K^T"),
    ({"scale": "none"}, "scores", "scores = Q K^T"),
    ({"scale": 3, "score": {"function": "gaussian", "sigma": 2}}, "scores", "scores = 3 * (-|q - k|^2 / (2 * 2^2))"),  # noqa: E501
    ({"score": {"function": "sparse", "inside": "scaled", "window": 1}}, "scores", "scores = Q K^T / sqrt(2), where selected"),  # noqa: E501
    ({"normalize": "argmax", "causal": True}, "weights", "weights = one-hot argmax(masked)"),
    ({"normalize": "none"}, "weights", "weights = scores, as they are"),
    ({"biases": {"key": [1, 2]}}, "k", "K = X + b_k"),
]  # fmt: skip


@pytest.mark.parametrize(("keys", "step", "formula"), FORMULAS)
def test_formulas_as_resolved(keys: dict[str, Any], step: str, formula: str) -> None:
    assert compute({"embeddings": np.eye(2), **keys}).steps[step].formula == formula


def test_whole_numbers_that_int64_cannot_hold(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(f"embeddings: [[{10**300}, {2**53 + 2}]]\n")
    np.testing.assert_array_equal(compute(path, steps=["v"])["v"], [[1e300, 2.0**53 + 2]])


def test_marks_stand_at_the_largest_of_each_query_in_columns_too(attn: Attn) -> None:
    problem = {
        "layout": "columns",
        "value": [[1, 2, 3]],
        "score": {"function": "given", "scores": [[1, 5, 2], [7, 0, 3]]},
    }
    rows = attn("compute", "-", "--only", "weights", stdin=json.dumps(problem)).out.splitlines()[3:]
    assert [["*" in cell for cell in row.split()[1:]] for row in rows] == [
        [False, True], [True, False], [False, False],
    ]  # fmt: skip


@pytest.mark.parametrize(("dtype", "text"), [("float32", "0.33333334"), ("float16", "0.3333")])
def test_separated_numbers_are_as_short_as_their_type_allows(
    dtype: str, text: str, attn: Attn
) -> None:
    problem = f"embeddings: [[{1 / 3!r}]]\ndtype: {dtype}\n"
    assert attn("compute", "-", "--only", "v", "-f", "csv", stdin=problem).out == f"{text}\n"


def test_archives_hold_the_type_of_the_arithmetic(attn: Attn, tmp_path: Path) -> None:
    out = tmp_path / "out.npz"
    attn("compute", SAMPLES / "love_coding.yaml", "--dtype", "float32", "-o", out)
    with np.load(out) as archive:
        assert {archive[name].dtype for name in archive.files} == {np.dtype("float32")}


def test_an_archive_of_columns_is_read_again_as_columns(attn: Attn, tmp_path: Path) -> None:
    out = tmp_path / "columns.npz"
    attn("compute", SAMPLES / "columns.yaml", "-o", out)
    again = attn("compute", out, "--score", "dot", "--only", "output", "-f", "csv")
    assert (
        again.out == attn("compute", SAMPLES / "columns.yaml", "--only", "output", "-f", "csv").out
    )


def test_a_bias_of_the_gate_may_be_a_number_or_a_file(tmp_path: Path) -> None:
    np.save(tmp_path / "b.npy", np.array([2.0]))
    gates = [
        compute({"embeddings": np.eye(2), "score": {"function": "gated", "W_g": [[0, 0, 0, 0]], "b_g": b}})["gate"]  # noqa: E501
        for b in (2.0, np.float32(2), [2], str(tmp_path / "b.npy"))
    ]  # fmt: skip
    for gate in gates:
        np.testing.assert_allclose(gate, 1 / (1 + np.exp(-2.0)), rtol=1e-15)


def test_python_may_leave_out_with_none_and_use_any_mapping() -> None:
    from types import MappingProxyType

    x = np.eye(2)
    plain = attention(x, x, x, {"function": "gaussian", "sigma": 2})
    same = attention(
        x, x, x, MappingProxyType({"function": "gaussian", "sigma": 2}), mask=None, scale=None
    )
    np.testing.assert_array_equal(same["output"], plain["output"])
    np.testing.assert_array_equal(
        attention(x, x, x, causal=np.bool_(True))["weights"],
        attention(x, x, x, causal=True)["weights"],
    )
