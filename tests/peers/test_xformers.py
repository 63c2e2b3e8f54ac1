"""xformers: its masks as numbers, and its attention in plain operations of torch with them.

`materialize` writes a mask out. The kernels need a GPU; the softmax of scores in float32 and its
product with V are what the documentation of memory_efficient_attention calls equivalent.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from xformers.ops.fmha.attn_bias import (
    AttentionBias,
    BlockDiagonalCausalWithOffsetPaddedKeysMask,
    BlockDiagonalMask,
    BlockDiagonalPaddedKeysMask,
    LocalAttentionFromBottomRightMask,
    LowerTriangularFromBottomRightMask,
    LowerTriangularMask,
    LowerTriangularMaskWithTensorBias,
)

import attn_cli
from tests.peers.agree import NARROW, TYPES, narrowed, near, normal

BATCH, HEADS, D_K, D_V = 2, 3, 5, 11

pytestmark = pytest.mark.parametrize("dtype", TYPES)
sizes = pytest.mark.parametrize(("n_q", "n_k"), [(7, 13), (13, 7), (7, 7)])


def qkv(dtype: str, n_q: int, n_k: int, batch: int = BATCH) -> list[np.ndarray]:
    """Return q, k, v: batch, tokens, heads, features."""
    keys = (batch, n_k, HEADS)
    return narrowed(dtype, *normal(n_q * n_k, (batch, n_q, HEADS, D_K), (*keys, D_K), (*keys, D_V)))


def check(
    dtype: str, inputs: list[np.ndarray], bias: AttentionBias, problem: dict[str, Any]
) -> attn_cli.Record:
    """Compare which keys are seen, and the outputs of rows that see one."""
    query, key, value = (
        torch.from_numpy(each.astype(np.float32 if dtype in NARROW else dtype)).transpose(1, 2)
        for each in inputs
    )
    n_q, n_k = query.shape[2], key.shape[2]
    mask = bias.materialize((n_q, n_k), dtype=query.dtype)
    weights = torch.softmax((query * D_K**-0.5) @ key.mT + mask, -1)
    output = (weights @ value).transpose(1, 2).to(getattr(torch, dtype)).double().numpy()
    given = dict(zip(("query", "key", "value"), inputs, strict=True))
    record = attn_cli.compute({**given, "dtype": dtype, "like": "xformers", **problem})
    seen = (mask > -np.inf).numpy()
    assert (record["visible"] == 0).all((0, 1)).tolist() == seen.tolist()
    rows = seen.any(-1)
    here = record["output"]
    here = here if here.shape[1] == n_q else here.swapaxes(1, 2)
    near(here[:, rows], output[:, rows], dtype)
    return record


@sizes
def test_lower_triangular(dtype: str, n_q: int, n_k: int) -> None:
    check(dtype, qkv(dtype, n_q, n_k), LowerTriangularMask(), {"causal": True})


@sizes
def test_lower_triangular_from_bottom_right(dtype: str, n_q: int, n_k: int) -> None:
    mask = LowerTriangularFromBottomRightMask()
    check(dtype, qkv(dtype, n_q, n_k), mask, {"causal": "bottom-right"})


@sizes
@pytest.mark.parametrize("window", [1, 3])
def test_local_attention_counts_itself(dtype: str, n_q: int, n_k: int, window: int) -> None:
    mask = LowerTriangularFromBottomRightMask().make_local_attention(window)
    check(dtype, qkv(dtype, n_q, n_k), mask, {"causal": "bottom-right", "window": window})


@sizes
@pytest.mark.parametrize(("left", "right"), [(2, 0), (0, 3), (3, 1)])
def test_local_attention_of_two_bounds(
    dtype: str, n_q: int, n_k: int, left: int, right: int
) -> None:
    mask = LocalAttentionFromBottomRightMask(left, right)
    problem = {"window": {"left": left, "right": right}, "offset": n_k - n_q}
    check(dtype, qkv(dtype, n_q, n_k), mask, problem)


def test_a_bias(dtype: str) -> None:
    (bias,) = narrowed(dtype, *normal(5, (7, 13)))
    mask = LowerTriangularMaskWithTensorBias(torch.from_numpy(bias.astype(np.float64)).float())
    if dtype == "float64":
        mask = LowerTriangularMaskWithTensorBias(torch.from_numpy(bias))
    check(dtype, qkv(dtype, 7, 13), mask, {"causal": True, "score_bias": bias})


# Packed sequences: the lengths of three documents among queries and among keys.

LENGTHS = [([2, 3, 5], [2, 3, 5]), ([2, 3, 1], [5, 3, 7]), ([1, 7, 3], [2, 3, 5])]
packed = pytest.mark.parametrize(("queries", "keys"), LENGTHS)


def documents(queries: list[int], keys: list[int]) -> dict[str, Any]:
    """Return the documents as flash-attention and xformers have them: sums of lengths."""
    sums = (np.cumsum([0, *each]).tolist() for each in (queries, keys))
    return {"documents": dict(zip(("cu_seqlens_q", "cu_seqlens_k"), sums, strict=True))}


def packed_inputs(dtype: str, queries: list[int], keys: list[int]) -> list[np.ndarray]:
    return qkv(dtype, sum(queries), sum(keys), batch=1)


@packed
def test_block_diagonal(dtype: str, queries: list[int], keys: list[int]) -> None:
    mask = BlockDiagonalMask.from_seqlens(queries, keys)
    check(dtype, packed_inputs(dtype, queries, keys), mask, documents(queries, keys))


@packed
def test_block_diagonal_causal(dtype: str, queries: list[int], keys: list[int]) -> None:
    mask = BlockDiagonalMask.from_seqlens(queries, keys).make_causal()
    problem = documents(queries, keys) | {"causal": True}
    check(dtype, packed_inputs(dtype, queries, keys), mask, problem)


@pytest.mark.parametrize(("queries", "keys"), LENGTHS[:2])
def test_block_diagonal_causal_from_bottom_right(
    dtype: str, queries: list[int], keys: list[int]
) -> None:
    """Of documents with more queries than keys xformers makes no such mask."""
    mask = BlockDiagonalMask.from_seqlens(queries, keys).make_causal_from_bottomright()
    problem = documents(queries, keys) | {"causal": "bottom-right"}
    check(dtype, packed_inputs(dtype, queries, keys), mask, problem)


@packed
@pytest.mark.parametrize("window", [1, 2, 3])
def test_block_diagonal_local(dtype: str, queries: list[int], keys: list[int], window: int) -> None:
    block = BlockDiagonalMask.from_seqlens(queries, keys)
    if any(q - window >= n for q, n in zip(queries, keys, strict=True)):
        with pytest.raises(RuntimeError, match="No keys are attended"):
            block.make_local_attention(window)
        return
    mask = block.make_local_attention(window)
    problem = documents(queries, keys) | {"causal": True, "window": window}
    check(dtype, packed_inputs(dtype, queries, keys), mask, problem)


@pytest.mark.parametrize(("queries", "keys"), LENGTHS[:2])
@pytest.mark.parametrize("window", [1, 2, 3])
def test_block_diagonal_local_from_bottom_right(
    dtype: str, queries: list[int], keys: list[int], window: int
) -> None:
    block = BlockDiagonalMask.from_seqlens(queries, keys)
    mask = block.make_local_attention_from_bottomright(window)
    problem = documents(queries, keys) | {"causal": "bottom-right", "window": window}
    check(dtype, packed_inputs(dtype, queries, keys), mask, problem)


@pytest.mark.parametrize("causal", [False, True])
def test_keys_with_padding(dtype: str, causal: bool) -> None:
    """Each document has room for 7 keys; of what is unused xformers sees nothing."""
    queries, keys, room = [1, 3, 2], [5, 3, 7], 7
    kind = BlockDiagonalCausalWithOffsetPaddedKeysMask if causal else BlockDiagonalPaddedKeysMask
    mask = kind.from_seqlens(q_seqlen=queries, kv_padding=room, kv_seqlen=keys)
    ids = [np.repeat(np.arange(3), queries), np.full(3 * room, 3)]
    for number, length in enumerate(keys):
        ids[1][number * room : number * room + length] = number
    problem: dict[str, Any] = {
        "documents": {"query": ids[0].tolist(), "key": ids[1].tolist()},
        "causal": "bottom-right" if causal else False,
    }
    check(dtype, packed_inputs(dtype, queries, [room] * 3), mask, problem)
