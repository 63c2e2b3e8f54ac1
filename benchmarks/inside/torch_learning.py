"""The training of `benchmarks.inside.learning` in torch, from the same numbers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import torch

SIDES = ("query", "key", "value", "output")


def training(file: str, first: int) -> Callable[[], dict[str, float]]:
    """Return a training: the CPU time per step from `first` to the last one, and the last loss."""
    with open(file, encoding="utf-8") as stream:
        problem = json.load(stream)
    names = {name: at for at, name in enumerate(problem["next_word"]["vocabulary"])}
    examples = problem["train"]["examples"]
    words = torch.tensor([[names[word] for word in sentence] for sentence, _ in examples])
    targets = torch.tensor([names[answer] for _, answer in examples])
    steps, heads = problem["train"]["steps"], problem["heads"]

    def learn() -> dict[str, float]:
        table, sides, last = (_learnt(node) for node in _written(problem))
        parameters = [table, *sides.values(), last]
        adam = torch.optim.Adam(parameters, lr=problem["train"].get("learning_rate", 0.05))
        start = 0.0
        for step in range(steps + 1):
            if step == first:
                start = time.process_time()
            X = table[words]
            q, k, v = (_split(X @ sides[side], heads) for side in SIDES[:3])
            context = torch.nn.functional.scaled_dot_product_attention(q, k, v)
            output = context.transpose(1, 2).flatten(2) @ sides["output"]
            loss = torch.nn.functional.cross_entropy(output.mean(1) @ last, targets)
            adam.zero_grad()
            loss.backward()
            if step < steps:
                adam.step()
        seconds = (time.process_time() - start) / (steps - first)
        return {"seconds": seconds, "loss": float(loss.detach())}

    return learn


def _written(problem: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Return the numbers that are learnt: embeddings, weights, and those of the next word."""
    table = list(problem["embeddings"].values())
    return table, problem["weights"], problem["next_word"]["weights"]


def _learnt(node: Any) -> Any:
    if isinstance(node, dict):
        return {name: _learnt(inner) for name, inner in node.items()}
    return torch.tensor(node, dtype=torch.float64, requires_grad=True)


def _split(rows: Any, heads: int) -> Any:
    """Return the rows of each head: (examples, heads, n, d)."""
    return rows.unflatten(-1, (heads, -1)).transpose(1, 2)
