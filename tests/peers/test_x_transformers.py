"""x-transformers: Attend without flash, and the layer around it, on the CPU.

Its softmax runs in float32 whatever the inputs are, so float64 ends at the tolerance of float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from x_transformers.attend import Attend
from x_transformers.x_transformers import (
    AlibiPositionalBias,
    Attention,
    RelativePositionBias,
    RotaryEmbedding,
    apply_rotary_pos_emb,
)

import attn_cli
from tests.peers import agree
from tests.peers.agree import (
    NARROW,
    ROUNDED_SCORES,
    ROUNDED_STEPS,
    TOLERANCE,
    TYPES,
    agrees,
    departs,
    narrowed,
    normal,
)
from tests.peers.tensors import array, tensor

BATCH, HEADS, KV_HEADS, D_K, D_V = 2, 6, 3, 6, 11
SIZES = [(7, 13), (13, 7), (7, 7), (1, 13)]

pytestmark = pytest.mark.parametrize("dtype", TYPES)
sizes = pytest.mark.parametrize(("n_q", "n_k"), SIZES)


def qkv(dtype: str, n_q: int = 7, n_k: int = 13, kv_heads: int = HEADS) -> list[np.ndarray]:
    keys = (BATCH, kv_heads, n_k)
    return narrowed(dtype, *normal(n_q * n_k, (BATCH, HEADS, n_q, D_K), (*keys, D_K), (*keys, D_V)))


def near(here: Any, there: Any, dtype: str, units: float = ROUNDED_SCORES) -> None:
    agree.near(here, there, dtype, units)


def as_type(dtype: str) -> str:
    """Return the type whose tolerance holds: that of the softmax at most."""
    return "float32" if dtype == "float64" else dtype


def check(
    dtype: str,
    inputs: list[np.ndarray],
    problem: dict[str, Any],
    options: dict[str, Any] | None = None,
    *,
    bias: torch.Tensor | None = None,
    mask: np.ndarray | None = None,
    first: int = 0,
    units: float = ROUNDED_SCORES,
) -> attn_cli.Record:
    """Compare weights and output; so many keys of theirs are added before those of the input."""
    attend = Attend(**{"heads": HEADS} | (options or {})).to(getattr(torch, dtype))
    output, steps = attend(
        *(tensor(dtype, each) for each in inputs),
        attn_bias=bias,
        mask=None if mask is None else torch.from_numpy(mask),
    )
    given = dict(zip(("query", "key", "value"), inputs, strict=True))
    record = attn_cli.compute({**given, "dtype": dtype, "like": "x-transformers", **problem})
    near(record["output"], array(output), as_type(dtype), units)
    weights = array(steps.post_softmax_attn)[..., first:]
    # A row whose output is set to 0 has no weights to compare.
    seen = record["weights"].any(-1)
    near(record["weights"][seen], weights[seen], as_type(dtype), units)
    return record


@sizes
@pytest.mark.parametrize("scale", [None, 0.3])
def test_scale(dtype: str, n_q: int, n_k: int, scale: float | None) -> None:
    keys = {} if scale is None else {"scale": scale}
    check(dtype, qkv(dtype, n_q, n_k), keys, {"scale": scale})


@sizes
@pytest.mark.parametrize("kv_heads", [1, 2, 3, 6])
def test_grouped_heads_take_turns(dtype: str, n_q: int, n_k: int, kv_heads: int) -> None:
    check(dtype, qkv(dtype, n_q, n_k, kv_heads), {})


@sizes
def test_causal(dtype: str, n_q: int, n_k: int) -> None:
    """With more queries than keys the first rows see nothing, and are uniform."""
    if dtype == "float64" and n_q > n_k:
        pytest.skip("see test_rows_without_a_key_in_float64")
    record = check(dtype, qkv(dtype, n_q, n_k), {"causal": True}, {"causal": True})
    if n_q > n_k:
        agrees(record["weights"][:, :, 0], np.full((BATCH, HEADS, n_k), 1 / n_k), 0.01)


@pytest.mark.parametrize("shape", [(BATCH, 1, 7, 13), (BATCH, HEADS, 7, 13), (BATCH, 1, 1, 13)])
@pytest.mark.parametrize("causal", [False, True])
def test_true_means_attend(dtype: str, shape: tuple[int, ...], causal: bool) -> None:
    mask = np.random.default_rng(shape[1]).random(shape) < 0.6
    problem = {"mask": mask, "causal": causal}
    check(dtype, qkv(dtype), problem, {"causal": causal}, mask=mask)


@pytest.mark.parametrize("causal", [False, True])
def test_a_mask_of_keys(dtype: str, causal: bool) -> None:
    """A mask of two axes is (batch, keys) there; here it is written with four."""
    mask = np.random.default_rng(3).random((BATCH, 13)) < 0.6
    problem = {"mask": mask[:, None, None], "causal": causal}
    check(dtype, qkv(dtype), problem, {"causal": causal}, mask=mask)


@pytest.mark.parametrize("cap", [None, 1.25])
@pytest.mark.parametrize("shape", [(7, 13), (HEADS, 7, 13), (BATCH, HEADS, 7, 13)])
def test_bias_comes_before_the_cap(dtype: str, cap: float | None, shape: tuple[int, ...]) -> None:
    (bias,) = narrowed(dtype, *normal(5, shape))
    mask = np.random.default_rng(5).random((BATCH, 1, 7, 13)) < 0.6
    problem: dict[str, Any] = {"score_bias": bias, "mask": mask, "causal": True}
    options: dict[str, Any] = {"causal": True}
    if cap is not None:
        problem["softcap"] = cap
        options |= {"softclamp_logits": True, "logit_softclamp_value": cap}
    units = ROUNDED_SCORES if cap is None else ROUNDED_STEPS
    given = {"bias": tensor(dtype, bias), "mask": mask, "units": units}
    check(dtype, qkv(dtype), problem, options, **given)


def test_rows_that_see_no_key(dtype: str) -> None:
    """Row 2: the mask hides all. Row 0: the mask hides what causal order leaves. Causal alone."""
    if dtype == "float64":
        pytest.skip("see test_rows_without_a_key_in_float64")
    mask = np.random.default_rng(6).random((BATCH, 1, 7, 7)) < 0.6
    mask[1, :, 2] = False
    mask[1, :, 0] = [False] + [True] * 6
    problem = {"mask": mask, "causal": True}
    record = check(dtype, qkv(dtype, 7, 7), problem, {"causal": True}, mask=mask)
    assert not record["output"][1, :, 2].any()
    agrees(record["weights"][1, :, 0], np.full((HEADS, 7), 1 / 7), 0.01)


def test_rows_without_a_key_in_float64(dtype: str) -> None:
    """The lowest float64 is -inf in the float32 of the softmax: NaN there, and uniform here.

    Seen in 2.31.10. No model runs in float64; in the three other types such a row is uniform.
    """
    departs("x-transformers", "2.31.10")
    inputs = qkv(dtype, 13, 7)
    attend = Attend(heads=HEADS, causal=True)
    _, steps = attend(*(tensor(dtype, each) for each in inputs))
    weights = array(steps.post_softmax_attn)[:, :, :6]
    given = dict(zip(("query", "key", "value"), inputs, strict=True))
    record = attn_cli.compute({**given, "dtype": dtype, "like": "x-transformers", "causal": True})
    assert np.isnan(weights).all() == (dtype == "float64")
    agrees(record["weights"][:, :, :6], np.full((BATCH, HEADS, 6, 7), 1 / 7), 0.003)


def test_one_key_and_two_queries(dtype: str) -> None:
    if dtype == "float64":
        pytest.skip("see test_rows_without_a_key_in_float64")
    inputs = [np.zeros((1, 1, 2, 1)), np.zeros((1, 1, 1, 1)), np.full((1, 1, 1, 1), 5.0)]
    record = check(dtype, inputs, {"causal": True}, {"causal": True, "heads": 1})
    agrees(record["output"].reshape(-1), [5, 5], 0)


@pytest.mark.parametrize("kept", [1, 3])
def test_sparse_topk(dtype: str, kept: int) -> None:
    """Its softmax keeps to float64; inside torch's of 16 bits numbers are of float32."""
    softmax = dtype if dtype not in NARROW else "float32"
    problem: dict[str, Any] = {"top_k": kept, "precision": {"softmax": softmax}}
    attend = Attend(heads=HEADS, sparse_topk=kept)
    inputs = qkv(dtype)
    output, steps = attend(*(tensor(dtype, each) for each in inputs))
    given = dict(zip(("query", "key", "value"), inputs, strict=True))
    record = attn_cli.compute({**given, "dtype": dtype, "like": "x-transformers", **problem})
    near(record["weights"], array(steps.post_softmax_attn), dtype)
    near(record["output"], array(output), dtype)


def test_a_zero_key_with_a_zero_value_is_softmax1(dtype: str) -> None:
    check(dtype, qkv(dtype), {"normalize": "softmax1"}, {"add_zero_kv": True}, first=1)


@pytest.mark.parametrize("causal", [False, True])
def test_learnt_sinks(dtype: str, causal: bool) -> None:
    (logits,) = narrowed(dtype, *normal(7, (HEADS,)))
    inputs = qkv(dtype)
    attend = Attend(heads=HEADS, head_learned_sink=True, causal=causal)
    with torch.no_grad():
        attend.head_attn_sink.copy_(torch.from_numpy(logits))
    output, steps = attend.to(getattr(torch, dtype))(*(tensor(dtype, each) for each in inputs))
    given = dict(zip(("query", "key", "value"), inputs, strict=True))
    record = attn_cli.compute(
        {
            **given, "dtype": dtype, "like": "x-transformers", "causal": causal,
            "normalize": {"function": "sink_logits", "logits": logits},
        }
    )  # fmt: skip
    near(record["output"], array(output), as_type(dtype))
    near(record["weights"], array(steps.post_softmax_attn)[..., 1:], as_type(dtype))


@sizes
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("heads", [6, 8])
def test_alibi(dtype: str, n_q: int, n_k: int, causal: bool, heads: int) -> None:
    """Its slopes, of 6 heads those of the paper, and distances from the end of the keys."""
    if n_q > n_k:
        pytest.skip("there are no positions before the first key")
    shape = (BATCH, heads)
    inputs = narrowed(
        dtype,
        *normal(8, (*shape, n_q, D_K), (*shape, n_k, D_K), (*shape, n_k, D_V)),
    )
    bias = AlibiPositionalBias(heads).to(getattr(torch, dtype))(n_q, n_k)
    problem = {"alibi": True, "causal": True} if causal else {"alibi": True, "offset": n_k - n_q}
    options = {"causal": causal, "heads": heads}
    check(dtype, inputs, problem, options, bias=bias)


@pytest.mark.parametrize("buckets", [8, 24])
@pytest.mark.parametrize("causal", [False, True])
def test_relative_position_bias(dtype: str, buckets: int, causal: bool) -> None:
    """T5's: buckets of distances, from the end of the keys."""
    layer = RelativePositionBias(
        1.0, causal=causal, num_buckets=buckets, max_distance=13, heads=HEADS
    ).to(getattr(torch, dtype))
    (table,) = narrowed(dtype, *normal(9, (buckets, HEADS)))
    with torch.no_grad():
        layer.relative_attention_bias.weight.copy_(torch.from_numpy(table))
    kind = {"table": table, "bidirectional": not causal, "max_distance": 13}
    problem: dict[str, Any] = {"relative_bias": kind}
    problem |= {"causal": True} if causal else {"offset": 6}
    check(dtype, qkv(dtype), problem, {"causal": causal}, bias=layer(7, 13))


@pytest.mark.parametrize("dims", [4, 6])
def test_rotary_embedding_turns_neighbours(dtype: str, dims: int) -> None:
    query, key, value = qkv(dtype, 7, 7)
    freqs, scale = RotaryEmbedding(dims).forward_from_seq_len(7)
    turned = [array(apply_rotary_pos_emb(tensor(dtype, x), freqs, scale)) for x in (query, key)]
    given = {"query": query, "key": key, "value": value, "dtype": dtype}
    record = attn_cli.compute({**given, "like": "x-transformers", "rope": {"dims": dims}})
    near(record["q_rotated"], turned[0], as_type(dtype))
    near(record["k_rotated"], turned[1], as_type(dtype))


# The layer around it makes the window.


def layer_of(dtype: str, **options: Any) -> Any:
    """Return a layer whose projections are identities."""
    layer = Attention(HEADS * D_K, heads=HEADS, dim_head=D_K, **options)
    with torch.no_grad():
        for part in (layer.to_q, layer.to_k, layer.to_v, layer.to_out):
            part.weight.copy_(torch.eye(HEADS * D_K))
    return layer.to(getattr(torch, dtype))


@pytest.mark.parametrize("window", [0, 1, 3])
@pytest.mark.parametrize(("n_q", "n_k"), [(7, 13), (7, 7)])
def test_window(dtype: str, window: int, n_q: int, n_k: int) -> None:
    """max_attend_past W, in a layer that is causal: itself and W before it."""
    x, context = narrowed(dtype, *normal(12, (BATCH, n_q, HEADS * D_K), (BATCH, n_k, HEADS * D_K)))
    layer = layer_of(dtype, causal=True, max_attend_past=window)
    output = array(layer(tensor(dtype, x), context=tensor(dtype, context)))
    split = [each.reshape(BATCH, -1, HEADS, D_K).swapaxes(1, 2) for each in (x, context, context)]
    given = dict(zip(("query", "key", "value"), split, strict=True))
    problem = {"causal": True, "window": window}
    record = attn_cli.compute({**given, "dtype": dtype, "like": "x-transformers", **problem})
    joined = record["output"].swapaxes(1, 2).reshape(BATCH, n_q, -1)
    near(joined, output, as_type(dtype))


def test_16_bits_show(dtype: str) -> None:
    """The tolerance would notice a step in another type."""
    if dtype not in NARROW:
        pytest.skip("of 16 bits")
    inputs = qkv(dtype)
    output, _ = Attend(heads=HEADS)(*(tensor(dtype, each) for each in inputs))
    given = dict(zip(("query", "key", "value"), inputs, strict=True))
    wide = attn_cli.compute({**given, "dtype": "float32", "like": "x-transformers"})
    assert abs(wide["output"] - array(output)).max() > TOLERANCE["float32"]
