"""Tables of words: vectors by word in a problem, for tokens, memory and keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attn_cli import AttnError, attention, compute
from tests.conftest import Attn


@pytest.mark.regression("tokens labelled the queries although embeddings were the keys")
def test_tokens_are_the_rows_of_embeddings_also_where_those_are_keys(
    attn: Attn, tmp_path: Path
) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("tokens: [a, b, c]\nquery: [[1, 0]]\nembeddings: [[1, 0], [0, 1], [1, 1]]\n")
    ran = attn("compute", path, "--show", "embeddings,scores")
    assert ran.status == 0
    lines = ran.out.splitlines()
    assert [line.split()[0] for line in lines[3:6]] == ["a", "b", "c"]
    assert lines[8].split() == ["query", "a", "b", "c"]
    assert lines[10].split()[0] == "0"


TABLE = {"a": [1.0, 0.0], "b": [0.0, 1.0], "c": [1.0, 1.0]}


@pytest.mark.regression("a table of words was refused without tokens of its own")
def test_a_table_of_words_for_memory_alone() -> None:
    query = [[1.0, 0.0], [2.0, 2.0]]
    problem: dict[str, Any] = {
        "embeddings": TABLE,
        "memory": {"tokens": ["c", "a", "b"]},
        "query": query,
    }
    expected = attention(query, [TABLE[w] for w in "cab"], [TABLE[w] for w in "cab"])["output"]
    np.testing.assert_array_equal(compute(problem)["output"], expected)
    with_tokens = compute({**problem, "tokens": ["a", "b"]})
    np.testing.assert_array_equal(with_tokens["output"], expected)
    assert list(with_tokens.query_tokens) == ["a", "b"]


@pytest.mark.regression("memory.tokens were looked up in the table although keys were given")
def test_memory_tokens_may_be_labels_beside_a_table() -> None:
    record = compute(
        {
            "tokens": ["a", "b"], "embeddings": TABLE, "memory": {"tokens": ["x", "y", "z"]},
            "key": [[1.0, 0], [0, 1], [1, 1]], "value": [[1.0], [2], [3]],
        }
    )  # fmt: skip
    assert list(record.key_tokens) == ["x", "y", "z"]


@pytest.mark.regression("only the vectors of words that occur were checked")
@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"a": [1, 0], "b": [0, 1], "c": [1]}, "embeddings.c has length 1, but embeddings.a has 2"),
        ({"a": [1, 0], "b": [np.nan, 1]}, "embeddings.b[0] is NaN"),
        ({"a": [True, False], "b": [1, 2]}, "embeddings.a holds booleans, not numbers"),
        ({"a": [[1, 0]]}, "embeddings.a has shape (1, 2), but a word has one vector"),
    ],
)
def test_every_vector_of_a_table_is_checked(table: dict[str, Any], message: str) -> None:
    with pytest.raises(AttnError) as caught:
        compute({"tokens": ["a"], "embeddings": table})
    assert caught.value.message == message


@pytest.mark.regression("the place of a NaN was that of the table, not of its word")
def test_nan_in_a_table_is_placed_at_its_word(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("tokens: [a, b]\nembeddings:\n  a: [1, 0]\n  b: [.nan, 1]\n")
    with pytest.raises(AttnError) as caught:
        compute(path)
    assert caught.value.where is not None
    assert (caught.value.where.line, caught.value.where.column) == (4, 7)


@pytest.mark.regression("whole numbers as keys of a table ended in a TypeError")
def test_a_table_of_words_may_have_numbers_for_keys_in_python() -> None:
    with pytest.raises(AttnError, match="'3' has no vector in embeddings"):
        compute({"tokens": ["1", "3"], "embeddings": {1: [1, 0], 2: [0, 1]}})


@pytest.mark.regression("a memory without tokens took the labels of the queries")
def test_memory_without_tokens_has_numbers() -> None:
    problem = {"tokens": "a b", "embeddings": np.eye(2), "memory": {"embeddings": np.eye(2)}}
    assert list(compute(problem).key_tokens) == ["0", "1"]
