"""A trained file: the numbers that were learnt, and every other byte as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from attn_cli.reading.schema import read_document
from attn_cli.sources.matrices.document import Document, from_mapping
from attn_cli.sources.matrices.files import Inputs
from attn_cli.sources.text.events import parse
from attn_cli.train.learning import train
from attn_cli.train.rewrite import rewritten
from attn_cli.train.rewrite import rows as written_rows
from attn_cli.train.spans import spans
from attn_cli.train.training_reader import read_training
from tests.conftest import Attn
from tests.unit.train.test_train import SMALL

TEXT = """\
# A comment in front.
embeddings: {a: [1, 2], b: [-1, 0.5], "c": [0.25, -2]}  # a table
tokens: a b   # words
weights:
  query:   # in a block
    - - 1   # one
      - 0.5
    - [0.25, -1]

    # between
  value: [[0.5, 1],   # with a comment in it
      [1.5, -0.5]]
  key: key.npy
biases: { value: [0.5,
   -0.25] }
score: {function: gated, W_g: [[1, 2, 3, 4]], b_g: 0.5}
layer_norm:
  gamma: {file: wide.npz, name: g}
  beta: beta.csv   # a line of a table
next_word: {vocabulary: [x, y], weights: {file: key.npy, transpose: true}} # the end
train: {examples: [[a b, x], [[b, c], y]], steps: 2}
"""


@pytest.fixture(name="problem")
def problem_file(tmp_path: Path) -> Path:
    np.save(tmp_path / "key.npy", np.ones((2, 2)))
    np.savez(tmp_path / "wide.npz", g=np.ones(2))
    (tmp_path / "beta.csv").write_text("1,2\n")
    path = tmp_path / "problem.yaml"
    path.write_text(TEXT)
    return path


NUMBERED = """\
# A comment in front.
embeddings: {a: [7.0, 8.0], b: [9.0, 10.0], "c": [11.0, 12.0]}  # a table
tokens: a b   # words
weights:
  query:   # in a block
    - - 1.5   # one
      - 2.5
    - [3.5, 4.5]

    # between
  value: [[-1.0, -2.0],   # with a comment in it
      [-3.0, -4.0]]
  key: [[0.1, 0.2],
        [0.3, 1.0e-07]]
biases: { value: [1e0, -0.5] }
score: {function: gated, W_g: [[1.0, 2.0, 3.0, 4.0]], b_g: 0.25}
layer_norm:
  gamma: [2.0, 3.0]
  beta: [4.0, 5.0]   # a line of a table
next_word: {vocabulary: [x, y], weights: [[1.0, 2.0],
                                          [3.0, 4.0]]} # the end
train: {examples: [[a b, x], [[b, c], y]], steps: 2}
""".replace("1e0", "1.0")
VALUES = {
    "embeddings": np.arange(7.0, 13.0).reshape(3, 2),
    "weights.query": np.array([[1.5, 2.5], [3.5, 4.5]]),
    "weights.value": np.array([[-1.0, -2.0], [-3.0, -4.0]]),
    "weights.key": np.array([[0.1, 0.2], [0.3, 1e-7]]),
    "biases.value": np.array([1.0, -0.5]),
    "score.W_g": np.array([[1.0, 2.0, 3.0, 4.0]]),
    "score.b_g": np.array(0.25),
    "layer_norm.gamma": np.array([2.0, 3.0]),
    "layer_norm.beta": np.array([4.0, 5.0]),
    "next_word.weights": np.array([[1.0, 2.0], [3.0, 4.0]]),
}


def document_of(text: str) -> Document:
    return Document(parse(text, "p.yaml"), "p.yaml", text)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_only_the_numbers_change(line_end: str) -> None:
    text = TEXT.replace("\n", line_end)
    assert rewritten(document_of(text), VALUES) == NUMBERED.replace("\n", line_end)


def test_trained_file_of_every_style(problem: Path, attn: Attn) -> None:
    made = read_training(read_document(str(problem), Inputs()))
    assert set(made.parameters) == VALUES.keys() - {"embeddings"}
    assert {name: value.shape for name, value in made.start.items()} == {
        name: value.shape for name, value in VALUES.items() if name != "embeddings"
    }
    last = list(train(made))[-1]
    assert attn("train", problem, "-o", problem).status == 0
    text = problem.read_text()
    again = read_training(read_document(str(problem), Inputs()))
    for name in made.parameters:
        np.testing.assert_array_equal(np.array(_written(text, name)), last.values[name])
    assert list(train(again))[-1].loss == last.loss
    kept = [line for line in TEXT.splitlines() if line.startswith(("#", "emb", "tok", "train"))]
    assert [line for line in text.splitlines() if line in kept] == kept
    assert text.count("#") == TEXT.count("#")


def _written(text: str, name: str) -> Any:
    node = yaml.safe_load(text)
    for key in name.split("."):
        node = node[key]
    return node


def test_json_stays_json(tmp_path: Path, attn: Attn) -> None:
    grin = "\U0001f600"
    head = {**SMALL["next_word"], "vocabulary": [grin, "y", "z"]}
    settings = {"examples": [["a b", grin]], "steps": 1}
    problem = {**SMALL, "tokens": "a b", "next_word": head, "train": settings}
    path = tmp_path / "p.json"
    path.write_text(json.dumps(problem))  # with a surrogate pair in front of numbers
    assert attn("train", path, "-o", tmp_path / "t.json").status == 0
    trained = json.loads((tmp_path / "t.json").read_text())
    last = list(train(read_training(from_mapping(problem))))[-1]
    np.testing.assert_array_equal(trained["next_word"]["weights"], last.values["next_word.weights"])
    assert trained["train"] == problem["train"]
    assert trained["embeddings"] == problem["embeddings"]


@given(
    st.lists(
        st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=3, max_size=3),
        min_size=1,
        max_size=5,
    ),
    st.integers(0, 9),
)
def test_what_is_written_reads_back_to_the_last_bit(values: list[list[float]], column: int) -> None:
    text = "a:" + " " * (column + 1) + written_rows(np.array(values), column + 3) + "\n"
    for read in (yaml.safe_load(text)["a"], json.loads(text[2:])):
        assert [list(map(float.hex, row)) for row in read] == [
            list(map(float.hex, row)) for row in values
        ]


BLOCKS = st.recursive(
    st.sampled_from(["1", "-2.5", "word", "'quo # ted'", "[1, [2, 3]]", "{x: 1, y: [2]}"]),
    lambda inner: st.lists(inner, min_size=1, max_size=3),
    max_leaves=8,
)


@given(BLOCKS)
def test_a_span_is_the_text_of_its_node(node: Any) -> None:
    def lines(node: Any, indent: str) -> list[str]:
        if isinstance(node, str):
            return [f"{indent}- {node}   # comment"]
        inner = [line for item in node for line in lines(item, indent + "  ")]
        return [f"{indent}-", *inner, ""]

    items = node if isinstance(node, list) else [node]
    text = "a:\n" + "\n".join(line for item in items for line in lines(item, "  ")) + "\n# end\n"
    tree = parse(text, "t")
    for at, item in enumerate(tree["a"]):
        span = spans(text, [("a", at)])[("a", at)]
        part = " " * span.column + text[span.start : span.end]
        assert parse(part, "part") == item
        assert not part.endswith((" ", "\n", "comment"))
