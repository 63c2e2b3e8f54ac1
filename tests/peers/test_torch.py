"""Multi-head attention against torch.nn.MultiheadAttention, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import attn_cli
from tests.peers.agree import agrees, departs

TOLERANCE = 1e-12


def as_arrays(layer: torch.nn.MultiheadAttention, d: int) -> dict[str, dict[str, np.ndarray]]:
    """The layer's parameters as keys of a problem; torch keeps the transposes, q, k, v stacked."""
    packed = layer.in_proj_weight.detach().numpy().reshape(3, d, d)
    bias = layer.in_proj_bias.detach().numpy().reshape(3, d)
    names = ("query", "key", "value")
    weights = {name: packed[at].T for at, name in enumerate(names)}
    biases = {name: bias[at] for at, name in enumerate(names)}
    weights["output"] = layer.out_proj.weight.detach().numpy().T
    biases["output"] = layer.out_proj.bias.detach().numpy()
    return {"weights": weights, "biases": biases}


def layer_of(d: int, heads: int, seed: int) -> torch.nn.MultiheadAttention:
    torch.manual_seed(seed)
    layer = torch.nn.MultiheadAttention(d, heads, bias=True, batch_first=True, dtype=torch.float64)
    with torch.no_grad():  # its biases start at 0, which would hide one that is left out
        layer.in_proj_bias.normal_()
        layer.out_proj.bias.normal_()
    return layer


@pytest.mark.parametrize("heads", [1, 3, 5])
@pytest.mark.parametrize("causal", [False, True])
def test_self_attention(heads: int, causal: bool) -> None:
    n, d = 7, 15
    layer = layer_of(d, heads, seed=heads)
    x = np.random.default_rng(heads).normal(size=(n, d))
    hidden = torch.triu(torch.ones(n, n, dtype=torch.bool), 1) if causal else None
    tensor = torch.from_numpy(x)
    output, weights = layer(tensor, tensor, tensor, attn_mask=hidden, average_attn_weights=False)
    record = attn_cli.compute(
        {"embeddings": x, "heads": heads, "causal": causal, **as_arrays(layer, d)}
    )
    agrees(record["output"], output.detach(), TOLERANCE)
    agrees(record["weights"], weights.detach(), TOLERANCE)


def test_cross_attention_with_a_mask_that_says_ignore() -> None:
    n_q, n_k, d, heads = 5, 11, 14, 7
    layer = layer_of(d, heads, seed=4)
    rng = np.random.default_rng(4)
    x, memory = rng.normal(size=(n_q, d)), rng.normal(size=(n_k, d))
    ignored = rng.random((n_q, n_k)) < 0.3
    output, _ = layer(
        torch.from_numpy(x),
        torch.from_numpy(memory),
        torch.from_numpy(memory),
        attn_mask=torch.from_numpy(ignored),
    )
    record = attn_cli.compute(
        {
            "embeddings": x,
            "memory": {"embeddings": memory},
            "heads": heads,
            "mask": {"values": ignored, "true_means": "ignore"},
            **as_arrays(layer, d),
        }
    )
    agrees(record["output"], output.detach(), TOLERANCE)


@pytest.mark.parametrize("padded", [(), (2, 3), (0, 5, 6)])
def test_padding_that_is_said_apart_from_the_mask(padded: tuple[int, ...]) -> None:
    n, d, heads = 7, 6, 3
    layer = layer_of(d, heads, seed=5)
    x = np.random.default_rng(5).normal(size=(n, d))
    ignored = np.isin(np.arange(n), padded)
    tensor = torch.from_numpy(x)[None]
    output, weights = layer(
        tensor,
        tensor,
        tensor,
        key_padding_mask=torch.from_numpy(ignored)[None],
        average_attn_weights=False,
    )
    # A mask of one axis is about keys; the preset says that True means ignore.
    record = attn_cli.compute(
        {
            "embeddings": x,
            "heads": heads,
            "mask": ignored,
            "like": "torch-mha",
            **as_arrays(layer, d),
        }
    )
    agrees(record["output"], output[0].detach(), TOLERANCE)
    agrees(record["weights"], weights[0].detach(), TOLERANCE)


def test_a_zero_key_with_a_zero_value_is_softmax1() -> None:
    n, d, heads = 7, 15, 5
    layer = layer_of(d, heads, seed=6)
    layer.add_zero_attn = True
    x = np.random.default_rng(6).normal(size=(n, d))
    tensor = torch.from_numpy(x)
    output, weights = layer(tensor, tensor, tensor, average_attn_weights=False)
    record = attn_cli.compute(
        {"embeddings": x, "heads": heads, "normalize": "softmax1", **as_arrays(layer, d)}
    )
    agrees(record["output"], output.detach(), TOLERANCE)
    agrees(record["weights"], weights[..., :-1].detach(), TOLERANCE)
    agrees(1 - record["row_sums"], weights[..., -1].detach(), TOLERANCE)


@pytest.mark.parametrize("with_weights", [True, False])
def test_a_fully_masked_row(with_weights: bool) -> None:
    """Which of two results such a row has depends on whether weights are asked for.

    The documentation says of need_weights only that it is faster without. Seen in torch 2.13.0:
    NaN with weights, and without them zeros, which the output projection makes its bias.
    """
    departs("torch", "2.13.0")
    n, d, heads = 7, 6, 2
    layer = layer_of(d, heads, seed=7)
    x = np.random.default_rng(7).normal(size=(n, d))
    ignored = np.random.default_rng(8).random((n, n)) < 0.3
    ignored[4] = True
    tensor = torch.from_numpy(x)
    output, _ = layer(
        tensor, tensor, tensor, attn_mask=torch.from_numpy(ignored), need_weights=with_weights
    )
    problem = {
        "embeddings": x,
        "heads": heads,
        "mask": {"values": ignored, "true_means": "ignore"},
        "empty_rows": "nan" if with_weights else "zero",
        **as_arrays(layer, d),
    }
    record = attn_cli.compute(problem)
    agrees(record["output"], output.detach(), TOLERANCE)
    assert np.isnan(record["weights"][:, 4]).all() == with_weights


@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_encoder_layer_is_post_norm(activation: str) -> None:
    n, d, heads, d_ff = 7, 6, 2, 13
    torch.manual_seed(3)
    layer = torch.nn.TransformerEncoderLayer(
        d, heads, d_ff, dropout=0.0, activation=activation, batch_first=True, dtype=torch.float64
    )
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_()
    attention = layer.self_attn

    def array(parameter: torch.Tensor) -> np.ndarray:
        values: np.ndarray = parameter.detach().numpy()
        return values

    def norm(each: torch.nn.LayerNorm) -> dict[str, object]:
        return {"gamma": array(each.weight), "beta": array(each.bias), "eps": each.eps}

    x = np.random.default_rng(3).normal(size=(n, d))
    record = attn_cli.compute(
        {
            "embeddings": x,
            "heads": heads,
            "residual": True,
            "layer_norm": norm(layer.norm1),
            "feed_forward": {
                "W1": array(layer.linear1.weight).T,
                "b1": array(layer.linear1.bias),
                "W2": array(layer.linear2.weight).T,
                "b2": array(layer.linear2.bias),
                "activation": activation,
                "residual": True,
                "layer_norm": norm(layer.norm2),
            },
            **as_arrays(attention, d),
        }
    )
    expected = layer(torch.from_numpy(x)[None])[0].detach().numpy()
    np.testing.assert_allclose(record["layer_norm_2"], expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu(approximate: str) -> None:
    from attn_cli.maths.activations import ACTIVATIONS

    x = np.concatenate([np.linspace(-40, 40, 997), [-1e6, 0.0, 1e6]])
    expected = torch.nn.functional.gelu(torch.from_numpy(x), approximate=approximate).numpy()
    here = ACTIVATIONS["gelu" if approximate == "none" else "gelu_tanh"].function(x)
    np.testing.assert_allclose(here, expected, rtol=1e-12, atol=1e-14)
