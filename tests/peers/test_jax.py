"""jax.nn.dot_product_attention on the CPU, implementation 'xla'.

Its softmax runs in float32 whatever the inputs are, so float64 ends at the tolerance of float32.
Scores of 16-bit inputs stay in float32, and the weights are rounded before the product with V.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import attn_cli
from tests.peers.agree import TOLERANCE, TYPES, agrees, narrowed, near, normal

jax.config.update("jax_enable_x64", True)

BATCH, HEADS, KV_HEADS, D = 2, 6, 3, 5
SIZES = [(7, 13), (13, 7)]  # each makes jax compile, so they are few

pytestmark = pytest.mark.parametrize("dtype", TYPES)
sizes = pytest.mark.parametrize(("n_q", "n_k"), SIZES)


def qkv(dtype: str, n_q: int = 7, n_k: int = 13, kv_heads: int = KV_HEADS) -> list[np.ndarray]:
    """Return q, k, v in the layout of jax: batch, tokens, heads, features."""
    keys = (BATCH, n_k, kv_heads, D)
    return narrowed(dtype, *normal(n_q * n_k, (BATCH, n_q, HEADS, D), keys, keys))


def check(
    dtype: str, inputs: list[np.ndarray], problem: dict[str, Any], **arguments: Any
) -> attn_cli.Record:
    """Compare outputs and log-sum-exps, of our preset and of jax."""
    arrays = [jnp.asarray(each, jnp.dtype(dtype)) for each in inputs]
    if "bias" in arguments:
        arguments["bias"] = jnp.asarray(arguments["bias"], jnp.dtype(dtype))
    output, residual = jax.nn.dot_product_attention(
        *arrays, implementation="xla", return_residual=True, **arguments
    )
    given = dict(zip(("query", "key", "value"), inputs, strict=True))
    record = attn_cli.compute({**given, "dtype": dtype, "like": "jax", **problem})
    as_type = "float32" if dtype == "float64" else dtype
    near(record["output"], np.asarray(output, np.float64), as_type)
    # Ours is in the type of the softmax, theirs is rounded to that of the keys.
    lse = np.asarray(residual, np.float64).swapaxes(1, 2)
    near(narrowed(dtype, record["lse"])[0], lse, as_type)
    return record


@sizes
@pytest.mark.parametrize("scale", [None, 0.3])
def test_scale(dtype: str, n_q: int, n_k: int, scale: float | None) -> None:
    keys = {} if scale is None else {"scale": scale}
    check(dtype, qkv(dtype, n_q, n_k), keys, scale=scale)


@sizes
@pytest.mark.parametrize("kv_heads", [1, 2, 6])
@pytest.mark.parametrize("causal", [False, True])
def test_grouped_heads(dtype: str, n_q: int, n_k: int, kv_heads: int, causal: bool) -> None:
    check(dtype, qkv(dtype, n_q, n_k, kv_heads), {"causal": causal}, is_causal=causal)


@sizes
@pytest.mark.parametrize("window", [0, 2])
@pytest.mark.parametrize("causal", [False, True])
def test_window_as_a_number(dtype: str, n_q: int, n_k: int, window: int, causal: bool) -> None:
    """With more queries than keys the last rows see nothing, and are uniform."""
    problem = {"window": window, "causal": causal}
    check(dtype, qkv(dtype, n_q, n_k), problem, local_window_size=window, is_causal=causal)


@sizes
@pytest.mark.parametrize(("left", "right"), [(3, 2), (0, 5)])
def test_window_as_a_pair(dtype: str, n_q: int, n_k: int, left: int, right: int) -> None:
    problem = {"window": {"left": left, "right": right}, "causal": "top-left"}
    check(dtype, qkv(dtype, n_q, n_k), problem, local_window_size=(left, right), is_causal=True)


# What one axis less than four is about, and which of them broadcast.
MASKS = [(7, 13), (HEADS, 7, 13), (BATCH, HEADS, 7, 13), (BATCH, 1, 1, 13), (1, HEADS, 7, 1)]


@pytest.mark.parametrize("shape", MASKS)
def test_true_means_attend(dtype: str, shape: tuple[int, ...]) -> None:
    mask = np.random.default_rng(len(shape)).random(shape) < 0.6
    check(dtype, qkv(dtype), {"mask": mask}, mask=jnp.asarray(mask))


@pytest.mark.parametrize("shape", MASKS)
@pytest.mark.parametrize("causal", [False, True])
def test_bias(dtype: str, shape: tuple[int, ...], causal: bool) -> None:
    (bias,) = narrowed(dtype, *normal(5, shape))
    problem = {"score_bias": bias, "causal": causal}
    check(dtype, qkv(dtype), problem, bias=bias, is_causal=causal)


def test_bias_mask_causal_and_window_at_once(dtype: str) -> None:
    (bias,) = narrowed(dtype, *normal(6, (BATCH, HEADS, 7, 13)))
    mask = np.random.default_rng(6).random((BATCH, 1, 7, 13)) < 0.6
    problem = {"score_bias": bias, "mask": mask, "causal": True, "window": 3, "scale": 0.7}
    check(
        dtype, qkv(dtype), problem,
        bias=bias, mask=jnp.asarray(mask), is_causal=True, local_window_size=3, scale=0.7,
    )  # fmt: skip


@sizes
@pytest.mark.parametrize("causal", [False, True])
def test_lengths_of_keys_move_no_query(dtype: str, n_q: int, n_k: int, causal: bool) -> None:
    lengths = [3, 5]
    problem = {"key_lengths": lengths, "causal": causal}
    arguments = {"key_value_seq_lengths": jnp.asarray(lengths, jnp.int32), "is_causal": causal}
    check(dtype, qkv(dtype, n_q, n_k), problem, **arguments)


def test_a_row_that_sees_no_key_is_uniform(dtype: str) -> None:
    mask = np.random.default_rng(7).random((7, 13)) < 0.6
    mask[3] = False
    inputs = qkv(dtype)
    record = check(dtype, inputs, {"mask": mask}, mask=jnp.asarray(mask))
    agrees(record["weights"][:, :, 3], np.full((BATCH, HEADS, 13), 1 / 13), 0.01)


def test_large_scores_in_16_bits(dtype: str) -> None:
    """257 is not a number of bfloat16, and the score of the first key."""
    query, key = np.array([[[[1.0, 1]]]]), np.array([[[[256.0, 1]], [[256, 0]]]])
    value = np.eye(2).reshape(1, 2, 1, 2)
    inputs = narrowed(dtype, query, key, value)
    record = check(dtype, inputs, {"scale": 1}, scale=1.0)
    agrees(record["output"][0, 0, 0], [1 / (1 + np.exp(-1)), 1 / (1 + np.e)], 0.003)


def test_one_sequence_without_a_batch(dtype: str) -> None:
    inputs = [each[0] for each in qkv(dtype)]
    there = jax.nn.dot_product_attention(
        *(jnp.asarray(each, jnp.dtype(dtype)) for each in inputs), is_causal=True
    )
    given = dict(zip(("query", "key", "value"), (each[None] for each in inputs), strict=True))
    record = attn_cli.compute({**given, "dtype": dtype, "like": "jax", "causal": True})
    as_type = "float32" if dtype == "float64" else dtype
    near(record["output"][0], np.asarray(there, np.float64), as_type)


def test_tolerance_is_that_of_float32(dtype: str) -> None:
    """In float64 nothing but the softmax is coarser: agreement is worse than float64's own."""
    inputs = qkv(dtype)
    there = jax.nn.dot_product_attention(*(jnp.asarray(each, jnp.dtype(dtype)) for each in inputs))
    given = dict(zip(("query", "key", "value"), inputs, strict=True))
    record = attn_cli.compute(
        {**given, "dtype": "float64", "axes": "bshd", "precision": {"softmax": "float64"}}
    )
    apart = np.abs(record["output"] - np.asarray(there, np.float64)).max()
    assert apart > TOLERANCE["float64"]
