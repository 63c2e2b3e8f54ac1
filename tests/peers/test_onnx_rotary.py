"""ONNX's RotaryEmbedding operator, with caches of cosines and sines from the formula.

angle_m(position) = position * base^(-2m/dims) for m = 0 .. dims/2 - 1, computed here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper
from onnx.reference import ReferenceEvaluator

import attn_cli
from tests.peers.agree import DTYPES, TOLERANCE, agrees, normal
from tests.peers.onnx_attention import model_of

BATCH, HEADS, KV_HEADS, N, PAST, D_K, D_V = 2, 6, 3, 7, 4, 10, 11

layouts = pytest.mark.parametrize("interleaved", [0, 1])
parts = pytest.mark.parametrize("dims", [10, 6, 2])
bases = pytest.mark.parametrize("base", [10000, 17.0])
types = pytest.mark.parametrize("dtype", DTYPES)


def caches(positions: np.ndarray, dims: int, base: float, dtype: str) -> dict[str, np.ndarray]:
    angles = positions[..., None] * base ** (-2 * np.arange(dims // 2) / dims)
    return {"cos": np.cos(angles).astype(dtype), "sin": np.sin(angles).astype(dtype)}


def rotated(inputs: dict[str, np.ndarray], **attributes: Any) -> np.ndarray:
    """Return the operator's output; the inputs are in its order."""
    node = helper.make_node("RotaryEmbedding", list(inputs), ["Y"], **attributes)
    (x, *_) = inputs.values()
    model = model_of(23, node, inputs, [x.ndim])
    output: np.ndarray = ReferenceEvaluator(model).run(None, inputs)[0]
    return output


def qkv(dtype: str) -> list[np.ndarray]:
    keys = (BATCH, KV_HEADS, N)
    return normal(31, (BATCH, HEADS, N, D_K), (*keys, D_K), (*keys, D_V), dtype=dtype)


def rope(dims: int, base: float, interleaved: int) -> dict[str, Any]:
    return {"dims": dims, "base": base, "interleaved": bool(interleaved)}


@types
@layouts
@parts
@bases
def test_from_position_0(dtype: str, interleaved: int, dims: int, base: float) -> None:
    query, key, value = qkv(dtype)
    names = {"interleaved": interleaved, "rotary_embedding_dim": dims}
    cached = caches(np.arange(N), dims, base, dtype)
    ids = {"position_ids": np.tile(np.arange(N), (BATCH, 1))}
    record = attn_cli.compute(
        {
            "query": query,
            "key": key,
            "value": value,
            "dtype": dtype,
            "rope": rope(dims, base, interleaved),
        }
    )
    for step, x in (("q_rotated", query), ("k_rotated", key)):
        there = rotated({"X": x, **cached, **ids}, **names)
        agrees(record[step], there, TOLERANCE[dtype])
        # The features after the rotated part stay the same to the last bit.
        assert (record[step][..., dims:] == x[..., dims:]).all()


@types
@layouts
def test_true_is_all_features_in_halves(dtype: str, interleaved: int) -> None:
    query, key, value = qkv(dtype)
    cached = caches(np.tile(np.arange(N), (BATCH, 1)), D_K, 10000, dtype)
    options: Any = {"interleaved": True} if interleaved else True
    record = attn_cli.compute(
        {"query": query, "key": key, "value": value, "dtype": dtype, "rope": options}
    )
    # Without position ids the caches have a batch axis, and one row per token.
    there = rotated({"X": query, **cached}, interleaved=interleaved)
    agrees(record["q_rotated"], there, TOLERANCE[dtype])


@types
@layouts
@parts
def test_packed_heads(dtype: str, interleaved: int, dims: int) -> None:
    query, key, value = (x.swapaxes(1, 2).reshape(BATCH, N, -1) for x in qkv(dtype))
    cached = caches(np.arange(N), dims, 10000, dtype)
    ids = {"position_ids": np.tile(np.arange(N), (BATCH, 1))}
    record = attn_cli.compute(
        {
            "query": query,
            "key": key,
            "value": value,
            "heads": HEADS,
            "kv_heads": KV_HEADS,
            "dtype": dtype,
            "rope": rope(dims, 10000, interleaved),
        }
    )
    for step, x, heads in (("q_rotated", query, HEADS), ("k_rotated", key, KV_HEADS)):
        names = {"interleaved": interleaved, "rotary_embedding_dim": dims, "num_heads": heads}
        there = rotated({"X": x, **cached, **ids}, **names)
        apart = there.reshape(BATCH, N, heads, D_K).swapaxes(1, 2)
        agrees(record[step], apart, TOLERANCE[dtype])


@types
@layouts
@bases
def test_with_a_cache_queries_stand_after_the_past(
    dtype: str, interleaved: int, base: float
) -> None:
    query, key, value = qkv(dtype)
    past_key, past_value = normal(
        37, (BATCH, KV_HEADS, PAST, D_K), (BATCH, KV_HEADS, PAST, D_V), dtype=dtype
    )
    cached = caches(np.arange(PAST + N), D_K, base, dtype)
    record = attn_cli.compute(
        {
            "query": query,
            "key": key,
            "value": value,
            "past": {"key": past_key, "value": past_value, "rotated": False},
            "dtype": dtype,
            "rope": rope(D_K, base, interleaved),
        }
    )
    present = np.concatenate([past_key, key], axis=2)
    places = np.tile(np.arange(PAST + N), (BATCH, 1))
    for step, x, ids in (
        ("q_rotated", query, places[:, PAST:]),
        ("k_rotated", present, places),
    ):
        there = rotated({"X": x, **cached, "position_ids": ids}, interleaved=interleaved)
        agrees(record[step], there, TOLERANCE[dtype])


@types
@layouts
def test_each_batch_entry_at_its_own_offset(dtype: str, interleaved: int) -> None:
    query, key, value = qkv(dtype)
    offsets = np.array([3, 11])
    cached = caches(np.arange(19), D_K, 10000, dtype)
    record = attn_cli.compute(
        {
            "query": query,
            "key": key,
            "value": value,
            "offset": offsets,
            "dtype": dtype,
            "rope": rope(D_K, 10000, interleaved),
        }
    )
    ids = {"position_ids": offsets[:, None] + np.arange(N)}
    there = rotated({"X": query, **cached, **ids}, interleaved=interleaved)
    agrees(record["q_rotated"], there, TOLERANCE[dtype])
