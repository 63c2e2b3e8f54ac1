"""Dive into Deep Learning, the book's own module for torch: its attention and its positions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import attn_cli
from tests.peers import agree
from tests.peers.agree import ROUNDED_SCORES, ROUNDED_STEPS, TYPES, agrees, narrowed, normal
from tests.peers.imported import absent
from tests.peers.tensors import array, tensor

# The module draws and loads images too.
with absent(
    "torchvision", "PIL", "pandas", "requests", "IPython", "matplotlib", "matplotlib_inline"
):
    from d2l import torch as d2l

BATCH, D_K, D_V = 2, 5, 11
types = pytest.mark.parametrize("dtype", TYPES)
sizes = pytest.mark.parametrize(("n_q", "n_k"), [(7, 13), (13, 7), (7, 7)])


def qkv(dtype: str, n_q: int, n_k: int, d: int = D_K) -> list[np.ndarray]:
    shapes = ((BATCH, n_q, d), (BATCH, n_k, d), (BATCH, n_k, D_V))
    return narrowed(dtype, *normal(n_q * n_k, *shapes))


def check(
    dtype: str,
    layer: Any,
    inputs: list[np.ndarray],
    lengths: Any,
    problem: dict[str, Any],
    units: float = ROUNDED_SCORES,
) -> attn_cli.Record:
    lengths = None if lengths is None else torch.tensor(lengths)
    output = layer(*(tensor(dtype, each) for each in inputs), lengths)
    given = dict(zip(("query", "key", "value"), inputs, strict=True))
    record = attn_cli.compute({**given, "dtype": dtype, "like": "d2l", **problem})
    agree.near(record["weights"], array(layer.attention_weights), dtype, units)
    agree.near(record["output"], array(output), dtype, units)
    return record


@types
@sizes
@pytest.mark.parametrize("lengths", [None, [3, 5], [7, 1]])
def test_one_length_for_each_entry(dtype: str, n_q: int, n_k: int, lengths: Any) -> None:
    problem = {} if lengths is None else {"key_lengths": lengths}
    check(dtype, d2l.DotProductAttention(0.0), qkv(dtype, n_q, n_k), lengths, problem)


@types
def test_one_length_for_each_query(dtype: str) -> None:
    lengths = np.random.default_rng(3).integers(1, 14, (BATCH, 7))
    mask = {"values": np.arange(13) < lengths[:, :, None], "true_means": "attend"}
    problem = {"mask": mask}
    inputs = qkv(dtype, 7, 13)
    check(dtype, d2l.DotProductAttention(0.0), inputs, lengths.tolist(), problem)


@types
def test_a_row_that_sees_no_key_is_uniform(dtype: str) -> None:
    if dtype == "float16":
        pytest.skip("its fill is -inf there, and such a row NaN")
    problem = {"key_lengths": [3, 0]}
    record = check(dtype, d2l.DotProductAttention(0.0), qkv(dtype, 7, 13), [3, 0], problem)
    agrees(record["weights"][1], np.full((7, 13), 1 / 13), 0.003)


@types
def test_the_fill_is_a_number(dtype: str) -> None:
    """A score below -1e6 leaves the weight to the hidden key."""
    if dtype == "float16":
        pytest.skip("no number there is below it")
    inputs = [np.ones((1, 1, 1)), np.array([[[-4e6], [0]]]), np.array([[[1.0], [3]]])]
    inputs = narrowed(dtype, *inputs)
    record = check(dtype, d2l.DotProductAttention(0.0), inputs, [1], {"key_lengths": [1]})
    agrees(record["weights"], [[[0, 1]]], 0)


@types
@pytest.mark.parametrize("lengths", [None, [3, 5]])
def test_additive(dtype: str, lengths: Any) -> None:
    inputs = qkv(dtype, 7, 13)
    layer = d2l.AdditiveAttention(3, 0.0)
    tensors = [tensor("float32", each.astype(np.float32)) for each in inputs]
    layer(*tensors, None)
    layer = layer.to(getattr(torch, dtype))
    W_q, W_k, v = narrowed(dtype, *normal(4, (D_K, 3), (D_K, 3), (3,)))
    with torch.no_grad():
        layer.W_q.weight.copy_(torch.from_numpy(W_q.T))
        layer.W_k.weight.copy_(torch.from_numpy(W_k.T))
        layer.w_v.weight.copy_(torch.from_numpy(v[None]))
    problem: dict[str, Any] = {"score": {"function": "additive", "W1": W_q.T, "W2": W_k.T, "v": v}}
    problem |= {} if lengths is None else {"key_lengths": lengths}
    # In 16 bits the sum of both projections, tanh and its product with v are rounded one by one.
    check(dtype, layer, inputs, lengths, problem, ROUNDED_STEPS)


@types
@pytest.mark.parametrize("n", [1, 7, 29])
def test_positions(dtype: str, n: int) -> None:
    """Made in float32, sines and cosines in turn."""
    if dtype in agree.NARROW:
        pytest.skip("made in float32 whatever the model is")
    table = array(d2l.PositionalEncoding(6, 0.0, max_len=31).P)[0, :n]
    record = attn_cli.compute(
        {
            "embeddings": np.zeros((n, 6)), "positions": "sinusoidal", "like": "d2l",
            "score": "dot", "dtype": dtype,
        }
    )  # fmt: skip
    agrees(record["positions"], table, 3e-6)


@types
@pytest.mark.parametrize("heads", [2, 3])
def test_several_heads(dtype: str, heads: int) -> None:
    """MultiHeadAttention: projections without biases, heads side by side."""
    x, memory = narrowed(dtype, *normal(6, (BATCH, 7, 6), (BATCH, 13, 6)))
    layer = d2l.MultiHeadAttention(6, heads, 0.0)
    layer(tensor("float32", x.astype(np.float32)), *(torch.zeros(BATCH, 13, 6),) * 2, None)
    layer = layer.to(getattr(torch, dtype))
    names = {"query": layer.W_q, "key": layer.W_k, "value": layer.W_v, "output": layer.W_o}
    weights = dict(zip(names, narrowed(dtype, *normal(7, *((6, 6),) * 4)), strict=True))
    with torch.no_grad():
        for name, part in names.items():
            part.weight.copy_(torch.from_numpy(weights[name].T))
    lengths = [3, 5]
    given = [tensor(dtype, each) for each in (x, memory, memory)]
    output = array(layer(*given, torch.tensor(lengths)))
    seen = array(layer.attention.attention_weights).reshape(BATCH, heads, 7, 13)
    for at in range(BATCH):
        record = attn_cli.compute(
            {
                "embeddings": x[at], "memory": {"embeddings": memory[at]}, "heads": heads,
                "weights": weights, "key_lengths": lengths[at], "dtype": dtype, "like": "d2l",
            }
        )  # fmt: skip
        # Projections of 16 bits come before the scores, and may be rounded the other way too.
        units = ROUNDED_STEPS
        agree.near(record["weights"], seen[at], dtype, units)
        agree.near(record["output"], output[at], dtype, 2 * units)
