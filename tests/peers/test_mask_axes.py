"""What the first of three axes of a mask is: the batch in Keras, both in MultiheadAttention."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import attn_cli
from tests.peers.agree import DTYPES, TOLERANCE, TYPES, agrees, normal
from tests.peers.test_keras import (
    BATCH,
    D_K,
    HEADS,
    KV_HEADS,
    N_K,
    N_Q,
    check,
    grouped,
    multi_head,
    qkv,
)

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")
types = pytest.mark.parametrize("dtype", TYPES)


@types
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("shape", [(BATCH, N_Q, N_K), (BATCH, 1, N_K), (1, N_Q, N_K)])
def test_three_axes_begin_with_the_batch(dtype: str, causal: bool, shape: tuple[int, ...]) -> None:
    mask = np.random.default_rng(4).random(shape) < 0.6
    problem = {"mask": mask, "causal": causal}
    arguments = {"attention_mask": mask, "use_causal_mask": causal}
    check(dtype, multi_head(dtype), qkv(dtype), problem, **arguments)
    inputs = qkv(dtype, kv_heads=KV_HEADS, d_v=D_K)
    check(dtype, grouped(dtype), inputs, problem, **arguments)


@types
def test_three_axes_where_batch_and_heads_are_as_many(dtype: str) -> None:
    """Nothing but the convention tells which of the two the first axis is."""
    inputs = [np.concatenate([each] * 3)[:HEADS] for each in qkv(dtype)]
    mask = np.random.default_rng(5).random((HEADS, N_Q, N_K)) < 0.6
    check(dtype, multi_head(dtype), inputs, {"mask": mask}, attention_mask=mask)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("numbers", [False, True])
def test_multihead_attention_has_batch_and_heads_in_one_axis(dtype: str, numbers: bool) -> None:
    d = HEADS * D_K
    x, memory = normal(3, (BATCH, N_Q, d), (BATCH, N_K, d), dtype=dtype)
    rng = np.random.default_rng(4)
    mask = rng.random((BATCH * HEADS, N_Q, N_K)) < 0.4
    if numbers:
        mask = rng.normal(size=mask.shape).astype(dtype)
    layer = torch.nn.MultiheadAttention(d, HEADS, bias=False, batch_first=True)
    with torch.no_grad():
        layer.in_proj_weight.copy_(torch.eye(d).repeat(3, 1))
        layer.out_proj.weight.copy_(torch.eye(d))
    layer = layer.to(getattr(torch, dtype)).eval()
    given = [torch.from_numpy(each) for each in (x, memory, memory)]
    output, weights = layer(*given, attn_mask=torch.from_numpy(mask), average_attn_weights=False)
    split = [each.reshape(BATCH, -1, HEADS, D_K).swapaxes(1, 2) for each in (x, memory, memory)]
    names = dict(zip(("query", "key", "value"), split, strict=True))
    record = attn_cli.compute({**names, "dtype": dtype, "like": "torch-mha", "mask": mask})
    agrees(record["weights"], weights.detach().numpy(), TOLERANCE[dtype])
    here = record["output"].swapaxes(1, 2).reshape(BATCH, N_Q, -1)
    agrees(here, output.detach().numpy(), TOLERANCE[dtype])
