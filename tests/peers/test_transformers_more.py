"""More of transformers' eager attention, for the conventions that the first five do not have.

T5 (relative biases, no scale), GPT-J and GPT-NeoX (a part of the features turns, in pairs of
neighbours and in halves), Qwen3 (queries and keys normalised), Qwen3-Next (a gate on the output).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    GPTJConfig,
    GPTJModel,
    GPTNeoXConfig,
    GPTNeoXModel,
    Qwen3Config,
    Qwen3Model,
    Qwen3NextConfig,
    Qwen3NextModel,
    T5Config,
    T5Model,
)
from transformers.models.t5.modeling_t5 import T5Attention

import attn_cli
from tests.peers.agree import DTYPES, TOLERANCE, agrees, normal
from tests.peers.layers import (
    NAMES,
    VOCABULARY,
    array,
    check,
    in_single,
    projections,
    randomised,
    token_ids,
    watched,
)

SINGLE = TOLERANCE["float32"]
HEADS, KV_HEADS, D_MODEL, HEAD_DIM = 6, 2, 30, 10
types = pytest.mark.parametrize("dtype", DTYPES)
sizes: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": D_MODEL,
    "intermediate_size": 11,
    "num_hidden_layers": 1,
    "num_attention_heads": HEADS,
    "use_cache": False,
    "attn_implementation": "eager",
}
grouped = {"num_key_value_heads": KV_HEADS, "head_dim": HEAD_DIM, "attention_bias": True}


@types
@pytest.mark.parametrize("part", ["encoder", "decoder"])
@pytest.mark.parametrize(("buckets", "distance"), [(8, 13), (32, 128), (4, 5)])
def test_t5(dtype: str, part: str, buckets: int, distance: int) -> None:
    """The decoder has no buckets for what comes after; its softmax keeps to the model's type."""
    config = T5Config(
        vocab_size=VOCABULARY, d_model=D_MODEL, d_kv=HEAD_DIM, d_ff=11, num_layers=1,
        num_heads=HEADS, relative_attention_num_buckets=buckets, use_cache=False,
        relative_attention_max_distance=distance, attn_implementation="eager",
    )  # fmt: skip
    model = randomised(T5Model(config), dtype, seed=12)
    layer = getattr(model, part).block[0].layer[0].SelfAttention
    ids = token_ids(31, 23)
    seen = watched(model, layer, 0, ids, part=f"{part}_", decoder_input_ids=ids)
    problem: dict[str, Any] = {
        "heads": HEADS,
        "score": "dot",
        "causal": part == "decoder",
        "weights": {name: array(getattr(layer, name[0]).weight).T for name in (*NAMES, "output")},
        "relative_bias": {
            "table": array(layer.relative_attention_bias.weight),
            "bidirectional": part == "encoder",
            "max_distance": distance,
        },
    }
    check(seen, problem, TOLERANCE[dtype])


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("buckets", "distance"), [(8, 13), (32, 128), (16, 24)])
def test_buckets_of_t5_from_far_away(bidirectional: bool, buckets: int, distance: int) -> None:
    """Up to distances beyond the largest; the table's numbers are the numbers of its buckets."""
    n_q, n_k, offset = 5, 307, 151
    query, key, value = normal(61, (n_q, 3), (n_k, 3), (n_k, 2))
    record = attn_cli.compute(
        {
            "query": query,
            "key": key,
            "value": value,
            "offset": offset,
            "relative_bias": {
                "table": np.arange(buckets)[:, None],
                "bidirectional": bidirectional,
                "max_distance": distance,
            },
        }
    )
    apart = torch.arange(n_k)[None, :] - (torch.arange(n_q)[:, None] + offset)
    there = T5Attention._relative_position_bucket(apart, bidirectional, buckets, distance)
    here = record["biased"] - record["scores"]
    agrees(here, there.numpy(), 1e-11)


@types
@pytest.mark.parametrize("dims", [2, 4, None])
def test_gpt_j(dtype: str, dims: int | None) -> None:
    """Scores are made in float32 too: in float64 no step can be compared any closer."""
    config = GPTJConfig(
        vocab_size=VOCABULARY, n_embd=24, n_head=HEADS, n_layer=1, n_positions=19,
        rotary_dim=4 if dims is None else dims, use_cache=False, attn_implementation="eager",
    )  # fmt: skip
    model = randomised(GPTJModel(config), dtype, seed=14)
    layer = model.h[0].attn
    seen = watched(model, layer, 0, token_ids(37))
    rope = {"interleaved": True} | ({} if dims is None else {"dims": dims})
    problem = {"heads": HEADS, "causal": True, "rope": rope, **projections(layer, "out_proj")}
    check(seen, problem | in_single(dtype), SINGLE)


@types
@pytest.mark.parametrize("part", [0.4, 0.8, 1.0])
def test_gpt_neox(dtype: str, part: float) -> None:
    """One matrix makes a query, a key and a value for one head after the other."""
    rope = {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": part}
    config = GPTNeoXConfig(**sizes | {"hidden_size": HEADS * HEAD_DIM}, rope_parameters=rope)
    model = randomised(GPTNeoXModel(config), dtype, seed=16, std=0.2)
    layer = model.layers[0].attention
    seen = watched(model, layer, 0, token_ids(41))
    weight, bias = array(layer.query_key_value.weight).T, array(layer.query_key_value.bias)
    apart = weight.reshape(-1, HEADS, 3, HEAD_DIM), bias.reshape(HEADS, 3, HEAD_DIM)
    problem = {
        "heads": HEADS,
        "causal": True,
        "rope": {"dims": int(HEAD_DIM * part)},
        "weights": {
            **{n: apart[0][:, :, at].reshape(-1, HEADS * HEAD_DIM) for at, n in enumerate(NAMES)},
            "output": array(layer.dense.weight).T,
        },
        "biases": {
            **{name: apart[1][:, at].reshape(-1) for at, name in enumerate(NAMES)},
            "output": array(layer.dense.bias),
        },
    }
    check(seen, problem | in_single(dtype), SINGLE)


@types
@pytest.mark.parametrize("eps", [1e-6, 0.5])
def test_qwen3_normalises_queries_and_keys(dtype: str, eps: float) -> None:
    """Over the features of each head, before they turn; the norm is in float32."""
    model = randomised(
        Qwen3Model(Qwen3Config(**sizes, **grouped, rms_norm_eps=eps)), dtype, seed=18
    )
    layer = model.layers[0].self_attn
    seen = watched(model, layer, 0, token_ids(43))
    problem = {
        "heads": HEADS,
        "kv_heads": KV_HEADS,
        "causal": True,
        "rope": True,
        "qk_norm": {
            "function": "rms",
            "eps": eps,
            "query_gain": array(layer.q_norm.weight),
            "key_gain": array(layer.k_norm.weight),
        },
        **projections(layer, "o_proj"),
    }
    check(seen, problem | in_single(dtype), SINGLE)


@types
def test_qwen3_next_gates_the_output(dtype: str) -> None:
    """Its gate is made from the layer's input; the gain of its norm is 1 + weight."""
    rope = {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.4}
    config = Qwen3NextConfig(
        **sizes, **grouped, layer_types=["full_attention"], rope_parameters=rope,
        moe_intermediate_size=11, shared_expert_intermediate_size=11, num_experts=2,
        num_experts_per_tok=1, experts_implementation="eager", rms_norm_eps=1e-6,
    )  # fmt: skip
    model = randomised(Qwen3NextModel(config), dtype, seed=20)
    layer = model.layers[0].self_attn
    seen = watched(model, layer, 0, token_ids(47))
    parts = projections(layer, "o_proj")
    weight = parts["weights"]["query"].reshape(-1, HEADS, 2, HEAD_DIM)
    bias = parts["biases"]["query"].reshape(HEADS, 2, HEAD_DIM)
    query, gate = (
        (weight[:, :, at].reshape(D_MODEL, -1), bias[:, at].reshape(-1)) for at in (0, 1)
    )
    parts["weights"]["query"], parts["biases"]["query"] = query
    problem = {
        "heads": HEADS,
        "kv_heads": KV_HEADS,
        "causal": True,
        "rope": {"dims": 4},
        "qk_norm": {
            "function": "rms",
            "eps": 1e-6,
            "query_gain": 1 + array(layer.q_norm.weight),
            "key_gain": 1 + array(layer.k_norm.weight),
        },
        "output_gate": {"weights": gate[0], "bias": gate[1]},
        **parts,
    }
    check(seen, problem | in_single(dtype), SINGLE)
