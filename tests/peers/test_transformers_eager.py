"""The eager attention functions of transformers, on queries, keys and values of every type."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import LlamaConfig
from transformers.models.gemma2 import modeling_gemma2
from transformers.models.gpt_oss import modeling_gpt_oss
from transformers.models.llama import modeling_llama
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

import attn_cli
from tests.peers import agree
from tests.peers.agree import NARROW, ROUNDED_SCORES, ROUNDED_STEPS, TYPES, agrees, narrowed, normal
from tests.peers.tensors import array, tensor

BATCH, HEADS, KV_HEADS, D_K, D_V = 2, 6, 3, 10, 11
pytestmark = pytest.mark.parametrize("dtype", TYPES)
sizes = pytest.mark.parametrize(("n_q", "n_k"), [(7, 13), (7, 7), (1, 13)])


def qkv(dtype: str, n_q: int = 7, n_k: int = 13) -> list[np.ndarray]:
    keys = (BATCH, KV_HEADS, n_k)
    return narrowed(dtype, *normal(n_q * n_k, (BATCH, HEADS, n_q, D_K), (*keys, D_K), (*keys, D_V)))


def causal_mask(dtype: str, n_q: int, n_k: int, window: int | None = None) -> torch.Tensor:
    """Return what masking_utils adds: the lowest number where a key is hidden."""
    at = torch.arange(n_q)[:, None] + n_k - n_q
    j = torch.arange(n_k)
    hidden = j > at if window is None else (j > at) | (j <= at - window)
    kind = getattr(torch, dtype)
    return torch.zeros(n_q, n_k, dtype=kind).masked_fill(hidden, torch.finfo(kind).min)


def check(
    dtype: str,
    function: Any,
    inputs: list[np.ndarray],
    mask: torch.Tensor | None,
    problem: dict[str, Any],
    *,
    softmax: str = "float32",
    sinks: np.ndarray | None = None,
    units: float = ROUNDED_SCORES,
    **arguments: Any,
) -> attn_cli.Record:
    module = SimpleNamespace(
        num_key_value_groups=HEADS // KV_HEADS, training=False, head_dim=D_K,
        sinks=None if sinks is None else tensor(dtype, sinks),
    )  # fmt: skip
    tensors = [tensor(dtype, each) for each in inputs]
    output, weights = function(
        module, *tensors, mask, **{"scaling": D_K**-0.5, "dropout": 0.0} | arguments
    )
    given = dict(zip(("query", "key", "value"), inputs, strict=True))
    record = attn_cli.compute({**given, "dtype": dtype, **problem})
    as_type = "float32" if dtype == "float64" and softmax == "float32" else dtype
    agree.near(record["weights"], array(weights), as_type, units)
    agree.near(record["output"], array(output.transpose(1, 2)), as_type, units)
    return record


@sizes
@pytest.mark.parametrize("scale", [D_K**-0.5, 0.25])
def test_llama(dtype: str, n_q: int, n_k: int, scale: float) -> None:
    problem = {"like": "hf-eager", "causal": True, "scale": scale}
    mask = causal_mask(dtype, n_q, n_k)
    function = modeling_llama.eager_attention_forward
    check(dtype, function, qkv(dtype, n_q, n_k), mask, problem, scaling=scale)


@sizes
@pytest.mark.parametrize("window", [1, 3])
def test_window(dtype: str, n_q: int, n_k: int, window: int) -> None:
    problem = {"like": "hf-eager", "causal": True, "window": window}
    mask = causal_mask(dtype, n_q, n_k, window)
    check(dtype, modeling_llama.eager_attention_forward, qkv(dtype, n_q, n_k), mask, problem)


@pytest.mark.parametrize("shape", [(BATCH, 1, 7, 13), (BATCH, HEADS, 7, 13)])
def test_numbers_are_added(dtype: str, shape: tuple[int, ...]) -> None:
    (bias,) = narrowed(dtype, *normal(5, shape))
    problem = {"like": "hf-eager", "score_bias": bias}
    inputs = qkv(dtype)
    check(dtype, modeling_llama.eager_attention_forward, inputs, tensor(dtype, bias), problem)


def test_large_scores_are_rounded(dtype: str) -> None:
    """257 is not a number of bfloat16, and becomes 256: the score of both keys."""
    shape = (1, 1, 2, 2)
    inputs = [np.ones((1, 1, 1, 2)), np.reshape([256.0, 1, 256, 0], shape)]
    inputs.append(np.eye(2).reshape(shape))
    inputs = narrowed(dtype, *inputs)
    module = SimpleNamespace(num_key_value_groups=1, training=False)
    tensors = [tensor(dtype, each) for each in inputs]
    _, weights = modeling_llama.eager_attention_forward(module, *tensors, None, scaling=1.0)
    given = dict(zip(("query", "key", "value"), inputs, strict=True))
    record = attn_cli.compute({**given, "dtype": dtype, "like": "hf-eager", "scale": 1})
    as_type = "float32" if dtype == "float64" else dtype
    agree.near(record["weights"], array(weights), as_type)
    assert (record["weights"][0, 0, 0, 0] == 0.5) == (dtype == "bfloat16")


@sizes
@pytest.mark.parametrize("cap", [None, 1.25])
def test_gemma_2(dtype: str, n_q: int, n_k: int, cap: float | None) -> None:
    problem: dict[str, Any] = {"like": "gemma-2", "causal": True, "window": 3, "scale": 0.25}
    problem |= {} if cap is None else {"softcap": cap}
    mask = causal_mask(dtype, n_q, n_k, 3)
    # In 16 bits the quotient, its tanh and the product with the cap are rounded one by one.
    units = ROUNDED_SCORES if cap is None else 2 * ROUNDED_STEPS
    function = modeling_gemma2.eager_attention_forward
    check(
        dtype, function, qkv(dtype, n_q, n_k), mask, problem, scaling=0.25, softcap=cap, units=units
    )


@pytest.mark.parametrize("window", [None, 3])
def test_gpt_oss(dtype: str, window: int | None) -> None:
    """Its softmax has the type of the scores; inside torch's of 16 bits numbers are of float32."""
    (sinks,) = narrowed(dtype, *normal(7, (HEADS,)))
    problem: dict[str, Any] = {
        "like": "gpt-oss", "causal": "top-left",
        "normalize": {"function": "sink_logits", "logits": sinks},
    }  # fmt: skip
    problem |= {} if window is None else {"window": window}
    mask = causal_mask(dtype, 7, 7, window)
    function = modeling_gpt_oss.eager_attention_forward
    # What is left after the largest score is taken away is rounded once more in transformers.
    units = ROUNDED_STEPS
    check(dtype, function, qkv(dtype, 7, 7), mask, problem, softmax=dtype, sinks=sinks, units=units)


@pytest.mark.parametrize("window", [None, 3])
def test_gpt_oss_as_its_own_code_has_it(dtype: str, window: int | None) -> None:
    """By formula: sdpa of gpt_oss/torch/model.py, in plain operations of torch."""
    query, key, value = qkv(dtype, 7, 7)
    (sinks,) = narrowed(dtype, *normal(7, (HEADS,)))
    q, k, v = (tensor(dtype, each) for each in (query, key, value))
    k, v = (each.repeat_interleave(HEADS // KV_HEADS, 1) for each in (k, v))
    mask = torch.triu(q.new_full((7, 7), -np.inf), 1)
    if window is not None:
        mask += torch.tril(mask.new_full((7, 7), -np.inf), -window)
    scores = q @ k.mT * D_K**-0.5 + mask
    column = tensor(dtype, sinks)[:, None, None].expand(BATCH, -1, 7, 1)
    weights = torch.softmax(torch.cat([scores, column], -1), -1)[..., :-1]
    problem: dict[str, Any] = {"causal": "top-left"}
    problem |= {} if window is None else {"window": window}
    record = attn_cli.compute(
        {
            "query": query, "key": key, "value": value, "dtype": dtype, "like": "gpt-oss",
            "normalize": {"function": "sink_logits", "logits": sinks}, **problem,
        }
    )  # fmt: skip
    agree.near(record["weights"], array(weights), dtype, ROUNDED_SCORES)
    agree.near(record["output"], array(weights @ v), dtype, ROUNDED_SCORES)


@pytest.mark.parametrize("first", [0, 5])
def test_rotations(dtype: str, first: int) -> None:
    """Angles are of float32 whatever the model is; sines and cosines are rounded to its type."""
    query, key, value = narrowed(
        dtype, *normal(8, *((BATCH, HEADS, 7, D_K),) * 2, (BATCH, HEADS, 7, D_V))
    )
    config = LlamaConfig(
        hidden_size=HEADS * D_K, num_attention_heads=HEADS, head_dim=D_K,
        rope_parameters={"rope_type": "default", "rope_theta": 1e4},
    )  # fmt: skip
    positions = torch.arange(first, first + 7)[None]
    cos, sin = LlamaRotaryEmbedding(config)(tensor(dtype, query), positions)
    turned = apply_rotary_pos_emb(tensor(dtype, query), tensor(dtype, key), cos, sin)
    at = list(range(first, first + 7))
    record = attn_cli.compute(
        {
            "query": query, "key": key, "value": value, "dtype": dtype, "like": "hf-eager",
            "rope": {"base": 1e4, "positions": {"query": at, "key": at}},
            "precision": {"rope": {"angles": "float32", "table": dtype, "rotation": dtype}},
        }
    )  # fmt: skip
    for step, there in zip(("q_rotated", "k_rotated"), turned, strict=True):
        if dtype in NARROW:
            agree.near(record[step], array(there), dtype)
        else:
            agrees(record[step], array(there), 1e-6)
