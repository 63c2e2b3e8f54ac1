"""transformers with tokens whose position is not their number: left padding, caches, images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from transformers.models.qwen2_vl.configuration_qwen2_vl import Qwen2VLTextConfig
from transformers.models.qwen2_vl.modeling_qwen2_vl import (
    Qwen2VLRotaryEmbedding,
    apply_rotary_pos_emb,
)
from transformers.models.qwen3_vl.configuration_qwen3_vl import Qwen3VLTextConfig
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLTextRotaryEmbedding

import attn_cli
from tests.peers.agree import DTYPES, TOLERANCE, agrees, normal
from tests.peers.layers import BATCH, N, array, check, in_single, token_ids, watched
from tests.peers.test_transformers import PADDING, llama, llama_problem

SINGLE = TOLERANCE["float32"]
types = pytest.mark.parametrize("dtype", DTYPES)

# Left padding


@types
@pytest.mark.parametrize("like", [{"like": "hf-eager"}, {}])
def test_left_padding(dtype: str, like: dict[str, Any]) -> None:
    """Positions count from the first token that is there, as `generate` makes position_ids."""
    model = llama(dtype)
    layer = model.layers[0].self_attn  # what follows it is NaN in float64 where padding is
    positions = (PADDING.cumsum(-1) - 1).clamp(min=0)
    seen = watched(model, layer, 0, token_ids(7), attention_mask=PADDING, position_ids=positions)
    starts = (PADDING == 0).sum(-1).tolist()
    assert starts == [2, 0]
    # Rows of padding see nothing, and are what nobody reads.
    for at, start in enumerate(starts):
        record = attn_cli.compute(
            {
                "embeddings": seen.hidden[at], "dtype": dtype, "key_start": start,
                **llama_problem(layer), **in_single(dtype), **like,
            }
        )  # fmt: skip
        agrees(record["weights"][:, start:], seen.weights[at, :, start:], SINGLE)
        agrees(record["output"][start:], seen.output[at, start:], SINGLE)


@types
def test_left_padding_with_the_positions_written(dtype: str) -> None:
    model = llama(dtype)
    layer = model.layers[0].self_attn
    positions = (PADDING.cumsum(-1) - 1).clamp(min=0)
    seen = watched(model, layer, 0, token_ids(7), attention_mask=PADDING, position_ids=positions)
    for at, start in enumerate([2, 0]):
        problem = llama_problem(layer) | in_single(dtype)
        problem["rope"] = {"positions": positions[at].tolist()}
        mask = {"values": PADDING[at].bool().numpy(), "true_means": "attend"}
        record = attn_cli.compute(
            {"embeddings": seen.hidden[at], "dtype": dtype, "mask": mask, **problem}
        )
        agrees(record["weights"][:, start:], seen.weights[at, :, start:], SINGLE)
        agrees(record["output"][start:], seen.output[at, start:], SINGLE)


# Caches


@types
@pytest.mark.parametrize("before", [1, 5])
def test_a_cache_holds_rotated_keys(dtype: str, before: int) -> None:
    model = llama(dtype)
    layer, ids = model.layers[1].self_attn, token_ids(5, 11)
    with torch.no_grad():
        cache = model(input_ids=ids[:, :before], use_cache=True).past_key_values
    # A copy: the cache grows while the model runs.
    past = [array(each).copy() for each in (cache.layers[1].keys, cache.layers[1].values)]
    seen = watched(model, layer, 1, ids[:, before:], past_key_values=cache, use_cache=True)
    pairs = [{"key": k[None], "value": v[None]} for k, v in zip(*past, strict=True)]
    problem = llama_problem(layer) | in_single(dtype)
    check(seen, problem, SINGLE, past=[each | {"rotated": True} for each in pairs])
    check(seen, problem | {"like": "hf-eager"}, SINGLE, past=pairs)
    if before == 1:  # a key at position 0 is not turned
        return
    with pytest.raises(AssertionError):
        check(seen, problem, 1e-3, past=[each | {"rotated": False} for each in pairs])


# Images: a token has a time, a height and a width.

HEADS, HEAD_DIM = 3, 22
SECTIONS = [4, 4, 3]  # of the 11 pairs of features


def rows(seed: int) -> np.ndarray:
    """Return positions of text, of an image of 2 x 2, and of text: three rows for each entry."""
    text = np.arange(2)
    image = np.array([[2, 2, 2, 2], [2, 2, 3, 3], [2, 3, 2, 3]])
    one = np.concatenate([np.tile(text, (3, 1)), image, np.full((3, 1), 4)], axis=1)
    other = np.random.default_rng(seed).integers(0, 29, (3, N))
    return np.stack([one, other], axis=1)  # (3, batch, n)


VISION: list[tuple[Any, Any, str]] = [
    (Qwen2VLRotaryEmbedding, Qwen2VLTextConfig, "blocks"),
    (Qwen3VLTextRotaryEmbedding, Qwen3VLTextConfig, "in-turn"),
]


@types
@pytest.mark.parametrize(("embedding", "kind", "layout"), VISION)
def test_multimodal_rotations(dtype: str, embedding: Any, kind: Any, layout: str) -> None:
    config = kind(
        hidden_size=HEADS * HEAD_DIM,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        head_dim=HEAD_DIM,
        rope_parameters={"rope_type": "default", "rope_theta": 1e4, "mrope_section": SECTIONS},
    )
    positions = rows(3)
    shape = (BATCH, HEADS, N, HEAD_DIM)
    query, key, value = normal(9, shape, shape, shape, dtype=dtype)
    tensors = [torch.from_numpy(each) for each in (query, key)]
    cos, sin = embedding(config)(tensors[0], torch.from_numpy(positions))
    turned = apply_rotary_pos_emb(*tensors, cos, sin)
    given = {"query": positions.swapaxes(0, 1), "key": positions.swapaxes(0, 1)}
    rope = {"base": 1e4, "sections": SECTIONS, "sections_layout": layout, "positions": given}
    record = attn_cli.compute(
        {"query": query, "key": key, "value": value, "dtype": dtype, "rope": rope}
    )
    for step, there in zip(("q_rotated", "k_rotated"), turned, strict=True):
        agrees(record[step], array(there), 8e-6)  # angles up to 29 are of float32 there


def test_the_layouts_differ() -> None:
    """Otherwise the test above could not tell them apart."""
    positions = rows(3)[:, 1]
    shape = (1, N, HEAD_DIM)
    x = np.ones(shape)
    turned = [
        attn_cli.compute(
            {
                "query": x, "key": x, "value": x,
                "rope": {
                    "sections": SECTIONS, "sections_layout": layout,
                    "positions": {"query": positions, "key": positions},
                },
            }
        )["q_rotated"]
        for *_, layout in VISION
    ]  # fmt: skip
    assert abs(turned[0] - turned[1]).max() > 0.1
