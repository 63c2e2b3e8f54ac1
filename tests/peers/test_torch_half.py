"""torch's scaled_dot_product_attention and MultiheadAttention in 16 bits, on the CPU.

Plain (MATH), q, k and v become float32 and only the result is rounded, which is what `like: torch`
does. The fused one rounds the weights too, before they are divided by their sum: its result is
within one unit in the last place of the largest value.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.attention.bias import causal_lower_right
from torch.nn.functional import scaled_dot_product_attention

import attn_cli
from tests.peers import agree
from tests.peers.agree import NARROW, ROUNDED_SCORES, ROUNDED_STEPS, narrowed, normal
from tests.peers.tensors import array, tensor

BATCH, HEADS, KV_HEADS, D_K = 2, 6, 3, 5
# The fused one takes no values that are longer or shorter than the keys.
IMPLEMENTATIONS = {"MATH": 11, "FLASH_ATTENTION": D_K}

pytestmark = pytest.mark.parametrize("dtype", NARROW)
either = pytest.mark.parametrize("kind", IMPLEMENTATIONS)
sizes = pytest.mark.parametrize(("n_q", "n_k"), [(7, 13), (13, 7), (7, 7)])


def qkv(
    dtype: str, kind: str, n_q: int = 7, n_k: int = 13, kv_heads: int = HEADS
) -> list[np.ndarray]:
    keys = (BATCH, kv_heads, n_k)
    shapes = ((BATCH, HEADS, n_q, D_K), (*keys, D_K), (*keys, IMPLEMENTATIONS[kind]))
    return narrowed(dtype, *normal(n_q * n_k, *shapes))


def check(
    dtype: str,
    kind: str,
    inputs: list[np.ndarray],
    problem: dict[str, Any],
    mask: Any = None,
    **arguments: Any,
) -> attn_cli.Record:
    tensors = [tensor(dtype, each) for each in inputs]
    with sdpa_kernel(getattr(SDPBackend, kind)):
        output = array(scaled_dot_product_attention(*tensors, mask, **arguments))
    given = dict(zip(("query", "key", "value"), inputs, strict=True))
    record = attn_cli.compute({**given, "dtype": dtype, "like": "torch", **problem})
    if kind == "MATH":
        agree.near(record["output"], output, dtype)
    else:
        unit = float(ml_dtypes.finfo(NARROW[dtype]).eps) * np.abs(inputs[2]).max()
        assert np.abs(record["output"] - output).max() <= unit
    return record


@either
@sizes
@pytest.mark.parametrize("scale", [None, 0.3])
def test_scale(dtype: str, kind: str, n_q: int, n_k: int, scale: float | None) -> None:
    keys = {} if scale is None else {"scale": scale}
    check(dtype, kind, qkv(dtype, kind, n_q, n_k), keys, scale=scale)


@either
@sizes
@pytest.mark.parametrize("kv_heads", [2, 3, 6])
def test_causal_and_grouped(dtype: str, kind: str, n_q: int, n_k: int, kv_heads: int) -> None:
    inputs = qkv(dtype, kind, n_q, n_k, kv_heads)
    check(dtype, kind, inputs, {"causal": True}, is_causal=True, enable_gqa=True)


@either
def test_causal_lower_right(dtype: str, kind: str) -> None:
    problem = {"causal": "bottom-right"}
    check(dtype, kind, qkv(dtype, kind), problem, causal_lower_right(7, 13))


MASKS = [(7, 13), (1, 13), (BATCH, 1, 7, 13), (BATCH, HEADS, 7, 13)]


@either
@pytest.mark.parametrize("shape", MASKS)
def test_true_means_attend(dtype: str, kind: str, shape: tuple[int, ...]) -> None:
    mask = np.random.default_rng(len(shape)).random(shape) < 0.6
    check(dtype, kind, qkv(dtype, kind), {"mask": mask}, torch.from_numpy(mask))


@either
@pytest.mark.parametrize("shape", MASKS)
def test_numbers_are_added(dtype: str, kind: str, shape: tuple[int, ...]) -> None:
    (bias,) = narrowed(dtype, *normal(5, shape))
    inputs = qkv(dtype, kind)
    for key in ("mask", "score_bias"):
        check(dtype, kind, inputs, {key: bias}, tensor(dtype, bias))


@either
def test_a_row_that_sees_no_key_is_zero(dtype: str, kind: str) -> None:
    mask = np.random.default_rng(2).random((7, 13)) < 0.6
    mask[3] = False
    record = check(dtype, kind, qkv(dtype, kind), {"mask": mask}, torch.from_numpy(mask))
    assert not record["output"][:, :, 3].any()


@either
def test_large_scores(dtype: str, kind: str) -> None:
    """257 is not a number of bfloat16, and the score of the first key."""
    shape = (1, 1, 2, 2)
    inputs = [np.ones((1, 1, 1, 2)), np.reshape([256.0, 1, 256, 0], shape), np.eye(2)]
    inputs[2] = inputs[2].reshape(shape)
    record = check(dtype, kind, narrowed(dtype, *inputs), {"scale": 1.0}, scale=1.0)
    weights = [1 / (1 + np.exp(-1)), 1 / (1 + np.e)]
    agree.near(record["output"][0, 0, 0], narrowed(dtype, np.array(weights))[0], dtype, 0)


# MultiheadAttention keeps to the type of its inputs: scores and weights are rounded.


def layer_of(dtype: str, heads: int, d: int) -> torch.nn.MultiheadAttention:
    """Return a layer whose projections are identities."""
    layer = torch.nn.MultiheadAttention(d, heads, bias=False, batch_first=True)
    with torch.no_grad():
        layer.in_proj_weight.copy_(torch.eye(d).repeat(3, 1))
        layer.out_proj.weight.copy_(torch.eye(d))
    return layer.to(getattr(torch, dtype)).eval()


@pytest.mark.parametrize("numbers", [False, True])
@pytest.mark.parametrize("axes", [2, 3])
def test_multihead_attention(dtype: str, numbers: bool, axes: int) -> None:
    """Of three axes a mask has one matrix for each head of each batch entry there."""
    x, memory = narrowed(dtype, *normal(3, (BATCH, 7, HEADS * D_K), (BATCH, 13, HEADS * D_K)))
    rng = np.random.default_rng(4)
    hidden = rng.random((7, 13) if axes == 2 else (BATCH * HEADS, 7, 13)) < 0.4
    mask: Any = hidden
    if numbers:
        (mask,) = narrowed(dtype, rng.normal(size=hidden.shape))
    given = torch.from_numpy(mask) if not numbers else tensor(dtype, mask)
    layer = layer_of(dtype, HEADS, HEADS * D_K)
    other = tensor(dtype, memory)
    output, weights = layer(
        tensor(dtype, x), other, other, attn_mask=given, average_attn_weights=False
    )
    split = [each.reshape(BATCH, -1, HEADS, D_K).swapaxes(1, 2) for each in (x, memory, memory)]
    names = dict(zip(("query", "key", "value"), split, strict=True))
    full = mask if axes == 2 else mask.reshape(BATCH, HEADS, 7, 13)
    record = attn_cli.compute({**names, "dtype": dtype, "like": "torch-mha", "mask": full})
    # Numbers are added there before the scores are rounded, here to scores that are rounded.
    units = ROUNDED_STEPS if numbers else ROUNDED_SCORES
    agree.near(record["weights"], array(weights), dtype, units)
    here = record["output"].swapaxes(1, 2).reshape(BATCH, 7, -1)
    agree.near(here, array(output), dtype, units)
