"""Keras' attention layers on the torch backend, in the path that returns attention scores.

Their projections are identities here, so that what goes in are queries, keys and values.
"""

from __future__ import annotations

from typing import Any

import keras
import ml_dtypes
import numpy as np
import pytest

import attn_cli
from tests.peers import agree
from tests.peers.agree import NARROW, ROUNDED_SCORES, ROUNDED_STEPS, TYPES, agrees, narrowed, normal

BATCH, HEADS, KV_HEADS, N_Q, N_K, D_K, D_V = 2, 6, 3, 7, 13, 5, 11
# Its arrays have NumPy's older way of being copied.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")
types = pytest.mark.parametrize("dtype", TYPES)
sizes = pytest.mark.parametrize(("n_q", "n_k"), [(7, 13), (13, 7), (7, 7)])


def qkv(
    dtype: str, n_q: int = N_Q, n_k: int = N_K, *, kv_heads: int = HEADS, d_v: int = D_V
) -> list[np.ndarray]:
    """Return q, k, v: batch, tokens, heads, features."""
    keys = (BATCH, n_k, kv_heads)
    return narrowed(dtype, *normal(n_q * n_k, (BATCH, n_q, HEADS, D_K), (*keys, D_K), (*keys, d_v)))


def near(here: Any, there: Any, dtype: str) -> None:
    agree.near(here, there, dtype, ROUNDED_SCORES)


def as_identity(layer: Any) -> None:
    """Make every projection an identity, and every bias 0."""
    for weight in layer.weights:
        shape = tuple(weight.shape)
        if "bias" in weight.path:
            values = np.zeros(shape)
        elif "attention_output" in weight.path:
            values = np.eye(int(np.prod(shape[:-1]))).reshape(shape)
        else:
            values = np.eye(shape[0]).reshape(shape)
        weight.assign(values)


def run(layer: Any, dtype: str, inputs: list[np.ndarray], **arguments: Any) -> list[np.ndarray]:
    """Return output and attention scores."""
    query, key, value = (
        keras.ops.convert_to_tensor(each.reshape(*each.shape[:2], -1), dtype=dtype)
        for each in inputs
    )
    if not layer.built:
        layer(query, value, key)
        as_identity(layer)
    results = layer(query, value, key, return_attention_scores=True, **arguments)
    return [keras.ops.convert_to_numpy(keras.ops.cast(each, "float64")) for each in results]


def multi_head(dtype: str, **options: Any) -> Any:
    sizes = {"num_heads": HEADS, "key_dim": D_K, "value_dim": D_V, "output_shape": HEADS * D_V}
    return keras.layers.MultiHeadAttention(**sizes, dtype=dtype, **options)


def grouped(dtype: str, kv_heads: int = KV_HEADS, **options: Any) -> Any:
    """Return a layer whose values are as long as its keys, and its output as its query."""
    sizes = {"head_dim": D_K, "num_query_heads": HEADS, "num_key_value_heads": kv_heads}
    return keras.layers.GroupQueryAttention(**sizes, dtype=dtype, **options)


def ours(dtype: str, inputs: list[np.ndarray], problem: dict[str, Any]) -> attn_cli.Record:
    """Return the record of our preset."""
    given = dict(zip(("query", "key", "value"), inputs, strict=True))
    return attn_cli.compute({**given, "dtype": dtype, "like": "keras", **problem})


def joined(output: np.ndarray) -> np.ndarray:
    """Return contexts of shape (batch, tokens, heads, features) with their heads side by side."""
    if output.shape[1] == HEADS:
        output = output.swapaxes(1, 2)
    return output.reshape(*output.shape[:2], -1)


def check(
    dtype: str, layer: Any, inputs: list[np.ndarray], problem: dict[str, Any], **arguments: Any
) -> attn_cli.Record:
    output, weights = run(layer, dtype, inputs, **arguments)
    record = ours(dtype, inputs, problem)
    near(record["weights"], weights, dtype)
    near(joined(record["output"]), output, dtype)
    return record


@types
@sizes
@pytest.mark.parametrize("causal", [False, True])
def test_causal_is_top_left(dtype: str, n_q: int, n_k: int, causal: bool) -> None:
    inputs = qkv(dtype, n_q, n_k)
    check(dtype, multi_head(dtype), inputs, {"causal": causal}, use_causal_mask=causal)


@types
@sizes
@pytest.mark.parametrize("kv_heads", [1, 2, 3, 6])
def test_grouped_heads(dtype: str, n_q: int, n_k: int, kv_heads: int) -> None:
    inputs = qkv(dtype, n_q, n_k, kv_heads=kv_heads, d_v=D_K)
    layer = grouped(dtype, kv_heads)
    check(dtype, layer, inputs, {"causal": True}, use_causal_mask=True)


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("kind", ["MultiHeadAttention", "GroupQueryAttention"])
def test_the_scale_is_rounded(dtype: str, kind: str) -> None:
    """Scores between 8 and 9.5 beside 0: the small weight tells a score from the next number.

    That is 1/128 away in float16 and 1/16 in bfloat16, so the weight changes by 8 units and more.
    """
    d_k, n_q = 7, 61
    query, key = np.zeros((1, n_q, 1, d_k)), np.zeros((1, 2, 1, d_k))
    query[0, :, 0, 0] = np.linspace(8, 9.5, n_q) * np.sqrt(d_k)
    key[0, 0, 0, 0] = 1
    inputs = narrowed(dtype, query, key, key)
    heads = (1, d_k) if kind == "MultiHeadAttention" else (d_k, 1, 1)
    _, weights = run(getattr(keras.layers, kind)(*heads, dtype=dtype), dtype, inputs)

    def away(problem: dict[str, Any]) -> float:
        """How far the small weights are from those of Keras at most, in units."""
        here = ours(dtype, inputs, problem)["weights"][..., 1].astype(np.float64)
        unit = float(ml_dtypes.finfo(NARROW[dtype]).eps) * weights[..., 1]
        return float(np.max(abs(here - weights[..., 1]) / unit))

    assert away({}) <= 1
    assert away({"precision": {"scale": "float32"}}) > 4


@types
@sizes
@pytest.mark.parametrize("window", [1, 3])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("kind", [multi_head, grouped])
def test_window(dtype: str, n_q: int, n_k: int, window: int, causal: bool, kind: Any) -> None:
    """With more queries than keys the last rows see nothing, and are 0."""
    few = kind is grouped
    inputs = qkv(dtype, n_q, n_k, kv_heads=KV_HEADS if few else HEADS, d_v=D_K if few else D_V)
    layer = kind(dtype, sliding_window=window)
    problem = {"window": window, "causal": causal}
    check(dtype, layer, inputs, problem, use_causal_mask=causal)


@types
@pytest.mark.parametrize("shape", [(N_Q, N_K), (BATCH, 1, N_Q, N_K), (BATCH, HEADS, N_Q, N_K)])
def test_true_means_attend(dtype: str, shape: tuple[int, ...]) -> None:
    mask = np.random.default_rng(len(shape)).random(shape) < 0.6
    # A mask of two axes is made three, of one batch entry.
    given = mask[None] if mask.ndim == 2 else mask
    check(dtype, multi_head(dtype), qkv(dtype), {"mask": mask}, attention_mask=given)


@types
def test_a_row_that_sees_no_key_is_zero(dtype: str) -> None:
    mask = np.random.default_rng(6).random((BATCH, 1, N_Q, N_K)) < 0.6
    mask[1, :, 3] = False
    record = check(dtype, multi_head(dtype), qkv(dtype), {"mask": mask}, attention_mask=mask)
    assert not record["weights"][1, :, 3].any()


@types
def test_hidden_weights_are_zero_below_the_fill_too(dtype: str) -> None:
    """Where all that is seen scores less than the fill of -1e9, Keras has a row of zeros.

    It sets the weights of hidden keys to 0 after the softmax; here the hidden key has weight 1.
    """
    low = -4e4 if dtype == "float16" else -4e9
    shape = (1, 2, 1, 1)
    inputs = [np.ones((1, 1, 1, 1)), np.reshape([low, 0.0], shape), np.reshape([1.0, 3], shape)]
    inputs = narrowed(dtype, *inputs)
    mask = np.array([[[True, False]]])
    layer = keras.layers.MultiHeadAttention(1, 1, dtype=dtype)
    _, weights = run(layer, dtype, inputs, attention_mask=mask)
    agrees(weights, np.zeros((1, 1, 1, 2)), 0)
    fill = {"mask_fill": {"value": -3e4, "how": "select"}} if dtype == "float16" else {}
    record = ours(dtype, inputs, {"mask": mask[:, None], **fill})
    agrees(record["weights"], [[[[0, 1]]]], 0)


@types
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("scale", [None, 0.7])
def test_attention_without_heads(dtype: str, causal: bool, scale: float | None) -> None:
    """keras.layers.Attention is another: no scale but a learnt one, and 1e9 is subtracted."""
    query, key, value = narrowed(
        dtype, *normal(9, (BATCH, N_Q, D_K), (BATCH, N_K, D_K), (BATCH, N_K, D_V))
    )
    layer = keras.layers.Attention(use_scale=scale is not None, dtype=dtype)
    tensors = [keras.ops.convert_to_tensor(each, dtype=dtype) for each in (query, value, key)]
    layer(tensors)
    for weight in layer.weights:
        scale = float(narrowed(dtype, np.array(scale))[0])
        weight.assign(scale)
    hidden = np.random.default_rng(9).random((BATCH, N_K)) < 0.4
    results = layer(
        tensors,
        mask=[None, keras.ops.convert_to_tensor(~hidden)],
        return_attention_scores=True,
        use_causal_mask=causal,
    )
    output, weights = (
        keras.ops.convert_to_numpy(keras.ops.cast(each, "float64")) for each in results
    )
    fill = -65504.0 if dtype == "float16" else -1e9
    record = attn_cli.compute(
        {
            "query": query, "key": key, "value": value, "dtype": dtype, "score": "dot",
            "scale": 1.0 if scale is None else scale,
            "causal": "top-left" if causal else False,
            "mask": {"values": hidden[:, None], "true_means": "ignore"},
            "mask_fill": {"value": fill, "how": "add"}, "empty_rows": "uniform",
        }
    )  # fmt: skip
    if dtype == "float64":
        # Where a row sees no key, scores have lost what is below the last place of 1e9.
        agrees(record["weights"], weights, 1e9 * np.finfo(np.float64).eps)
        agrees(record["output"], output, 1e-5)
        return
    near(record["weights"], weights, dtype)
    near(record["output"], output, dtype)


@types
def test_additive_attention(dtype: str) -> None:
    """keras.layers.AdditiveAttention has no matrices: its scale is our v, W_q and W_k are I."""
    query, key, value = narrowed(
        dtype, *normal(10, (BATCH, N_Q, D_K), (BATCH, N_K, D_K), (BATCH, N_K, D_V))
    )
    (v,) = narrowed(dtype, *normal(11, (D_K,)))
    layer = keras.layers.AdditiveAttention(dtype=dtype)
    tensors = [keras.ops.convert_to_tensor(each, dtype=dtype) for each in (query, value, key)]
    layer(tensors)
    layer.weights[0].assign(v)
    results = layer(tensors, return_attention_scores=True)
    output, weights = (
        keras.ops.convert_to_numpy(keras.ops.cast(each, "float64")) for each in results
    )
    identity = np.eye(D_K)
    record = attn_cli.compute(
        {
            "query": query, "key": key, "value": value, "dtype": dtype,
            "score": {"function": "additive", "W1": identity, "W2": identity, "v": v},
        }
    )  # fmt: skip
    # In 16 bits the sum of q and k, tanh and its product with v are rounded one by one there.
    units = ROUNDED_STEPS
    agree.near(record["weights"], weights, dtype, units)
    # The product with V is of float32 there, in float64 too.
    agree.near(record["output"], output, "float32" if dtype == "float64" else dtype, units)


@types
@pytest.mark.parametrize("kind", [multi_head, grouped])
def test_gate(dtype: str, kind: Any) -> None:
    """use_gate: a sigmoid of a projection of the queries' input, on the context."""
    few = kind is grouped
    inputs = qkv(dtype, kv_heads=KV_HEADS if few else HEADS, d_v=D_K)
    layer = (
        kind(dtype, use_gate=True)
        if few
        else keras.layers.MultiHeadAttention(HEADS, D_K, use_gate=True, dtype=dtype)
    )
    output, weights = run(layer, dtype, inputs)
    record = ours(dtype, inputs, {})
    near(record["weights"], weights, dtype)
    context = joined(record["output"])
    logits = inputs[0].reshape(BATCH, N_Q, -1)
    expected = context / (1 + np.exp(-logits.astype(np.float64)))
    if dtype in ("float16", "bfloat16"):
        # Context, gate and product are rounded one after the other.
        agrees(expected, output, 0.02 if dtype == "bfloat16" else 0.003)
    else:
        near(expected, output, dtype)
