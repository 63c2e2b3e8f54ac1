"""OpenNMT-py: MultiHeadedAttention on the CPU, where its attention is in plain operations.

Its softmax runs in float32 whatever the inputs are, so float64 ends at the tolerance of float32.
Its projections are identities here, so that what goes in are queries, keys and values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import attn_cli
from tests.peers import agree
from tests.peers.agree import ROUNDED_SCORES, TYPES, agrees, narrowed, normal
from tests.peers.imported import alone

# The packages around them read and write corpora.
attention = alone("onmt.modules.multi_headed_attn")
alibi = alone("onmt.modules.alibi_position_bias")

BATCH, HEADS, D = 2, 6, 4
NONE, ROPE, ALIBI = 0, -1, -2  # what max_relative_positions stands for

pytestmark = pytest.mark.parametrize("dtype", TYPES)
sizes = pytest.mark.parametrize(("n_q", "n_k"), [(7, 13), (13, 7), (7, 7)])


def qkv(dtype: str, n_q: int = 7, n_k: int = 13, kv_heads: int = HEADS) -> list[np.ndarray]:
    keys = (BATCH, kv_heads, n_k, D)
    return narrowed(dtype, *normal(n_q * n_k, (BATCH, HEADS, n_q, D), keys, keys))


def check(
    dtype: str,
    inputs: list[np.ndarray],
    problem: dict[str, Any],
    mask: np.ndarray | None = None,
    **options: Any,
) -> attn_cli.Record:
    kv_heads = inputs[1].shape[1]
    layer = attention.MultiHeadedAttention(
        HEADS, HEADS * D, dropout=0.0, is_decoder=True, self_attn_type="scaled-dot",
        attn_type="self", num_kv=0 if kv_heads == HEADS else kv_heads, **options,
    )  # fmt: skip
    parts = (layer.linear_query, layer.linear_keys, layer.linear_values, layer.final_linear)
    with torch.no_grad():
        for part in parts:
            # Those of fewer heads are as long as all: the rest of what they are given is 0.
            part.weight.copy_(torch.eye(*part.weight.shape))
    layer = layer.to(getattr(torch, dtype))
    given = []
    for each in inputs:
        joined = each.swapaxes(1, 2).reshape(BATCH, each.shape[2], -1)
        wide = np.zeros((*joined.shape[:2], HEADS * D), joined.dtype)
        wide[..., : joined.shape[-1]] = joined
        given.append(torch.from_numpy(wide).to(getattr(torch, dtype)))
    query, key, value = given
    hidden = None if mask is None else torch.from_numpy(mask)
    with torch.no_grad():
        output, weights = layer(key, value, query, mask=hidden, return_attn=True)
    names = dict(zip(("query", "key", "value"), inputs, strict=True))
    record = attn_cli.compute({**names, "dtype": dtype, "like": "opennmt", **problem})
    as_type = "float32" if dtype == "float64" else dtype
    agree.near(record["weights"], weights.double().numpy(), as_type, ROUNDED_SCORES)
    here = record["output"].swapaxes(1, 2).reshape(BATCH, query.shape[1], -1)
    agree.near(here, output.double().numpy(), as_type, ROUNDED_SCORES)
    return record


def decoder_mask(n: int, window: int = 0) -> np.ndarray:
    """Return what its decoder hides, as onmt/decoders/transformer.py makes it: True is hidden."""
    seen = np.tril(np.ones((n, n), bool))
    return ~(np.triu(seen, -window) if window else seen)


@sizes
@pytest.mark.parametrize("kv_heads", [1, 2, 3, 6])
def test_grouped_heads(dtype: str, n_q: int, n_k: int, kv_heads: int) -> None:
    check(dtype, qkv(dtype, n_q, n_k, kv_heads), {})


@pytest.mark.parametrize("shape", [(BATCH, 1, 7, 13), (BATCH, 1, 1, 13), (BATCH, HEADS, 7, 13)])
def test_true_means_ignore(dtype: str, shape: tuple[int, ...]) -> None:
    mask = np.random.default_rng(shape[1]).random(shape) < 0.4
    check(dtype, qkv(dtype), {"mask": mask}, mask)


def test_a_row_that_sees_no_key_is_uniform(dtype: str) -> None:
    mask = np.random.default_rng(5).random((BATCH, 1, 7, 13)) < 0.4
    mask[1, :, 3] = True
    record = check(dtype, qkv(dtype), {"mask": mask}, mask)
    agrees(record["weights"][1, :, 3], np.full((HEADS, 13), 1 / 13), 0.003)


@pytest.mark.parametrize("window", [0, 1, 3])
def test_the_decoder(dtype: str, window: int) -> None:
    """sliding_window W: itself and W before it."""
    mask = np.broadcast_to(decoder_mask(7, window), (BATCH, 1, 7, 7)).copy()
    problem: dict[str, Any] = {"causal": "top-left"} | ({"window": window} if window else {})
    check(dtype, qkv(dtype, 7, 7), problem, mask)


@pytest.mark.parametrize("interleaved", [True, False])
@pytest.mark.parametrize("base", [1e4, 5e2])
def test_rotary_embeddings(dtype: str, interleaved: bool, base: float) -> None:
    rope: dict[str, Any] = {"base": base} | ({} if interleaved else {"interleaved": False})
    options = {"rotary_interleave": interleaved, "rotary_theta": base}
    mask = np.broadcast_to(decoder_mask(7), (BATCH, 1, 7, 7)).copy()
    problem = {"rope": rope, "causal": "top-left"}
    check(dtype, qkv(dtype, 7, 7), problem, mask, max_relative_positions=ROPE, **options)


@pytest.mark.parametrize(("n_q", "n_k"), [(7, 13), (7, 7)])
def test_alibi(dtype: str, n_q: int, n_k: int) -> None:
    """Of six heads: not a power of two; distances from the end of the keys."""
    problem = {"alibi": True, "offset": n_k - n_q} if n_k > n_q else {"alibi": True}
    check(dtype, qkv(dtype, n_q, n_k), problem, max_relative_positions=ALIBI)


def test_relative_bias(dtype: str) -> None:
    """T5's, in a decoder: the buckets are of one direction."""
    inputs = qkv(dtype, 7, 7)
    (table,) = narrowed(dtype, *normal(9, (8, HEADS)))
    embedding = torch.nn.Embedding

    class Filled(embedding):  # type: ignore[misc, valid-type]
        def reset_parameters(self) -> None:
            with torch.no_grad():
                self.weight.copy_(torch.from_numpy(table))

    attention.nn.Embedding = Filled
    try:
        kind = {"table": table, "bidirectional": False, "max_distance": 13}
        options: dict[str, Any] = {"max_relative_positions": 13, "relative_positions_buckets": 8}
        check(dtype, inputs, {"relative_bias": kind}, **options)
    finally:
        attention.nn.Embedding = embedding


def test_slopes(dtype: str) -> None:
    if dtype != "float64":
        pytest.skip("they are made before there is a type")
    from attn_cli.maths.bias.alibi import slopes

    for heads in (1, 2, 6, 8, 12, 20):
        there = alibi.AlibiPositionalBias._get_slopes(heads)
        agrees(slopes(heads, "paper"), there, 1e-12)
