"""Learning from a text, against the examples of all its beginnings with their next words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from attn_cli.reading.schema import read_document
from attn_cli.sources.matrices.document import from_mapping
from attn_cli.sources.matrices.files import Inputs
from attn_cli.train.learning import measured
from attn_cli.train.training_reader import read_training
from tests.conftest import SAMPLES, Attn
from tests.unit.train.test_gradients import normal

LINES = ["a b c b", "", "c a!", "b c a c"]
D = 3


def _problem(**keys: Any) -> dict[str, Any]:
    return {
        "embeddings": {word: normal(at, D).tolist() for at, word in enumerate("abc")},
        "positions": "sinusoidal",
        "causal": True,
        "weights": {"query": normal(4, D, 2).tolist(), "key": normal(5, D, 2).tolist()},
        "residual": True,
        "next_word": {
            "vocabulary": ["c", "a", "b", "z"], "weights": normal(6, D, 4).tolist(), "pool": "last",
        },
        **keys,
    }  # fmt: skip


@pytest.mark.parametrize("end", [None, "z"])
def test_a_text_is_all_its_beginnings(end: str | None, tmp_path: Path) -> None:
    problem = _problem()
    examples = []
    for line in LINES:
        words = line.replace("!", "").split()
        follow = [*words[1:], *([end] if end and words else [])]
        examples += [[words[: at + 1], word] for at, word in enumerate(follow)]
    if end:
        problem["next_word"]["end"] = end
    train = {"start": "file", "parameters": ["embeddings", "weights.query", "next_word.weights"]}
    expected_of = read_training(from_mapping({**problem, "train": {**train, "examples": examples}}))
    expected = measured(expected_of, expected_of.start, 0)
    (tmp_path / "text.txt").write_text("\n".join(LINES))
    file = tmp_path / "p.yaml"
    file.write_text(yaml.safe_dump({**problem, "train": {**train, "text": "text.txt"}}))
    training = read_training(read_document(str(file), Inputs()))
    found = measured(training, training.start, 0)
    assert training.count == expected_of.count == len(examples)
    assert found.loss == pytest.approx(expected.loss, rel=1e-12)
    assert found.right == expected.right
    for name, gradient in expected.gradients.items():
        np.testing.assert_allclose(found.gradients[name], gradient, rtol=1e-9, atol=1e-12)


def test_the_sample_is_what_its_seed_gives(tmp_path: Path, attn: Attn) -> None:
    ran = attn("train", SAMPLES / "generation.yaml", "-o", tmp_path / "again.yaml")
    assert (ran.status, ran.out) == (0, "")
    again = yaml.safe_load((tmp_path / "again.yaml").read_text())
    shipped = yaml.safe_load((SAMPLES / "generation.yaml").read_text())
    for word, vector in shipped["embeddings"].items():
        # Two decimals, of which another machine may round the last the other way.
        np.testing.assert_allclose(again["embeddings"][word], vector, atol=0.011)


def test_no_head_may_see_the_word_that_it_predicts(tmp_path: Path, attn: Attn) -> None:
    problem = _problem(heads=2, window=[{"left": 1, "right": 0}, {"left": 1, "right": 1}])
    del problem["causal"], problem["residual"]
    problem["weights"] = {"value": normal(7, D, 6).tolist(), "output": normal(8, 6, D).tolist()}
    problem["weights"] |= {side: normal(9, D, 4).tolist() for side in ("query", "key")}
    (tmp_path / "text.txt").write_text("\n".join(LINES))
    (tmp_path / "p.yaml").write_text(json.dumps({**problem, "train": {"text": "text.txt"}}))
    ran = attn("train", tmp_path / "p.yaml", "-o", "-")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("error: a text is learnt in causal order: without it each word sees")
