"""flax.linen.dot_product_attention on the CPU.

No preset has its name. Its conventions are written out: the query is scaled, by a root that is
rounded to the type; hidden scores become the lowest number, so a row that sees no key is uniform.
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import attn_cli
from tests.peers import agree
from tests.peers.agree import NARROW, ROUNDED_SCORES, TYPES, narrowed, normal

jax.config.update("jax_enable_x64", True)

BATCH, HEADS, D_K, D_V = 2, 3, 5, 11
# XLA's sums of 16-bit numbers are of 16 bits on the CPU, and so have no one value.
SUMS_IN_16_BITS = 3 * ROUNDED_SCORES
SIZES = [(7, 13), (13, 7)]  # each makes jax compile, so they are few

pytestmark = pytest.mark.parametrize("dtype", TYPES)


def qkv(dtype: str, n_q: int = 7, n_k: int = 13) -> list[np.ndarray]:
    keys = (BATCH, n_k, HEADS)
    return narrowed(dtype, *normal(n_q * n_k, (BATCH, n_q, HEADS, D_K), (*keys, D_K), (*keys, D_V)))


def check(
    dtype: str, inputs: list[np.ndarray], problem: dict[str, Any], **arguments: Any
) -> attn_cli.Record:
    arrays = [jnp.asarray(each, jnp.dtype(dtype)) for each in inputs]
    single = bool(arguments.pop("single", False))
    output = nn.dot_product_attention(*arrays, force_fp32_for_softmax=single, **arguments)
    given = dict(zip(("query", "key", "value"), inputs, strict=True))
    known: dict[str, Any] = {"axes": "bshd", "scale_placement": "query"}
    if "mask" in arguments:
        known["mask_fill"] = {"value": "lowest", "how": "select"}
    if dtype in NARROW:
        (root,) = narrowed(dtype, np.sqrt(np.array(D_K, np.float64)))
        known["scale"] = 1 / float(root)
    record = attn_cli.compute({**given, "dtype": dtype, **known, **problem})
    agree.near(record["output"], np.asarray(output, np.float64), dtype, SUMS_IN_16_BITS)
    return record


@pytest.mark.parametrize(("n_q", "n_k"), SIZES)
def test_causal_masks_are_top_left(dtype: str, n_q: int, n_k: int) -> None:
    mask = nn.make_attention_mask(jnp.arange(n_q), jnp.arange(n_k), jnp.greater_equal)
    check(dtype, qkv(dtype, n_q, n_k), {"causal": "top-left"}, mask=mask)


@pytest.mark.parametrize("shape", [(7, 13), (BATCH, 1, 7, 13), (BATCH, HEADS, 7, 13)])
def test_true_means_attend(dtype: str, shape: tuple[int, ...]) -> None:
    mask = np.random.default_rng(len(shape)).random(shape) < 0.6
    mask[..., 3, :] = False
    problem = {"mask": {"values": mask, "true_means": "attend"}}
    record = check(dtype, qkv(dtype), problem, mask=jnp.asarray(mask))
    agree.agrees(record["weights"][:, :, 3], np.full((BATCH, HEADS, 13), 1 / 13), 0.003)


@pytest.mark.parametrize("shape", [(7, 13), (BATCH, HEADS, 7, 13)])
def test_bias(dtype: str, shape: tuple[int, ...]) -> None:
    (bias,) = narrowed(dtype, *normal(5, shape))
    problem = {"score_bias": bias}
    check(dtype, qkv(dtype), problem, bias=jnp.asarray(bias, jnp.dtype(dtype)))


def test_softmax_in_float32(dtype: str) -> None:
    if dtype not in NARROW:
        pytest.skip("float64 inputs would have an output in float64 all the same")
    # The weights are not rounded before the product with V.
    problem = {"precision": {"softmax": "float32", "weighted_sum": "float32"}}
    check(dtype, qkv(dtype), problem, single=True)
