"""`diff` against PyTorch's own attention: noise is noise, and faults are found at their stage.

Unit normal inputs; the figures are in docs/explanation/noise.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from attn_cli.arrays import AnyArray
from attn_cli.lab.differing.compare import Asked
from attn_cli.lab.differing.difference import difference_of
from attn_cli.lab.differing.inputs import Loaded
from attn_cli.lab.differing.result import Difference
from attn_cli.reading.dumps import Dump
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.document import from_mapping

HEADS, D = 2, 64
RUNS = 200  # of each type that are right
FAULTY = 100  # of each fault, if the output alone is compared
STAGED = 50  # if several stages are


def inputs(seed: int, name: str, n: int) -> list[torch.Tensor]:
    rng = np.random.default_rng(seed)
    arrays = (torch.from_numpy(rng.standard_normal((1, HEADS, n, D))) for _ in range(3))
    return [each.to(getattr(torch, name)) for each in arrays]


def compared(
    sides: list[torch.Tensor],
    there: dict[str, torch.Tensor],
    *,
    identify: bool = False,
    **keys: Any,
) -> Difference:
    arrays = (each.double().numpy() for each in sides)
    problem = dict(zip(("query", "key", "value"), arrays, strict=True))
    document = from_mapping({**problem, "score": "scaled", **keys})
    here = Loaded(name="A", problem=read_problem(document), document=document)
    steps: dict[str, AnyArray] = {name: each.double().numpy() for name, each in there.items()}
    dump = Dump(name="B", arrays=steps, axes={})
    return difference_of(here, Loaded(name="B", dump=dump), Asked(identify=identify))


def sdpa(sides: list[torch.Tensor], **options: Any) -> torch.Tensor:
    return torch.nn.functional.scaled_dot_product_attention(*sides, **options)


def eager(sides: list[torch.Tensor], visible: torch.Tensor, sink: bool = False) -> dict[str, Any]:
    """Return the steps of attention in PyTorch: scores and softmax in float32."""
    q, k, v = sides
    scores = (q.float() @ k.float().mT) * D**-0.5
    masked = scores.masked_fill(~visible, -torch.inf)
    logits = torch.cat([masked, torch.zeros_like(masked[..., :1])], dim=-1) if sink else masked
    weights = torch.softmax(logits, dim=-1)[..., : masked.shape[-1]].to(q.dtype)
    return {"q": q, "k": k, "v": v, "scores": scores, "weights": weights, "output": weights @ v}


@pytest.mark.parametrize("name", ["bfloat16", "float16", "float32"])
def test_noise_is_noise(name: str) -> None:
    right = 0
    for seed in range(RUNS // 2):
        sides = inputs(seed, name, 64)
        for causal in (False, True):
            output = {"output": sdpa(sides, is_causal=causal)}
            right += compared(sides, output, causal=causal).agrees is True
    assert right >= 0.995 * RUNS


@pytest.mark.parametrize("name", ["bfloat16", "float16", "float32"])
def test_every_stage_is_noise(name: str) -> None:
    for seed in range(10):
        sides = inputs(seed, name, 64)
        found = compared(sides, eager(sides, causal_order(64)), causal=True)
        verdicts = {row.step: row.verdict for row in found.steps}
        assert set(verdicts.values()) <= {"same", "noise"}, verdicts
        assert {"q", "scores", "visible", "weights", "output"} <= verdicts.keys()


def causal_order(n: int, left: int | None = None) -> torch.Tensor:
    order = torch.ones(n, n, dtype=torch.bool).tril()
    return order if left is None else order.triu(-left)


@pytest.mark.parametrize("n", [2048, 4096])
def test_long_sums_in_float32_are_noise(n: int) -> None:
    sides = inputs(n, "float32", n)
    sides[0] = sides[0][:, :, -256:]
    assert compared(sides, {"output": sdpa(sides)}).agrees is True
    one = [sides[0][:, :, -1:], *sides[1:]]  # of one query PyTorch takes another way
    assert compared(one, {"output": sdpa(one)}).agrees is True


def test_a_window_off_by_one_is_found_in_what_is_visible() -> None:
    right = 0
    for seed in range(STAGED):
        sides = inputs(seed, "bfloat16", 64)
        there = eager(sides, causal_order(64, 16))
        found = compared(sides, there, causal=True, window={"left": 15})
        right += found.first is not None and found.first.step == "visible"
    assert right >= 0.99 * STAGED


def test_a_sink_that_was_dropped_is_found_in_the_weights() -> None:
    right = 0
    for seed in range(STAGED):
        sides = inputs(seed, "bfloat16", 64)
        found = compared(sides, eager(sides, causal_order(64)), causal=True, normalize="softmax1")
        right += found.first is not None and found.first.step == "weights"
    assert right >= 0.99 * STAGED


FAULTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "cap": ({}, {"softcap": 50}),  # a cap that the kernel does not have
    "window": ({"attn_mask": causal_order(256, 16)}, {"causal": True, "window": {"left": 15}}),
    "sink": ({}, {"normalize": "softmax1"}),  # a sink that was dropped
}


LEAST = {"cap": 0.97, "window": 0.99, "sink": 0.97}  # of the runs


@pytest.mark.parametrize("word", FAULTS)
def test_faults_are_found_in_the_output_alone(word: str) -> None:
    """A cap of 50 and a sink are within the noise, cell by cell: `identify` is asked."""
    options, keys = FAULTS[word]
    right = 0
    for seed in range(FAULTY):
        sides = inputs(seed, "bfloat16", 256)
        there = {"output": sdpa(sides, **options)}
        found = compared(sides, there, identify=word != "window", **keys)
        right += found.agrees is False and found.first is not None and found.first.step == "output"
    assert right >= LEAST[word] * FAULTY
