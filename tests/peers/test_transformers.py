"""Eager attention of transformers: a layer of a tiny random model, weights and output.

GPT-2 and gpt-oss keep to the type of the model; the others take the softmax in float32 whatever
it is, so that float64 ends at the tolerance of float32 there. Rotations too are made in float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    Gemma2Config,
    Gemma2Model,
    GPT2Config,
    GPT2Model,
    GptOssConfig,
    GptOssModel,
    LlamaConfig,
    LlamaModel,
    MptConfig,
    MptModel,
)

from tests.peers.agree import DTYPES, TOLERANCE, departs
from tests.peers.layers import (
    NAMES,
    VOCABULARY,
    N,
    array,
    check,
    in_single,
    projections,
    randomised,
    token_ids,
    watched,
)

SINGLE = TOLERANCE["float32"]
HEADS, KV_HEADS, D_MODEL, HEAD_DIM, WINDOW = 6, 2, 30, 10, 3
# What padding on the left leaves of each entry: its first queries see nothing at all.
PADDING = torch.tensor([[0, 0, 1, 1, 1, 1, 1], [1] * N])
LOWEST = {"value": "lowest", "how": "add"}

types = pytest.mark.parametrize("dtype", DTYPES)
padded_or_not = pytest.mark.parametrize("padded", [False, True])
# In float64 the softmax in float32 makes NaN of rows that see nothing: a test of its own.
but_padded_float64 = pytest.mark.parametrize(
    ("dtype", "padded"), [("float64", False), ("float32", False), ("float32", True)]
)
tiny: dict[str, Any] = {"vocab_size": VOCABULARY, "num_hidden_layers": 2, "use_cache": False}
sizes: dict[str, Any] = {
    **tiny,
    "hidden_size": D_MODEL,
    "intermediate_size": 11,
    "num_attention_heads": HEADS,
    "num_key_value_heads": KV_HEADS,
    "head_dim": HEAD_DIM,
    "attention_bias": True,
    "attn_implementation": "eager",
}


def padding(padded: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the model's argument, and the masks of ours that say the same, one an entry."""
    if not padded:
        return {}, {}
    masks = [{"values": row, "true_means": "attend"} for row in PADDING.bool().numpy()]
    return {"attention_mask": PADDING}, {"mask": masks}


# GPT-2


def gpt2(dtype: str, **options: Any) -> Any:
    sized = {"n_embd": D_MODEL, "n_head": HEADS, "n_layer": 2, "n_positions": 19}
    config = GPT2Config(vocab_size=VOCABULARY, attn_implementation="eager", **sized, **options)
    return randomised(GPT2Model(config), dtype, seed=2)


def gpt2_problem(layer: Any) -> dict[str, Any]:
    """Return the problem: queries, keys and values are made by one matrix, kept as it is used."""
    weights = np.split(array(layer.c_attn.weight), 3, axis=1)
    biases = np.split(array(layer.c_attn.bias), 3)
    return {
        "heads": HEADS,
        "weights": {**dict(zip(NAMES, weights, strict=True)), "output": array(layer.c_proj.weight)},
        "biases": {**dict(zip(NAMES, biases, strict=True)), "output": array(layer.c_proj.bias)},
    }


@types
@pytest.mark.parametrize("number", [0, 1])
def test_gpt2(dtype: str, number: int) -> None:
    model = gpt2(dtype)
    layer = model.h[number].attn
    seen = watched(model, layer, number, token_ids(3), use_cache=False)
    problem = gpt2_problem(layer)
    check(seen, problem | {"causal": True}, TOLERANCE[dtype])
    # The preset is of the many that take the softmax in float32.
    check(seen, problem | {"causal": True, "like": "hf-eager"}, SINGLE)


@types
def test_gpt2_scaled_by_the_number_of_the_layer(dtype: str) -> None:
    model = gpt2(dtype, scale_attn_by_inverse_layer_idx=True)
    layer = model.h[1].attn
    seen = watched(model, layer, 1, token_ids(3), use_cache=False)
    problem = gpt2_problem(layer) | {"causal": True, "scale": 1 / np.sqrt(D_MODEL / HEADS) / 2}
    check(seen, problem, TOLERANCE[dtype])


@types
def test_gpt2_rows_that_see_nothing_are_uniform(dtype: str) -> None:
    """The lowest number is added, and swallows the scores; uniform is over keys seen or not."""
    model = gpt2(dtype)
    layer = model.h[1].attn
    inputs, entries = padding(True)
    seen = watched(model, layer, 1, token_ids(3), use_cache=False, **inputs)
    problem = gpt2_problem(layer) | {"causal": True}
    for keys in ({"mask_fill": LOWEST}, {"empty_rows": "uniform"}):
        check(seen, problem | keys, TOLERANCE[dtype], **entries)
    if dtype == "float32":
        check(seen, problem | {"like": "hf-eager"}, SINGLE, **entries)
    np.testing.assert_allclose(seen.weights[0, :, :2], 1 / N, rtol=1e-6)


@types
@pytest.mark.parametrize("before", [1, 5])
def test_gpt2_with_a_cache(dtype: str, before: int) -> None:
    model = gpt2(dtype)
    layer, ids = model.h[1].attn, token_ids(5, 11)
    with torch.no_grad():
        cache = model(input_ids=ids[:, :before], use_cache=True).past_key_values
    # A copy: the cache grows while the model runs.
    past = [array(each).copy() for each in (cache.layers[1].keys, cache.layers[1].values)]
    seen = watched(model, layer, 1, ids[:, before:], past_key_values=cache, use_cache=True)
    pasts = [{"key": k[None], "value": v[None]} for k, v in zip(*past, strict=True)]
    check(seen, gpt2_problem(layer) | {"causal": True}, TOLERANCE[dtype], past=pasts)


# Llama


def llama(dtype: str, **options: Any) -> Any:
    config = LlamaConfig(**sizes, **{"max_position_embeddings": 64} | options)
    return randomised(LlamaModel(config), dtype, seed=4)


def llama_problem(layer: Any, **rope: Any) -> dict[str, Any]:
    return {
        "heads": HEADS,
        "kv_heads": KV_HEADS,
        "causal": True,
        "rope": rope or True,
        **projections(layer, "o_proj"),
    }


@but_padded_float64
@pytest.mark.parametrize("theta", [10000.0, 17.0])
def test_llama(dtype: str, padded: bool, theta: float) -> None:
    model = llama(dtype, rope_parameters={"rope_type": "default", "rope_theta": theta})
    layer = model.layers[1].self_attn
    inputs, entries = padding(padded)
    seen = watched(model, layer, 1, token_ids(7), **inputs)
    problem = llama_problem(layer, base=theta) | in_single(dtype)
    check(seen, problem | {"mask_fill": LOWEST}, SINGLE, **entries)
    check(seen, problem | {"like": "hf-eager"}, SINGLE, **entries)


def test_llama_in_float64_has_nan_in_rows_that_see_nothing() -> None:
    """The lowest float64 is -inf in float32, in which the softmax is: where float32 is uniform.

    Seen in transformers 5.23.0. The mask is documented as "minimum value for the given dtype",
    which is what keeps such rows from being NaN.
    """
    departs("transformers", "5.23.0")
    model = llama("float64")
    layer = model.layers[0].self_attn
    inputs, entries = padding(True)
    seen = watched(model, layer, 0, token_ids(7), **inputs)
    assert np.isnan(seen.weights[0, :, :2]).all()
    problem = llama_problem(layer) | in_single("float64") | {"empty_rows": "nan"}
    check(seen, problem, SINGLE, **entries)


SCALINGS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"rope_type": "linear", "factor": 4.0}, {"kind": "linear", "factor": 4}),
    # Made for a context of 4 and run on 7: the base grows as by a factor of 4 (7/4) - (4 - 1) = 4.
    ({"rope_type": "dynamic", "factor": 4.0}, {"kind": "ntk", "factor": 4}),
    (
        {"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 256},
        {"kind": "yarn", "factor": 8, "original_length": 256},
    ),
    (
        {
            "rope_type": "yarn",
            "factor": 8.0,
            "original_max_position_embeddings": 256,
            "truncate": False,  # gpt-oss
        },
        {"kind": "yarn", "factor": 8, "original_length": 256, "truncate": False},
    ),
    (
        {
            "rope_type": "yarn",
            "factor": 3.0,
            "original_max_position_embeddings": 128,
            "beta_fast": 16.0,
            "beta_slow": 2.0,
            "attention_factor": 0.75,
        },
        {
            "kind": "yarn",
            "factor": 3,
            "original_length": 128,
            "beta_fast": 16,
            "beta_slow": 2,
            "attention_factor": 0.75,
        },
    ),
    (
        {
            "rope_type": "llama3",
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        },
        {
            "kind": "llama3",
            "factor": 8,
            "low_freq_factor": 1,
            "high_freq_factor": 4,
            "original_length": 64,
        },
    ),
]


@types
@pytest.mark.parametrize(("there", "here"), SCALINGS)
def test_llama_with_scaled_rotations(
    dtype: str, there: dict[str, Any], here: dict[str, Any]
) -> None:
    length = 4 if there["rope_type"] == "dynamic" else 512
    rope = {"rope_theta": 10000.0, **there}
    model = llama(dtype, rope_parameters=rope, max_position_embeddings=length)
    layer = model.layers[1].self_attn
    seen = watched(model, layer, 1, token_ids(11))
    check(seen, llama_problem(layer, scaling=here) | in_single(dtype), SINGLE)
    plain = llama_problem(layer) | in_single(dtype)
    with pytest.raises(AssertionError):
        check(seen, plain, 1e-3)


@types
def test_llama_packed_documents(dtype: str) -> None:
    """Positions that start again make documents there; only differences of positions count."""
    model = llama(dtype)
    layer, lengths = model.layers[1].self_attn, (3, 4)
    positions = torch.cat([torch.arange(each) for each in lengths])[None]
    seen = watched(model, layer, 1, token_ids(13), position_ids=positions)
    problem = llama_problem(layer) | {"documents": np.repeat([0, 1], lengths)}
    check(seen, problem | in_single(dtype), SINGLE)


# Gemma-2


@but_padded_float64
@pytest.mark.parametrize("number", [0, 1])
def test_gemma_2(dtype: str, padded: bool, number: int) -> None:
    """Its even layers have a window, in which the sliding_window counts the key itself."""
    config = Gemma2Config(
        **sizes, sliding_window=WINDOW, query_pre_attn_scalar=7, attn_logit_softcapping=1.5
    )
    model = randomised(Gemma2Model(config), dtype, seed=6)
    layer = model.layers[number].self_attn
    assert (layer.sliding_window == WINDOW) == (number == 0)
    inputs, entries = padding(padded)
    seen = watched(model, layer, number, token_ids(17), **inputs)
    problem = llama_problem(layer) | in_single(dtype) | {"scale": 7**-0.5, "softcap": 1.5}
    written = problem | {"mask_fill": LOWEST}
    preset = problem | {"like": "gemma-2"}
    if number == 0:
        written |= {"window": {"keys": WINDOW}}
        preset |= {"window": WINDOW}
    check(seen, written, SINGLE, **entries)
    check(seen, preset, SINGLE, **entries)
    if number == 0:
        check(
            seen, problem | {"window": {"left": WINDOW - 1}, "mask_fill": LOWEST}, SINGLE, **entries
        )


# gpt-oss


def gpt_oss(dtype: str, **rope: Any) -> tuple[Any, Any]:
    config = GptOssConfig(
        **sizes,
        sliding_window=WINDOW,
        num_local_experts=2,
        num_experts_per_tok=1,
        experts_implementation="eager",
        max_position_embeddings=4096,
        rope_parameters={"rope_theta": 150000.0, "rope_type": "default"} | rope,
    )
    model = randomised(GptOssModel(config), dtype, seed=8)
    return model, [layer.self_attn for layer in model.layers]


def gpt_oss_problem(layer: Any) -> dict[str, Any]:
    logits = {"function": "sink_logits", "logits": array(layer.sinks)}
    window = {} if layer.sliding_window is None else {"window": {"keys": WINDOW}}
    return llama_problem(layer, base=150000) | {"normalize": logits, **window}


@types
@padded_or_not
@pytest.mark.parametrize("number", [0, 1])
def test_gpt_oss(dtype: str, padded: bool, number: int) -> None:
    """With a sink even the rows that see nothing are defined: their weights are 0."""
    model, layers = gpt_oss(dtype)
    inputs, entries = padding(padded)
    seen = watched(model, layers[number], number, token_ids(19), **inputs)
    problem = gpt_oss_problem(layers[number])
    for keys in ({"mask_fill": LOWEST}, {}, {"like": "gpt-oss"}):
        check(seen, problem | keys, SINGLE, **entries)
    assert (seen.weights.sum(-1) < 1).all()


@pytest.mark.parametrize("number", [0, 1])
def test_gpt_oss_in_float64_with_rotations_in_float64(number: int) -> None:
    """Its softmax keeps to the type of the model: all of the layer is then exact."""
    model, layers = gpt_oss("float64")

    def exact(*_: Any) -> tuple[torch.Tensor, torch.Tensor]:
        frequencies = 150000.0 ** (-2 * np.arange(HEAD_DIM // 2) / HEAD_DIM)
        angles = torch.from_numpy(np.arange(N)[None, :, None] * frequencies)
        return angles.cos(), angles.sin()

    model.rotary_emb.register_forward_hook(exact)
    seen = watched(model, layers[number], number, token_ids(23))
    check(seen, gpt_oss_problem(layers[number]), TOLERANCE["float64"])


# MPT


@but_padded_float64
@pytest.mark.parametrize("heads", [4, 6, 3])
def test_mpt(dtype: str, padded: bool, heads: int) -> None:
    """Its biases are m (j - n_k + 1), whatever the query; hidden scores are replaced, not added to.

    The slopes of 6 and of 3 heads come about there in another way than in the paper.
    """
    config = MptConfig(
        vocab_size=VOCABULARY, d_model=24, n_heads=heads, n_layers=2, max_seq_len=19,
        expansion_ratio=2, use_cache=False, attn_implementation="eager",
    )  # fmt: skip
    model = randomised(MptModel(config), dtype, seed=10)
    layer = model.blocks[1].attn
    weights = np.split(array(layer.Wqkv.weight).T, 3, axis=1)
    problem = {
        "heads": heads,
        "causal": True,
        "weights": {
            **dict(zip(NAMES, weights, strict=True)),
            "output": array(layer.out_proj.weight).T,
        },
        **in_single(dtype),
    }
    inputs, entries = padding(padded)
    seen = watched(model, layer, 1, token_ids(29), **inputs)
    fill = {"mask_fill": {"value": "lowest", "how": "select"}}
    check(seen, problem | {"alibi": {"form": "last_key"}} | fill, SINGLE, **entries)
    if not padded:
        # Of a row all of whose scores move alike the weights stay.
        for form in ("distance", "key", "signed", "clamped"):
            check(seen, problem | {"alibi": {"form": form}}, SINGLE)
        check(seen, problem | {"alibi": True}, SINGLE)
