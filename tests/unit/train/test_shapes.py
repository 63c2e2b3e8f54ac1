"""Arrays that are given by their shape, and those in an archive beside the trained file."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from attn_cli import compute
from attn_cli.reading.schema import read_document
from attn_cli.sources.matrices.files import Inputs
from attn_cli.train.learning import train
from attn_cli.train.training_reader import read_training
from tests.conftest import SAMPLES, Attn

SHAPED = """\
embeddings: {not: [1, 0, 0, 0], do: [0, 1, 0, 0], like: [0, 0, 1, 0], hate: [0, 0, 0, 1]}
weights: {query: {shape: [4, 4]}, key: {shape: [4, 4]}, value: {shape: [4, 3]}}
next_word: {vocabulary: [not, do, like, hate]}  # its weights follow from the words
train:
  examples: [[not like, hate], [not hate, like], [do like, like], [do hate, hate]]
  digits: 4
"""
BLOCK = SHAPED.replace(
    "next_word: {vocabulary: [not, do, like, hate]}  # its weights follow from the words",
    "next_word:\n  vocabulary:\n    - not\n    - do\n    - like\n    - hate\n  pool: mean",
)
JSON = (
    '{"embeddings": {"not": [1, 0, 0, 0], "do": [0, 1, 0, 0], "like": [0, 0, 1, 0], '
    '"hate": [0, 0, 0, 1]}, "weights": {"query": {"shape": [4, 4]}, "key": {"shape": [4, 4]}, '
    '"value": {"shape": [4, 3]}}, "next_word": {"vocabulary": ["not", "do", "like", "hate"]}, '
    '"train": {"examples": [["not like", "hate"], ["not hate", "like"], ["do like", "like"], '
    '["do hate", "hate"]], "digits": 4}}'
)
STEPS = 20  # after which the answers are right


@cache
def learnt_by(sample: str) -> Any:
    """What a sample, which has its numbers in the file, learns in some steps."""
    document = read_document(str(SAMPLES / sample), Inputs())
    document.tree["train"] |= {"steps": str(STEPS)}
    return list(train(read_training(document)))[-1].values


@pytest.mark.parametrize("text", [SHAPED, BLOCK, JSON])
@pytest.mark.parametrize("inline", [True, False])
def test_numbers_drawn_for_a_shape_are_those_of_the_sample(
    text: str, inline: bool, tmp_path: Path, attn: Attn
) -> None:
    """The sample not_like has the same shapes, examples and seed, and numbers in the file."""
    (tmp_path / "shaped.yaml").write_text(text)
    target = tmp_path / "trained.yaml"
    ran = attn("train", tmp_path / "shaped.yaml", "--steps", STEPS, "-o", "-" if inline else target)
    assert ran.status == 0
    written = ran.out if inline else target.read_text()
    assert ("# its weights follow" in written) == ("# its weights follow" in text)
    trained = yaml.safe_load(written)
    learnt = learnt_by("not_like.yaml")
    assert set(learnt) == {"weights.query", "weights.key", "weights.value", "next_word.weights"}
    for path, expected in learnt.items():
        group, name = path.split(".")
        values: Any = trained[group][name]
        if not inline:
            assert values == f"trained.npz#{path}"
            with np.load(tmp_path / "trained.npz") as archive:
                values = archive[path]
        np.testing.assert_array_equal(values, expected)
    if not inline:
        assert attn("next", target, "not", "like").out == "hate\n"


def test_a_matrix_of_1002_numbers_goes_into_an_archive(tmp_path: Path, attn: Attn) -> None:
    draw = np.random.default_rng(2)
    problem: dict[str, Any] = {
        "embeddings": {"a": [1.0, 2.0], "b": [0.5, -1.0]},
        "weights": {
            "query": draw.normal(size=(2, 501)).tolist(),
            "key": [[1.0] * 501, [2.0] * 501],
        },
        "next_word": {"vocabulary": ["x", "y"], "weights": [[1.0, 0.0], [0.0, 1.0]]},
        "train": {
            "examples": [["a b", "x"]], "steps": 2, "start": "file",
            "parameters": ["weights.query", "next_word.weights"],
        },
    }  # fmt: skip
    (tmp_path / "p.yaml").write_text(json.dumps(problem))
    inline = json.loads(attn("train", tmp_path / "p.yaml", "-o", "-").out)
    ran = attn("train", tmp_path / "p.yaml", "-o", tmp_path / "t.yaml")
    assert ran.err.startswith(f"note: {tmp_path / 't.npz'} has weights.query\n")
    trained = json.loads((tmp_path / "t.yaml").read_text())
    assert trained["weights"]["query"] == "t.npz#weights.query"
    assert trained["weights"]["key"] == problem["weights"]["key"]
    assert trained["next_word"] == inline["next_word"]
    del inline["train"]
    expected = compute({**inline, "tokens": ["a", "b"]})
    del trained["train"]
    with np.load(tmp_path / "t.npz") as archive:
        trained["weights"]["query"] = archive["weights.query"]
    found = compute({**trained, "tokens": ["a", "b"]})
    np.testing.assert_array_equal(found["logits"], expected["logits"])


def test_in_columns_the_weights_of_the_words_are_transposed(tmp_path: Path, attn: Attn) -> None:
    """They have one row per word there; the numbers of a seed are the same in both layouts."""
    text = SHAPED.replace("value: {shape: [4, 3]}", "value: {shape: [3, 4]}") + "layout: columns\n"
    (tmp_path / "columns.yaml").write_text(text)
    ran = attn("train", tmp_path / "columns.yaml", "--steps", STEPS, "-o", "-")
    found = yaml.safe_load(ran.out)["next_word"]["weights"]
    for sample in ("not_like_columns.yaml", "not_like.yaml"):
        expected = learnt_by(sample)["next_word.weights"]
        expected = expected if "columns" in sample else expected.T
        # Four decimals, of which the last may be rounded the other way in the other layout.
        np.testing.assert_allclose(found, expected, atol=1.1e-4)


@pytest.mark.parametrize("inline", [True, False])
def test_embeddings_by_shape_are_those_of_a_table_that_is_learnt(
    inline: bool, tmp_path: Path, attn: Attn
) -> None:
    """A written table starts from the same numbers of the seed if it is learnt."""
    words = ["not", "do", "like", "hate"]
    learnt = ["embeddings", "weights.query", "weights.key", "weights.value", "next_word.weights"]
    problem = {**yaml.safe_load(SHAPED), "causal": True}
    problem["next_word"]["pool"] = "last"
    problem["train"] |= {"steps": 5}
    table = {**problem, "train": {**problem["train"], "parameters": learnt}}
    (tmp_path / "table.yaml").write_text(yaml.safe_dump(table, sort_keys=False))
    in_text = tmp_path / "expected.yaml"
    assert attn("train", tmp_path / "table.yaml", "-o", in_text).status == 0
    expected = yaml.safe_load(in_text.read_text())
    shaped = {**problem, "embeddings": {"words": words, "vectors": {"shape": [4, 4]}}}
    text = yaml.safe_dump(shaped, sort_keys=False, default_flow_style=None)
    (tmp_path / "shaped.yaml").write_text(f"# one\n{text}# two\n")
    target = tmp_path / "trained.yaml"
    ran = attn("train", tmp_path / "shaped.yaml", "-o", "-" if inline else target)
    assert ran.status == 0, ran.err
    written = ran.out if inline else target.read_text()
    assert written.startswith("# one\n")
    assert written.endswith("# two\n")
    trained = yaml.safe_load(written)
    assert trained["embeddings"]["words"] == words
    vectors: Any = trained["embeddings"]["vectors"]
    if not inline:
        assert vectors == "trained.npz#embeddings"
        with np.load(tmp_path / "trained.npz") as archive:
            vectors = archive["embeddings"]
        for more in ((), ("--generate", "3")):
            ran = attn("next", target, "not", "like", *more)
            assert ran == attn("next", in_text, "not", "like", *more)
            assert ran.status == 0
    np.testing.assert_array_equal(vectors, [expected["embeddings"][word] for word in words])
    assert np.unique(vectors).size == 16


def test_a_matrix_of_words_is_a_table(tmp_path: Path) -> None:
    """Also in an archive, and of tokens of memory; two words can have the names of its keys."""
    rows = [[1.0, 2.0], [3.0, 5.0], [7.0, 11.0]]
    np.savez(tmp_path / "e.npz", e=np.array(rows))
    table = {"a": rows[0], "b": rows[1], "c": rows[2]}
    own = {"tokens": ["c", "a"], "memory": {"tokens": ["b", "c", "b"]}}
    expected = compute({"embeddings": table, **own})
    for vectors in (rows, np.array(rows), f"{tmp_path / 'e.npz'}#e"):
        found = compute({"embeddings": {"words": "a b c", "vectors": vectors}, **own})
        for name in ("q", "k", "output"):
            np.testing.assert_array_equal(found[name], expected[name])
    named = {"words": [1.0, 2.0], "vectors": np.array([3.0, 5.0])}
    found = compute({"embeddings": named, "tokens": ["vectors", "words"]})
    np.testing.assert_array_equal(found["q"], [[3, 5], [1, 2]])


def test_a_large_matrix_of_words_goes_into_an_archive(tmp_path: Path, attn: Attn) -> None:
    """A table word -> vector stays in the text."""
    draw = np.random.default_rng(4)
    words = [f"w{at}" for at in range(167)]
    rows = draw.normal(size=(167, 6)).tolist()  # 1002 numbers
    train = {"examples": [["w0 w1", "x"], ["w1 w2", "y"]], "steps": 2, "parameters": ["embeddings"]}
    head = {"vocabulary": ["x", "y"], "weights": draw.normal(size=(6, 2)).tolist()}
    target = tmp_path / "t.yaml"
    for embeddings in ({"words": words, "vectors": rows}, dict(zip(words, rows, strict=True))):
        problem = {"embeddings": embeddings, "next_word": head, "train": train}
        (tmp_path / "p.yaml").write_text(json.dumps(problem))
        assert attn("train", tmp_path / "p.yaml", "-o", target).status == 0
        written = json.loads(target.read_text())["embeddings"]
        if "words" in embeddings:
            assert written == {"words": words, "vectors": "t.npz#embeddings"}
            with np.load(tmp_path / "t.npz") as archive:
                found = archive["embeddings"].tolist()
        else:
            assert [written[word] for word in words] == found
