"""Several heads: against a loop over heads, in every way that they can be written."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from attn_cli import AttnError, attention, compute
from attn_cli.engine.run import run
from attn_cli.maths.problem import Edge, Request
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.document import from_mapping
from tests.conformance.oracle.plain import project
from tests.conformance.oracle.single import single
from tests.conftest import Attn
from tests.helpers.many import for_each

N, D_MODEL, HEADS, D_K, D_V, D_OUT = 5, 7, 3, 2, 11, 13


def problem(rng: np.random.Generator, *, heads: int = HEADS) -> dict[str, Any]:
    """Packed weights and biases: head after head."""
    return {
        "embeddings": rng.normal(size=(N, D_MODEL)),
        "heads": heads,
        "weights": {
            "query": rng.normal(size=(D_MODEL, heads * D_K)),
            "key": rng.normal(size=(D_MODEL, heads * D_K)),
            "value": rng.normal(size=(D_MODEL, heads * D_V)),
            "output": rng.normal(size=(heads * D_V, D_OUT)),
        },
        "biases": {
            "query": rng.normal(size=heads * D_K),
            "key": rng.normal(size=heads * D_K),
            "value": rng.normal(size=heads * D_V),
            "output": rng.normal(size=D_OUT),
        },
    }


def by_loop(p: dict[str, Any], **more: Any) -> dict[str, np.ndarray]:
    """Each head by itself in plain Python, then the contexts side by side, then the projection."""
    X, W, b = p["embeddings"].tolist(), p["weights"], p["biases"]
    heads, rows = [], []
    for head in range(p["heads"]):
        made = {}
        for name, d in (("query", D_K), ("key", D_K), ("value", D_V)):
            part = slice(head * d, (head + 1) * d)
            made[name] = project(X, W[name][:, part].tolist(), b[name][part].tolist())
        heads.append(single(made["query"], made["key"], made["value"], "scaled", **more))
    for at in range(len(X)):
        rows.append([number for head in heads for number in head["context"][at]])
    return {
        "weights": np.array([head["weights"] for head in heads]),
        "context": np.array([head["context"] for head in heads]),
        "concat": np.array(rows),
        "output": np.array(project(rows, W["output"].tolist(), b["output"].tolist())),
    }


def close(here: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(here, expected, rtol=1e-12, atol=1e-12)


def test_packed_heads_are_a_loop_over_heads() -> None:
    p = problem(np.random.default_rng(1))
    record = compute(p)
    for name, expected in by_loop(p).items():
        close(record[name], expected)
    assert record.steps["weights"].axes == ("head", "query", "key")
    assert record.steps["concat"].axes == record.steps["output"].axes == ("query", "dimension")
    assert record.steps["output"].formula == "output = concat W_o + b_o"
    assert record.settings["heads"] == HEADS


def test_causal_heads_and_a_mask_of_their_own() -> None:
    p = problem(np.random.default_rng(2))
    hidden = np.random.default_rng(3).random((HEADS, N, N)) < 0.4
    expected = [
        by_loop(p, sees=lambda i, j, h=head: j <= i and not hidden[h, i, j])["weights"][head]
        for head in range(HEADS)
    ]
    record = compute({**p, "causal": True, "mask": {"values": hidden, "true_means": "ignore"}})
    close(record["weights"], np.array(expected))


def test_a_matrix_a_head_is_the_same_as_packed() -> None:
    p = problem(np.random.default_rng(4))
    whole = compute(p)

    def each(matrix: np.ndarray) -> list[np.ndarray]:
        return np.split(matrix, HEADS, axis=-1)

    listed = {
        **p,
        "weights": {n: W if n == "output" else each(W) for n, W in p["weights"].items()},
        "biases": {n: b if n == "output" else each(b) for n, b in p["biases"].items()},
    }
    del listed["heads"]
    record = compute(listed)
    assert list(record.steps) == list(whole.steps)
    for name in whole.steps:
        np.testing.assert_array_equal(record[name], whole[name])


def test_columns_are_the_transposes() -> None:
    p = problem(np.random.default_rng(5))
    turned = {
        **p,
        "layout": "columns",
        "embeddings": p["embeddings"].T,
        "weights": {name: W.T for name, W in p["weights"].items()},
    }
    rows, columns = compute(p), compute(turned)
    for name, step in rows.steps.items():
        one_number = step.axes[-1] == "query"  # lse and row_sums
        close(columns[name], rows[name] if one_number else rows[name].swapaxes(-1, -2))
    one_a_head = {
        **turned,
        "weights": {
            **turned["weights"],
            "query": np.split(turned["weights"]["query"], HEADS, axis=0),
        },
    }
    np.testing.assert_array_equal(compute(one_a_head)["weights"], columns["weights"])


@for_each("batch", [None, 2])
def test_given_q_k_v_are_split(batch: int | None) -> None:
    rng = np.random.default_rng(6)
    lead = () if batch is None else (batch,)
    Q, K = rng.normal(size=(*lead, 5, 6)), rng.normal(size=(*lead, 7, 6))
    V = rng.normal(size=(*lead, 7, 33))
    record = attention(Q, K, V, heads=3)
    parts = [
        attention(
            Q[..., 2 * h : 2 * h + 2], K[..., 2 * h : 2 * h + 2], V[..., 11 * h : 11 * h + 11]
        )
        for h in range(3)
    ]
    close(record["weights"], np.stack([p["weights"] for p in parts], axis=-3))
    close(record["output"], np.concatenate([p["output"] for p in parts], axis=-1))
    assert record["output"].shape == (*lead, 5, 33)
    axes = ("head", "query", "key") if batch is None else ("batch", "head", "query", "key")
    assert record.steps["weights"].axes == axes


def test_four_axes_keep_their_heads_apart() -> None:
    rng = np.random.default_rng(7)
    Q, K, V = (rng.normal(size=(2, 3, n, 5)) for n in (7, 11, 11))
    assert attention(Q, K, V)["output"].shape == (2, 3, 7, 5)
    np.testing.assert_array_equal(
        attention(Q, K, V, heads=3)["output"], attention(Q, K, V)["output"]
    )


def test_without_weights_each_head_has_its_part_of_the_embeddings() -> None:
    X = np.random.default_rng(8).normal(size=(5, 6))
    record = compute({"embeddings": X, "heads": 2, "residual": True})
    close(record["q"], np.stack([X[:, :3], X[:, 3:]]))
    close(record["residual"], X + record["output"])


def test_one_head_and_what_follows_all() -> None:
    p = problem(np.random.default_rng(9))
    whole = compute(p)
    one = compute(p, head=2)
    np.testing.assert_array_equal(one["weights"], whole["weights"][2])
    np.testing.assert_array_equal(one["output"], whole["output"])
    only = compute(p, head=1, steps=["weights"])
    np.testing.assert_array_equal(only["weights"], whole["weights"][1])
    query = compute(p, query_token=3)
    close(query["weights"], whole["weights"][:, 3:4])
    close(query["output"], whole["output"][3:4])


def test_a_shortened_record_of_many_heads() -> None:
    rng = np.random.default_rng(10)
    loaded = read_problem(
        from_mapping(
            {n: rng.normal(size=(8, 17 * 2)) for n in ("query", "key", "value")} | {"heads": 17}
        )
    )
    whole, short = run(loaded), run(loaded, Request(edge=Edge(threshold=100, items=2)))
    kept = [0, 1, 15, 16]
    np.testing.assert_array_equal(
        short["weights"], whole["weights"][np.ix_(kept, [0, 1, 6, 7], [0, 1, 6, 7])]
    )
    np.testing.assert_array_equal(
        short["output"], whole["output"][np.ix_([0, 1, 6, 7], [0, 1, 32, 33])]
    )


def test_tables_go_head_by_head(attn: Attn) -> None:
    out = attn("compute", "samples/two_heads.yaml", "--show", "scores,weights,concat,output").out
    marks = [
        line.split("   ")[0] for line in out.splitlines() if line[:1] in "─swco" and " " in line
    ]
    assert [mark for mark in marks if "=" in mark or "head" in mark] == [
        "─── head 0 ───",
        "scores = Q K^T / sqrt(2)",
        "weights = softmax(scores)",
        "─── head 1 ───",
        "scores = Q K^T / sqrt(2)",
        "weights = softmax(scores)",
        "concat = the contexts of all heads, side by side",
        "output = concat W_o",
    ]


def test_an_npz_of_heads_is_read_again(attn: Attn, tmp_path: Any) -> None:
    path = tmp_path / "h.npz"
    assert attn("compute", "samples/two_heads.yaml", "-o", path).status == 0
    whole = compute("samples/two_heads.yaml")
    ran = attn("compute", path, "--only", "weights", "--format", "json")
    again = json.loads(ran.out)["steps"]["weights"]["values"]
    np.testing.assert_allclose(again, whole["weights"], rtol=1e-12)


@for_each(
    "change, message",
    [
        ({"heads": 0}, "heads must be at least 1, not 0"),
        ({"heads": 4}, "weights.query has 6 features, which 4 heads cannot share evenly"),
        (
            {"heads": 2, "weights": {"query": np.ones((3, 7, 2))}},
            "weights.query has 3 matrices, one per head, but heads is 2",
        ),
    ],
)
def test_heads_that_do_not_fit(change: dict[str, Any], message: str) -> None:
    p = problem(np.random.default_rng(11))
    p["weights"] = {**p["weights"], **change.pop("weights", {})}
    with pytest.raises(AttnError) as raised:
        compute({**p, **change})
    assert raised.value.message == message


@for_each("head", range(HEADS))
@for_each("steps", [None, ["q", "k", "v", "weights", "context", "output"]])
def test_any_one_head_beside_what_follows_all(head: int, steps: list[str] | None) -> None:
    p = problem(np.random.default_rng(12))
    whole, one = compute(p, steps=steps), compute(p, head=head, steps=steps)
    for name, step in whole.steps.items():
        expected = step.values[head] if "head" in step.axes else step.values
        np.testing.assert_array_equal(one[name], expected)
    peaks = whole.steps["weights"].peaks
    assert peaks is not None
    np.testing.assert_array_equal(one.steps["weights"].peaks, peaks[head])


@for_each("name", ["output", "pooled", "probabilities"])
def test_only_what_follows_the_heads(name: str) -> None:
    p = problem(np.random.default_rng(13))
    rng = np.random.default_rng(14)
    p["next_word"] = {"vocabulary": ["x", "y"], "weights": rng.normal(size=(D_OUT, 2))}
    whole, alone = compute(p), compute(p, steps=[name])
    np.testing.assert_array_equal(alone[name], whole[name])
    assert whole.steps["logits"].axes == ("word",)
    assert whole.steps["logits"].shape == (2,)


def test_labels_and_formulas_of_heads() -> None:
    p = problem(np.random.default_rng(15))
    record = compute({**p, "positions": "sinusoidal", "residual": False})
    step = record.steps["weights"]
    assert list(step.labels[0]) == ["0", "1", "2"]
    assert record.steps["scores"].formula == f"scores = Q K^T / sqrt({D_K})"
    square = {
        "embeddings": np.ones((3, 4)),
        "heads": 2,
        "residual": True,
        "positions": "sinusoidal",
    }
    assert compute(square).steps["residual"].formula == "residual = X' + output"


def test_residual_of_one_query_is_its_own_row() -> None:
    X = np.random.default_rng(16).normal(size=(5, 6))
    p = {"embeddings": X, "heads": 2, "residual": True}
    whole, one = compute(p), compute(p, query_token=3)
    np.testing.assert_allclose(one["residual"], whole["residual"][3:4], rtol=1e-13)
    loaded = read_problem(from_mapping(p))
    blocks = run(loaded, Request(block_bytes=1))
    np.testing.assert_allclose(blocks["residual"], whole["residual"], rtol=1e-13)


def test_empty_rows_are_named_in_order_of_heads() -> None:
    x = np.ones((2, 4))
    hidden = np.array([[[True, True], [True, True]]] * 2)
    record = compute(
        {"embeddings": x, "heads": 2, "mask": {"values": hidden, "true_means": "ignore"}}
    )
    assert record.warnings == (
        "head 0, query 0; head 0, query 1; head 1, query 0 and 1 more have no key to attend to: "
        "the weights there are 0",
    )


@pytest.mark.parametrize("grouping", ["interleave", "tile"])
def test_a_key_head_is_turned_once_for_all_that_read_it(
    grouping: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from attn_cli.maths.rope import Rope

    turned: list[int] = []
    plain = Rope.__call__

    def counted(self: Rope, x: Any, positions: Any) -> Any:
        turned.append(len(x))
        return plain(self, x, positions)

    monkeypatch.setattr(Rope, "__call__", counted)
    q, k = np.ones((2, 6, 3, 4)), np.ones((2, 2, 5, 4))
    attention(q, k, k, rope=True, offset=2, grouping=grouping, steps=["output"])
    assert sorted(turned) == [3] * 12 + [5] * 4  # 2 x 6 query heads, 2 x 2 key heads


@for_each("axes", ["bhsd", "bshd"])
@for_each("kv_heads", [2, 4])
def test_heads_of_four_axes_are_joined_for_a_projection_of_all(axes: str, kv_heads: int) -> None:
    rng = np.random.default_rng(3)
    batch, heads, n_q, n_k, d, d_v, d_out = 2, 4, 3, 7, 5, 11, 13
    q = rng.normal(size=(batch, heads, n_q, d))
    k, v = (rng.normal(size=(batch, kv_heads, n_k, width)) for width in (d, d_v))
    W, b = rng.normal(size=(heads * d_v, d_out)), rng.normal(size=d_out)
    scores = q @ np.repeat(k, heads // kv_heads, 1).swapaxes(-1, -2) / np.sqrt(d)
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    context = weights @ np.repeat(v, heads // kv_heads, 1)
    joined = context.swapaxes(1, 2).reshape(batch, n_q, heads * d_v)

    def laid(array: Any) -> Any:
        return array if axes == "bhsd" else array.swapaxes(1, 2)

    given_ = {"query": laid(q), "key": laid(k), "value": laid(v), "axes": axes}
    problem = {**given_, "weights": {"output": W}, "biases": {"output": b}}
    record = compute(problem)
    np.testing.assert_allclose(record["concat"], joined, rtol=1e-12)
    np.testing.assert_allclose(record["output"], joined @ W + b, rtol=1e-11)
    by_tiles = compute(problem, steps=["output"], tile=(2, 3), threads=2)
    np.testing.assert_allclose(by_tiles["output"], joined @ W + b, rtol=1e-11)
    apart = compute({**given_, "weights": {"output": W[:d_v]}})
    np.testing.assert_allclose(apart["output"], laid(context @ W[:d_v]), rtol=1e-11)
