"""`identify` against PyTorch's own attention: noise is noise, and faults are found.

100 seeds of unit normal inputs; the figures are in docs/explanation/noise.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from attn_cli.arrays import Array
from attn_cli.errors import ExitStatus
from attn_cli.floats import FLOAT_TYPES
from attn_cli.lab.identify.asking import identify
from attn_cli.lab.identify.observed import Given
from attn_cli.lab.identify.result import Identified
from attn_cli.lab.variants import Base
from attn_cli.sources.matrices.document import from_mapping

HEADS, N, D = 2, 256, 64
RUNS = 100


def inputs(seed: int, name: str) -> list[torch.Tensor]:
    rng = np.random.default_rng(seed)
    arrays = (torch.from_numpy(rng.standard_normal((1, HEADS, N, D))) for _ in range(3))
    return [each.to(getattr(torch, name)) for each in arrays]


def asked(sides: list[torch.Tensor], output: torch.Tensor, **keys: Any) -> Identified:
    arrays = (each.double().numpy() for each in sides)
    problem = dict(zip(("query", "key", "value"), arrays, strict=True))
    document = from_mapping({**problem, "score": "scaled", **keys})
    return identify(Base.read(document), [Given("output", "", output.double().numpy())])


def sdpa(sides: list[torch.Tensor], **options: Any) -> torch.Tensor:
    return torch.nn.functional.scaled_dot_product_attention(*sides, **options)


def found(result: Identified, word: str) -> bool:
    """Whether one class explains the output, and the name of a hypothesis in it has the word."""
    if result.status != ExitStatus.NO:
        return False
    (best,) = result.explaining
    return any(word in each.name for each in best.hypotheses)


@pytest.mark.parametrize("name", ["bfloat16", "float16", "float32"])
def test_noise_is_noise(name: str) -> None:
    right = 0
    for seed in range(RUNS // 2):
        sides = inputs(seed, name)
        right += asked(sides, sdpa(sides)).status == ExitStatus.DONE
        right += asked(sides, sdpa(sides, is_causal=True), causal=True).status == ExitStatus.DONE
    assert right >= 0.995 * RUNS


WINDOW = torch.ones(N, N, dtype=torch.bool).tril().triu(-16)
FAULTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "softcap": ({}, {"softcap": 50}),  # a cap that the kernel does not have
    "window": ({"attn_mask": WINDOW}, {"causal": True, "window": {"left": 15}}),  # off by one
    "sink": ({}, {"normalize": "softmax1"}),  # a sink that was dropped
}


@pytest.mark.parametrize("word", FAULTS)
def test_faults_are_found(word: str) -> None:
    options, keys = FAULTS[word]
    right = 0
    for seed in range(RUNS):
        sides = inputs(seed, "bfloat16")
        right += found(asked(sides, sdpa(sides, **options), **keys), word)
    assert right >= 0.99 * RUNS


def rounded(x: Array) -> Array:
    return FLOAT_TYPES["bfloat16"].round(x).astype(np.float64)


def test_a_cap_is_lost_in_scores_of_16_bits() -> None:
    untold = 0
    for seed in range(RUNS):
        sides = inputs(seed, "bfloat16")
        q, k, v = (each.double().numpy() for each in sides)
        scores = rounded(rounded(q @ k.swapaxes(-1, -2)) * D**-0.5)
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights = rounded(weights / weights.sum(axis=-1, keepdims=True))
        result = asked(sides, torch.from_numpy(rounded(weights @ v)), softcap=50)
        untold += "no-softcap" in [each.name for each in result.untold]
    assert untold >= 0.95 * RUNS
