"""Tiny random models of transformers, and one attention layer of them as a problem of ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import transformers

import attn_cli
from tests.peers.agree import agrees

transformers.logging.set_verbosity_error()  # it warns that tiny configurations are bad models

BATCH, N, VOCABULARY = 2, 7, 31
NAMES = ("query", "key", "value")


@dataclass
class Seen:
    """What went into an attention layer and came out of it, for all batch entries."""

    hidden: np.ndarray  # (batch, n, d_model), after the norm
    weights: np.ndarray  # (batch, heads, n_q, n_k), as output_attentions gives them
    output: np.ndarray  # (batch, n, d_model), after the output projection


def randomised(model: Any, dtype: str, seed: int, std: float = 0.3) -> Any:
    """Return the model with normal numbers in all its parameters: biases too, which start at 0."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=std, generator=generator)
    return model.eval().to(getattr(torch, dtype))


def token_ids(seed: int, n: int = N) -> torch.Tensor:
    """Return a batch of token ids."""
    return torch.randint(0, VOCABULARY, (BATCH, n), generator=torch.Generator().manual_seed(seed))


def watched(
    model: Any, layer: Any, number: int, ids: torch.Tensor, *, part: str = "", **inputs: Any
) -> Seen:
    """Run the model and return what its attention layer, the one of that number, did.

    `part` is what the attentions are called after in a model of two parts.
    """
    inside: dict[str, Any] = {}

    def hook(_: Any, arguments: tuple[Any, ...], keywords: dict[str, Any], result: Any) -> None:
        inside["hidden"] = keywords["hidden_states"] if not arguments else arguments[0]
        inside["output"] = result[0]

    handle = layer.register_forward_hook(hook, with_kwargs=True)
    with torch.no_grad():
        result = model(input_ids=ids, output_attentions=True, **inputs)
    handle.remove()
    weights = result[f"{part}attentions"][number]
    return Seen(array(inside["hidden"]), array(weights), array(inside["output"]))


def array(tensor: torch.Tensor) -> np.ndarray:
    """Return the tensor's numbers."""
    values: np.ndarray = tensor.detach().numpy()
    return values


def projections(layer: Any, output: str) -> dict[str, dict[str, np.ndarray]]:
    """Return weights and biases of q_proj, k_proj, v_proj and the output's, kept as transposes."""
    modules = {name: getattr(layer, f"{name[0]}_proj") for name in NAMES}
    modules["output"] = getattr(layer, output)
    return {
        "weights": {name: array(module.weight).T for name, module in modules.items()},
        "biases": {
            name: array(module.bias) for name, module in modules.items() if module.bias is not None
        },
    }


def in_single(dtype: str) -> dict[str, Any]:
    """Return the key that takes the softmax in float32, if its version has such a key."""
    return {"precision": {"softmax": "float32"}} if dtype == "float64" else {}


def check(seen: Seen, problem: dict[str, Any], tolerance: float, **entry: Any) -> None:
    """Compare every batch entry; `entry` has keys with one value for each of them."""
    assert np.isfinite(seen.hidden).all()
    for at in range(len(seen.hidden)):
        record = attn_cli.compute(
            {
                "embeddings": seen.hidden[at],
                "dtype": str(seen.hidden.dtype),
                **problem,
                **{name: values[at] for name, values in entry.items()},
            }
        )
        agrees(record["weights"], seen.weights[at], tolerance)
        agrees(record["output"], seen.output[at], tolerance)
