"""mlx.core.fast: scaled_dot_product_attention and rope, on the CPU.

No preset has its name. Its conventions are written out: causal is bottom-right, the softmax runs in
float32, a row that sees no key is uniform (on the CPU), booleans mean attend, the query is scaled
by a number of its own type, and a sink is a logit for each head.
"""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import numpy as np
import pytest

import attn_cli
from tests.peers import agree
from tests.peers.agree import ROUNDED_SCORES, TYPES, narrowed, normal

BATCH, HEADS, KV_HEADS, D_K, D_V = 2, 6, 3, 5, 11
types = pytest.mark.parametrize("dtype", TYPES)
sizes = pytest.mark.parametrize(("n_q", "n_k"), [(7, 13), (13, 7), (7, 7), (1, 13)])

pytestmark = types


def qkv(dtype: str, n_q: int = 7, n_k: int = 13, kv_heads: int = KV_HEADS) -> list[np.ndarray]:
    keys = (BATCH, kv_heads, n_k)
    return narrowed(dtype, *normal(n_q * n_k, (BATCH, HEADS, n_q, D_K), (*keys, D_K), (*keys, D_V)))


def tensor(dtype: str, each: np.ndarray) -> mx.array:
    with mx.stream(mx.cpu):
        return mx.array(each.tolist(), mx.float64).astype(getattr(mx, dtype))


def as_type(dtype: str) -> str:
    return "float32" if dtype == "float64" else dtype


def check(
    dtype: str, inputs: list[np.ndarray], problem: dict[str, Any], **arguments: Any
) -> attn_cli.Record:
    with mx.stream(mx.cpu):
        output = mx.fast.scaled_dot_product_attention(
            *(tensor(dtype, each) for each in inputs),
            **{"scale": D_K**-0.5} | arguments,
        )
        there = np.array(output.astype(mx.float64))
    given = dict(zip(("query", "key", "value"), inputs, strict=True))
    (scale,) = narrowed(dtype, np.array(arguments.get("scale", D_K**-0.5)))
    known: dict[str, Any] = {
        "precision": {"softmax": "float32"}, "scale_placement": "query", "scale": float(scale),
    }  # fmt: skip
    if problem.keys() & {"causal", "mask"}:
        known["empty_rows"] = "uniform"
    problem = {name: each for name, each in problem.items() if name != "scale"}
    record = attn_cli.compute({**given, "dtype": dtype, **known, **problem})
    # The scale is a float32 there, whatever the inputs are.
    agree.near(record["output"], there, as_type(dtype), ROUNDED_SCORES)
    return record


@sizes
@pytest.mark.parametrize("scale", [D_K**-0.5, 0.25])
def test_scale(dtype: str, n_q: int, n_k: int, scale: float) -> None:
    check(dtype, qkv(dtype, n_q, n_k), {"scale": scale}, scale=scale)


@sizes
@pytest.mark.parametrize("kv_heads", [1, 2, 6])
def test_causal_is_bottom_right(dtype: str, n_q: int, n_k: int, kv_heads: int) -> None:
    inputs = qkv(dtype, n_q, n_k, kv_heads)
    check(dtype, inputs, {"causal": "bottom-right"}, mask="causal")


MASKS = [(7, 13), (HEADS, 7, 13), (BATCH, 1, 7, 13), (BATCH, HEADS, 7, 13), (BATCH, 1, 1, 13)]


@pytest.mark.parametrize("shape", MASKS)
def test_true_means_attend(dtype: str, shape: tuple[int, ...]) -> None:
    mask = np.random.default_rng(len(shape)).random(shape) < 0.6
    full = mask if mask.ndim != 3 else mask[None]
    problem = {"mask": {"values": full, "true_means": "attend"}}
    check(dtype, qkv(dtype), problem, mask=mx.array(mask))


@pytest.mark.parametrize("shape", MASKS)
def test_numbers_are_added(dtype: str, shape: tuple[int, ...]) -> None:
    (bias,) = narrowed(dtype, *normal(5, shape))
    full = bias if bias.ndim != 3 else bias[None]
    check(dtype, qkv(dtype), {"score_bias": full}, mask=tensor(dtype, bias))


def test_a_row_that_sees_no_key(dtype: str) -> None:
    """It has the lowest number in place of its scores, and is uniform."""
    mask = np.random.default_rng(6).random((7, 13)) < 0.6
    mask[3] = False
    problem = {"mask": {"values": mask, "true_means": "attend"}}
    check(dtype, qkv(dtype), problem, mask=mx.array(mask))


@pytest.mark.parametrize("causal", [False, True])
def test_sinks(dtype: str, causal: bool) -> None:
    (logits,) = narrowed(dtype, *normal(7, (HEADS,)))
    problem: dict[str, Any] = {"normalize": {"function": "sink_logits", "logits": logits}}
    problem |= {"causal": "bottom-right"} if causal else {}
    mask = {"mask": "causal"} if causal else {}
    check(dtype, qkv(dtype), problem, sinks=tensor(dtype, logits), **mask)


@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("dims", [4, 6])
@pytest.mark.parametrize("offset", [0, 3])
def test_rope(dtype: str, interleaved: bool, dims: int, offset: int) -> None:
    """`traditional` turns neighbours; the offset is the position of the first token."""
    query, value = narrowed(dtype, *normal(8, (1, HEADS, 7, 6), (1, HEADS, 7, D_V)))
    with mx.stream(mx.cpu):
        turned = mx.fast.rope(
            tensor(dtype, query), dims,
            traditional=interleaved, base=1e4, scale=1.0, offset=offset,
        )  # fmt: skip
        there = np.array(turned.astype(mx.float64))
    padding = np.zeros((1, HEADS, offset, 6), query.dtype)
    problem = {
        "query": query, "key": query, "value": value, "dtype": dtype,
        "rope": {"interleaved": interleaved, "dims": dims},
        "precision": {"rope": {"angles": "float32", "table": dtype, "rotation": dtype}},
    }  # fmt: skip
    if offset:
        past = {"key": padding, "value": np.zeros((1, HEADS, offset, D_V), query.dtype)}
        problem["past"] = past | ({"rotated": False})
    record = attn_cli.compute(problem)
    agree.near(record["q_rotated"], there, as_type(dtype))
