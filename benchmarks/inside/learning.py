"""What the row on training has on our side: its problem, and the CPU time of a step."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import numpy as np

from attn_cli.reading.schema import read_document
from attn_cli.sources.matrices.files import Inputs
from attn_cli.train.learning import train
from attn_cli.train.training_reader import read_training

SIDES = ("query", "key", "value", "output")


def write_training(
    file: str, vocabulary: int, examples: int, words: int, d: int, heads: int, steps: int
) -> None:
    """Write a problem whose examples are words drawn at random, with the numbers to start from."""
    rng = np.random.default_rng(vocabulary)
    names = [f"w{number}" for number in range(vocabulary)]
    drawn = rng.integers(vocabulary, size=(examples, words + 1))
    weights = {side: rng.normal(size=(d, d)) / np.sqrt(d) for side in SIDES}
    problem = {
        "tokens": names[:words],
        "embeddings": dict(zip(names, rng.normal(size=(vocabulary, d)).tolist(), strict=True)),
        "weights": {side: matrix.tolist() for side, matrix in weights.items()},
        "heads": heads,
        "next_word": {
            "vocabulary": names,
            "weights": (rng.normal(size=(d, vocabulary)) / np.sqrt(d)).tolist(),
        },
        "train": {
            "examples": [[[names[w] for w in row[:-1]], names[row[-1]]] for row in drawn.tolist()],
            "parameters": ["embeddings", *(f"weights.{s}" for s in SIDES), "next_word.weights"],
            "steps": steps,
            "start": "file",
        },
    }
    with open(file, "w", encoding="utf-8") as stream:
        json.dump(problem, stream)


def training(file: str, first: int) -> Callable[[], dict[str, float]]:
    """Return a training: the CPU time per step from `first` to the last one, and the last loss."""
    read = read_training(read_document(file, Inputs()))

    def learn() -> dict[str, float]:
        start = 0.0
        for state in train(read):
            if state.step == first:
                start = time.process_time()
        seconds = (time.process_time() - start) / (read.steps - first)
        return {"seconds": seconds, "loss": state.loss}

    return learn
