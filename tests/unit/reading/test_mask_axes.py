"""The axes of masks, biases and dropout masks beside batch and heads: by name, by preset, or asked.

Every axis has another prime, but where two readings must be possible. What is hidden is a function
of batch entry, head, query and key, and each array holds that function along its own axes.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import attn_cli
from tests.conftest import Attn

B, H, N_Q, N_K = 2, 3, 5, 7
SIZES = {"batch": B, "head": H, "query": N_Q, "key": N_K}
RNG = np.random.default_rng(3)


def problem(batch: int = B, heads: int = H, n_q: int = N_Q, **keys: Any) -> dict[str, Any]:
    """All scores are 0."""
    zeros = np.zeros((batch, heads, 1, 2))
    q, k = np.repeat(zeros, n_q, axis=2), np.repeat(zeros, N_K, axis=2)
    return {"query": q, "key": k, "value": k, **keys}


def drawn(*shape: int) -> Any:
    """Booleans of which no row hides all, so that the weights show the visible keys."""
    seen = RNG.random(shape) < 0.5
    seen[..., 0] = True
    return seen


def seen(problem: dict[str, Any]) -> Any:
    return attn_cli.compute(problem, steps=["weights"])["weights"] > 0


def attend(values: Any, **keys: Any) -> dict[str, Any]:
    return {"values": values, "true_means": "attend", **keys}


@pytest.mark.parametrize(
    "axes",
    [
        ["batch", "query", "key"],
        ["head", "query", "key"],
        ["batch", "key"],
        ["head", "key"],
        ["query", "key"],
        ["key"],
        ["query", "batch", "key"],
        ["head", "batch", "query", "key"],
        ["batch", "head", "query", "key"],
    ],
)
def test_by_name(axes: list[str]) -> None:
    values = drawn(*(SIZES[name] for name in axes))
    found = seen(problem(mask=attend(values, axes=axes)))
    for b, h, i, j in np.ndindex(B, H, N_Q, N_K):
        place = {"batch": b, "head": h, "query": i, "key": j}
        assert found[b, h, i, j] == values[tuple(place[name] for name in axes)]


def test_more_leading_axes_of_one_than_the_scores_have() -> None:
    alone = {side: array[0, 0] for side, array in problem().items()}
    values = drawn(N_Q, N_K)
    for shape in ((N_Q, N_K), (1, N_Q, N_K), (1, 1, N_Q, N_K)):
        found = seen({**alone, "mask": attend(values.reshape(shape))})
        np.testing.assert_array_equal(found, values)


def test_batch_and_heads_in_one_axis() -> None:
    values = drawn(B * H, N_Q, N_K)
    for keys in (
        {"mask": attend(values, axes=["batch*head", "query", "key"])},
        {"mask": {"values": ~values}, "like": "torch-mha"},
    ):
        found = seen(problem(**keys))
        for b, h in np.ndindex(B, H):
            np.testing.assert_array_equal(found[b, h], values[b * H + h])
    one = drawn(1, N_Q, N_K)
    found = seen(problem(mask=attend(one, axes=["batch*head", "query", "key"])))
    np.testing.assert_array_equal(found, np.broadcast_to(one, found.shape))


def test_numbers_and_biases_and_dropout() -> None:
    bias = RNG.normal(size=(B, N_Q, N_K))
    axes = ["batch", "query", "key"]
    cases: list[tuple[dict[str, Any], str]] = [
        ({"score_bias": {"values": bias, "axes": axes}}, "biased"),
        ({"mask": {"values": bias, "axes": axes}}, "masked"),
    ]
    for keys, step in cases:
        found = attn_cli.compute(problem(**keys))[step]
        np.testing.assert_array_equal(found, np.broadcast_to(bias[:, None], found.shape))
    keep = (RNG.random((B, N_Q, N_K)) < 0.5).astype(float)
    record = attn_cli.compute(problem(dropout={"mask": keep, "axes": axes}))
    np.testing.assert_allclose(
        record["dropped"], np.broadcast_to(keep[:, None], (B, H, N_Q, N_K)) / N_K
    )


def test_fewer_keys_than_there_are_are_filled_up() -> None:
    values = drawn(B, N_Q, N_K - 2)
    record = attn_cli.compute(problem(mask=attend(values, axes=["batch", "query", "key"])))
    found = record["weights"] > 0
    np.testing.assert_array_equal(found[:, 1, :, :-2], values)
    assert not found[..., -2:].any()
    assert any("has 5 of 7 keys" in warning for warning in record.warnings)


def test_in_layout_columns_names_say_which_axis_is_which() -> None:
    values = drawn(N_Q, N_K)
    rows = {"query": np.zeros((2, N_Q)), "key": np.zeros((2, N_K)), "value": np.zeros((2, N_K))}
    columns = {**rows, "layout": "columns"}
    for mask in (attend(values.T), attend(values, axes=["query", "key"])):
        record = attn_cli.compute({**columns, "mask": mask}, steps=["weights"])
        np.testing.assert_array_equal(record["weights"] > 0, values.T)


# Presets


@pytest.mark.parametrize(
    ("like", "first"),
    [
        ("keras", "batch"),
        ("annotated-transformer", "batch"),
        ("torch", "head"),
        ("onnx", "head"),
        ("onnx@1.21", "head"),
        ("jax", "head"),
        ("x-transformers", "head"),
    ],
)
def test_a_preset_reads_three_axes(like: str, first: str) -> None:
    other = {"batch": "head", "head": "batch"}[first]
    for batch, heads in ((B, H), (2, 2)):
        size = {"batch": batch, "head": heads}
        values = drawn(size[first], N_Q, N_K)
        given = problem(batch, heads, mask=values, like=like, axes="bhsd")
        expected = values[:, None] if first == "batch" else values[None]
        np.testing.assert_array_equal(
            seen(given), np.broadcast_to(expected, (batch, heads, N_Q, N_K))
        )
        bias = RNG.normal(size=(size[first], N_Q, N_K))
        given = problem(batch, heads, score_bias=bias, like=like, axes="bhsd", scale=1)
        biased = attn_cli.compute(given)["biased"]
        expected = bias[:, None] if first == "batch" else bias[None]
        np.testing.assert_array_equal(biased, np.broadcast_to(expected, biased.shape))
    wrong = problem(mask=drawn(SIZES[other], N_Q, N_K), like=like, axes="bhsd")
    with pytest.raises(attn_cli.AttnError, match=f"like {like} reads three axes as"):
        attn_cli.compute(wrong)


@pytest.mark.parametrize("like", ["x-transformers", "hf-eager", "gemma-2", "flash-attn"])
def test_a_preset_reads_two_axes_as_padding(like: str) -> None:
    values = drawn(B, N_K)
    for n_q in (N_Q, B):
        record = attn_cli.compute(problem(n_q=n_q, mask=values, like=like, axes="bhsd"))
        found = record["weights"] > 0
        np.testing.assert_array_equal(found, np.broadcast_to(values[:, None, None], found.shape))
        note = f"mask of two axes is read as (batch, key), as like {like} reads it"
        assert (note in record.warnings) == (n_q == B)
    square = drawn(N_Q, N_K)
    found = seen(problem(mask=square, like=like, axes="bhsd"))
    np.testing.assert_array_equal(found, np.broadcast_to(square, found.shape))
    bias = RNG.normal(size=(B, N_K))
    given = problem(n_q=B, score_bias=bias, like=like, axes="bhsd")
    biased = attn_cli.compute(given)["biased"]
    np.testing.assert_allclose(biased, np.broadcast_to(bias, biased.shape), rtol=1e-6)


@pytest.mark.parametrize("like", [None, "torch", "keras", "jax", "onnx", "torch-mha"])
def test_others_read_two_axes_as_query_and_key(like: str | None) -> None:
    values = drawn(B, N_K)
    keys: dict[str, Any] = {} if like is None else {"like": like, "axes": "bhsd"}
    means = "ignore" if like == "torch-mha" else "attend"
    mask = {"values": values if means == "attend" else ~values, "true_means": means}
    found = seen(problem(n_q=B, mask=mask, **keys))
    np.testing.assert_array_equal(found, np.broadcast_to(values, found.shape))


def test_names_win_over_a_preset_with_a_note() -> None:
    values = drawn(H, N_Q, N_K)
    axes = ["head", "query", "key"]
    record = attn_cli.compute(problem(mask=attend(values, axes=axes), like="keras", axes="bhsd"))
    assert (record["weights"][0] > 0).tolist() == values.tolist()
    assert any(
        warning == "mask.axes is [[head, query, key]], as written; like keras has "
        "[[query, key], [batch, query, key]]"
        for warning in record.warnings
    )
    same = attend(drawn(B, N_Q, N_K), axes=["batch", "query", "key"])
    record = attn_cli.compute(problem(mask=same, like="keras", axes="bhsd"))
    assert not any("mask.axes" in warning for warning in record.warnings)


# Nothing decides


def refused(**keys: Any) -> attn_cli.AttnError:
    with pytest.raises(attn_cli.AttnError) as caught:
        attn_cli.compute(problem(**keys))
    return caught.value


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        ({"mask": attend(drawn(2, N_Q, N_K))}, "mask.values"),
        ({"score_bias": np.zeros((2, N_Q, N_K))}, "score_bias"),
        ({"dropout": {"mask": np.ones((2, N_Q, N_K))}}, "dropout.mask"),
        ({"mask": drawn(2, N_Q, N_K), "like": "hf-eager"}, "mask"),
        ({"mask": {"values": np.zeros((2, 1, N_K))}}, "mask.values"),
    ],
)
def test_two_readings_are_asked_about(keys: dict[str, Any], name: str) -> None:
    error = refused(batch=2, heads=2, **keys)
    assert error.message.startswith(f"{name} has three axes, (2, ")
    assert "batch entries or heads: there are 2 of each" in error.message
    rows = 1 if "(2, 1, 7)" in error.message else N_Q
    assert f"write (2, 1, {rows}, 7) if it is batch entries (Keras)" in str(error.help)
    assert f"(1, 2, {rows}, 7) if it is heads" in str(error.help)
    assert "or axes: [batch, query, key]" in str(error.help)


def test_gates_have_no_names_and_are_asked_about_too() -> None:
    error = refused(batch=2, heads=2, output_gate={"logits": np.zeros((2, N_Q, 2))})
    assert "write (2, 1, 5, 2) if it is batch entries (Keras), (1, 2, 5, 2)" in str(error.help)
    assert "axes" not in str(error.help).replace("three axes", "")


def test_what_fits_the_heads_alone_is_theirs_and_what_fits_the_batch_alone_is_refused() -> None:
    values = drawn(H, N_Q, N_K)
    found = seen(problem(mask=attend(values)))
    np.testing.assert_array_equal(found, np.broadcast_to(values, found.shape))
    error = refused(mask=attend(drawn(B, N_Q, N_K)))
    assert "the first must be heads = 3, or 1" in error.message
    assert error.help == ("write (2, 1, 5, 7) if it is batch entries, or axes: [batch, query, key]")
    error = refused(mask=attend(drawn(B * H, N_Q, N_K)))
    assert error.help == (
        "write (2, 3, 5, 7) if it is the heads of each batch entry (PyTorch's "
        "MultiheadAttention), or axes: [batch*head, query, key]"
    )


def test_padding_of_two_axes_is_told_how_to_be_written() -> None:
    padding = "write (2, 1, 1, 7) if it is for the keys of each batch entry (a padding mask)"
    assert refused(mask=attend(drawn(B, N_K))).help == padding
    one = problem(mask=attend(drawn(B, N_K)))
    one |= {side: one[side][:, 0] for side in ("query", "key", "value")}
    with pytest.raises(attn_cli.AttnError) as caught:
        attn_cli.compute(one)
    assert caught.value.help == padding.replace("(2, 1, 1, 7)", "(2, 1, 7)")


def test_one_leading_axis_leaves_no_doubt() -> None:
    values = drawn(B, N_Q, N_K)
    one = problem(mask=attend(values))
    one |= {side: one[side][:, 0] for side in ("query", "key", "value")}
    np.testing.assert_array_equal(seen(one), values)
    np.testing.assert_array_equal(seen({**one, "like": "torch"}), values)
    np.testing.assert_array_equal(seen({**one, "like": "keras"}), values)


# From a file, an option, an NPZ; by tiles, for one query


def test_from_everywhere(tmp_path: Path, attn: Attn) -> None:
    values = drawn(2, N_Q, N_K)
    given = problem(2, 2)
    np.savez(tmp_path / "p.npz", **given)
    np.save(tmp_path / "m.npy", values)
    text = json.dumps({key: value.tolist() for key, value in given.items()})
    bare = tmp_path / "bare.yaml"
    bare.write_text(text)
    mask = "{file: m.npy, true_means: attend, axes: [batch, query, key]}"
    written = tmp_path / "written.yaml"
    written.write_text(f"{text[:-1]}, mask: {mask}}}")
    expected = np.broadcast_to(values[:, None], (2, 2, N_Q, N_K))
    option = mask.replace("m.npy", str(tmp_path / "m.npy"))
    for arguments in (
        (written,),
        (bare, "--mask", option),
        (tmp_path / "p.npz", "--mask", option),
    ):
        ran = attn("compute", *arguments, "--only", "weights", "-f", "json")
        weights = np.array(json.loads(ran.out)["steps"]["weights"]["values"])
        np.testing.assert_array_equal(weights > 0, expected)
    np.savez(tmp_path / "q.npz", mask=values, **given)
    one = ("--query-token", "3", "--only", "weights", "-f", "json")
    ran = attn("compute", tmp_path / "q.npz", "--like", "keras", "--axes", "bhsd", *one)
    weights = np.array(json.loads(ran.out)["steps"]["weights"]["values"])
    np.testing.assert_array_equal(weights[:, :, 0] > 0, expected[:, :, 3])


@pytest.mark.parametrize("like", ["onnx", "onnx@1.21", "onnx@1.22"])
def test_whole_numbers_under_a_system_that_adds_them_are_asked_about(like: str) -> None:
    """0 and 1 would hide keys elsewhere, and hide nothing there: softmax(1, 0) is not (1, 0)."""
    two = [[0.0], [0.0]]
    problem: dict[str, Any] = {"query": two, "key": two, "value": two, "like": like}
    flags = [[1, 0], [1, 1]]
    for whole in (flags, np.array(flags)):
        with pytest.raises(attn_cli.AttnError) as caught:
            attn_cli.compute({**problem, "mask": whole})
        assert caught.value.message == (
            f"mask holds whole numbers 0 and 1, which {like} adds to the scores: they hide "
            "nothing there"
        )
    hidden = [[1, 0], [0.5, 0.5]]
    named: list[Any] = [np.array(flags, dtype=bool), {"values": flags, "true_means": "attend"}]
    for mask in named:
        found = attn_cli.compute({**problem, "mask": mask})
        np.testing.assert_array_equal(found["weights"], hidden)
    e = math.e
    added = attn_cli.compute({**problem, "mask": np.array(flags, dtype=float)})
    np.testing.assert_allclose(
        added["weights"], [[e / (e + 1), 1 / (e + 1)], [0.5, 0.5]], rtol=1e-15
    )
