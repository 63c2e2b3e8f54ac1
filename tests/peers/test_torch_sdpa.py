"""torch's scaled_dot_product_attention and its causal biases, on the CPU.

Both of its CPU implementations are asked: the one in plain operations and the fused one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.attention.bias import causal_lower_right, causal_upper_left
from torch.nn.functional import scaled_dot_product_attention

import attn_cli
from tests.peers.agree import DTYPES, TOLERANCE, agrees, departs, normal

BATCH, HEADS, KV_HEADS, D_K = 2, 6, 3, 5
# The fused one takes no values that are longer or shorter than the keys.
IMPLEMENTATIONS = {"MATH": 11, "FLASH_ATTENTION": D_K}
SIZES = [(7, 13), (13, 7), (7, 7)]

pytestmark = pytest.mark.parametrize("dtype", DTYPES)


@pytest.fixture(params=IMPLEMENTATIONS)
def d_v(request: pytest.FixtureRequest) -> Iterator[int]:
    """One implementation alone, and how many numbers a value may have there."""
    with sdpa_kernel(getattr(SDPBackend, request.param)):
        yield IMPLEMENTATIONS[request.param]


def qkv(dtype: str, n_q: int, n_k: int, d_v: int, kv_heads: int = HEADS) -> list[np.ndarray]:
    query, keys = (BATCH, HEADS, n_q), (BATCH, kv_heads, n_k)
    return normal(n_q * n_k, (*query, D_K), (*keys, D_K), (*keys, d_v), dtype=dtype)


def torch_of(inputs: list[np.ndarray], mask: Any = None, **keywords: Any) -> np.ndarray:
    query, key, value = (torch.from_numpy(each) for each in inputs)
    if isinstance(mask, np.ndarray):
        mask = torch.from_numpy(mask)
    output: np.ndarray = scaled_dot_product_attention(query, key, value, mask, **keywords).numpy()
    return output


def ours(inputs: list[np.ndarray], **keys: Any) -> attn_cli.Record:
    names = ("query", "key", "value")
    problem = dict(zip(names, inputs, strict=True))
    return attn_cli.compute({**problem, "dtype": str(inputs[0].dtype), **keys})


@pytest.mark.parametrize(("n_q", "n_k"), SIZES)
@pytest.mark.parametrize("scale", [None, 0.3, 2.0])
def test_scale(dtype: str, d_v: int, n_q: int, n_k: int, scale: float | None) -> None:
    inputs = qkv(dtype, n_q, n_k, d_v)
    keys = {} if scale is None else {"scale": scale}
    agrees(ours(inputs, **keys)["output"], torch_of(inputs, scale=scale), TOLERANCE[dtype])


@pytest.mark.parametrize(("n_q", "n_k"), SIZES)
def test_is_causal_is_top_left(dtype: str, d_v: int, n_q: int, n_k: int) -> None:
    inputs = qkv(dtype, n_q, n_k, d_v)
    there = torch_of(inputs, is_causal=True)
    agrees(ours(inputs, causal="top-left")["output"], there, TOLERANCE[dtype])
    agrees(ours(inputs, causal=True, like="torch")["output"], there, TOLERANCE[dtype])


@pytest.mark.parametrize(("n_q", "n_k"), SIZES)
@pytest.mark.parametrize("causal", [False, True])
def test_grouped_heads_are_interleaved(
    dtype: str, d_v: int, n_q: int, n_k: int, causal: bool
) -> None:
    inputs = qkv(dtype, n_q, n_k, d_v, KV_HEADS)
    there = torch_of(inputs, is_causal=causal, enable_gqa=True)
    keys = {"causal": "top-left"} if causal else {}
    agrees(ours(inputs, **keys)["output"], there, TOLERANCE[dtype])


MASKS = [(7, 13), (1, 13), (7, 1), (BATCH, 1, 7, 13), (BATCH, HEADS, 7, 13)]


@pytest.mark.parametrize("shape", MASKS)
def test_true_means_attend(dtype: str, d_v: int, shape: tuple[int, ...]) -> None:
    inputs = qkv(dtype, 7, 13, d_v)
    mask = np.random.default_rng(len(shape)).random(shape) < 0.6
    there = torch_of(inputs, mask)
    explicit = ours(inputs, mask={"values": mask, "true_means": "attend"})
    agrees(explicit["output"], there, TOLERANCE[dtype])
    agrees(ours(inputs, mask=mask, like="torch")["output"], there, TOLERANCE[dtype])


@pytest.mark.parametrize("shape", MASKS)
def test_numbers_are_added(dtype: str, d_v: int, shape: tuple[int, ...]) -> None:
    inputs = qkv(dtype, 7, 13, d_v)
    (mask,) = normal(5, shape, dtype=dtype)
    there = torch_of(inputs, mask)
    agrees(ours(inputs, mask=mask)["output"], there, TOLERANCE[dtype])
    agrees(ours(inputs, score_bias=mask)["output"], there, TOLERANCE[dtype])


@pytest.mark.parametrize("shape", [(HEADS, 7, 13), (HEADS, 1, 13), (1, 7, 1)])
def test_three_axes_begin_with_heads(dtype: str, shape: tuple[int, ...]) -> None:
    """Broadcasting is from the right; the fused implementation takes no such mask."""
    inputs = qkv(dtype, 7, 13, D_K)
    seen = np.random.default_rng(1).random(shape) < 0.6
    there = torch_of(inputs, seen)
    record = ours(inputs, mask={"values": seen, "true_means": "attend"})
    agrees(record["output"], there, TOLERANCE[dtype])
    (mask,) = normal(6, shape, dtype=dtype)
    agrees(ours(inputs, mask=mask)["output"], torch_of(inputs, mask), TOLERANCE[dtype])


@pytest.mark.parametrize("lead", [(), (BATCH,)])
def test_without_heads(dtype: str, lead: tuple[int, ...]) -> None:
    """Where scores have three axes, those of the mask are (batch, queries, keys)."""
    inputs = normal(8, (*lead, 7, 5), (*lead, 13, 5), (*lead, 13, 11), dtype=dtype)
    seen = np.random.default_rng(8).random((*lead, 7, 13)) < 0.6
    there = torch_of(inputs, seen)
    record = ours(inputs, mask={"values": seen, "true_means": "attend"})
    agrees(record["output"], there, TOLERANCE[dtype])


def test_zeros_and_ones_as_numbers_hide_nothing(dtype: str, d_v: int) -> None:
    inputs = qkv(dtype, 7, 13, d_v)
    mask = (np.random.default_rng(3).random((7, 13)) < 0.5).astype(dtype)
    agrees(ours(inputs, mask=mask)["output"], torch_of(inputs, mask), TOLERANCE[dtype])


@pytest.mark.parametrize("kind", ["booleans", "numbers"])
def test_a_fully_masked_row_is_zero(dtype: str, d_v: int, kind: str) -> None:
    """Its documentation calls an implementation equivalent in which such a row is NaN.

    That one takes torch.softmax of a row of -inf. Seen in torch 2.13.0: all implementations
    there are on the CPU give 0.
    """
    departs("torch", "2.13.0")
    inputs, seen = qkv(dtype, 7, 13, d_v), np.random.default_rng(2).random((7, 13)) < 0.6
    seen[3] = False
    numbers = np.where(seen, 0, -np.inf).astype(dtype)
    there = torch_of(inputs, seen if kind == "booleans" else numbers)
    assert np.isnan(torch.softmax(torch.from_numpy(numbers[3]), 0).numpy()).all()
    assert (there[:, :, 3] == 0).all()
    mask = {"values": seen, "true_means": "attend"} if kind == "booleans" else numbers
    for keys in ({}, {"empty_rows": "zero"}, {"like": "torch"}):
        agrees(ours(inputs, mask=mask, **keys)["output"], there, TOLERANCE[dtype])


@pytest.mark.parametrize(("n_q", "n_k"), SIZES)
def test_causal_upper_left(dtype: str, d_v: int, n_q: int, n_k: int) -> None:
    inputs = qkv(dtype, n_q, n_k, d_v)
    there = torch_of(inputs, causal_upper_left(n_q, n_k))
    agrees(ours(inputs, causal="top-left")["output"], there, TOLERANCE[dtype])


@pytest.mark.parametrize(("n_q", "n_k"), [(7, 13), (7, 7)])
def test_causal_lower_right(dtype: str, d_v: int, n_q: int, n_k: int) -> None:
    inputs = qkv(dtype, n_q, n_k, d_v)
    there = torch_of(inputs, causal_lower_right(n_q, n_k))
    agrees(ours(inputs, causal="bottom-right")["output"], there, TOLERANCE[dtype])


def test_causal_lower_right_with_more_queries_than_keys(dtype: str, d_v: int) -> None:
    """The warning says that the output will have NaN. Seen in torch 2.13.0: it has zeros."""
    departs("torch", "2.13.0")
    inputs = qkv(dtype, 13, 7, d_v)
    with pytest.warns(UserWarning, match="will produce NaNs"):
        bias = causal_lower_right(13, 7)
    there = torch_of(inputs, bias)
    record = ours(inputs, causal="bottom-right")
    agrees(record["output"], there, TOLERANCE[dtype])
    assert (there[:, :, :6] == 0).all()
    assert not record["weights"][:, :, :6].any()
