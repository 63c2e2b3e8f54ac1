"""Text -> words, tokens as text, several sequences."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_cli import compute
from attn_cli.sources.text.broken import late_mark
from attn_cli.sources.text.events import Quoted
from attn_cli.sources.text.scalars import is_number
from attn_cli.sources.text.slips import glued
from attn_cli.sources.text.tokens import read_tokens
from attn_cli.sources.text.words import words_of
from tests.conftest import Attn


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("the cat", ["the", "cat"]),
        ("  the\tcat\n", ["the", "cat"]),
        ("Look: ci-dessous, l'eau!", ["Look", "ci-dessous", "l'eau"]),
        ("aujourd’hui", ["aujourd’hui"]),
        ("the dog was ___, so he", ["the", "dog", "was", "___", "so", "he"]),
        ("'quoted' -dashed- rock-'n'-roll", ["quoted", "dashed", "rock", "n", "roll"]),
        ("don't - stop", ["don't", "stop"]),
        ("a--b", ["a", "b"]),
        ("x1 3.5 1e5", ["x1", "3", "5", "1e5"]),
        ("cafe\u0301", ["café"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("你好，世界", ["你好", "世界"]),
        ("...", []),
        ("", []),
    ],
)
def test_the_rule(text: str, words: list[str]) -> None:
    assert list(words_of(text)) == words


def test_lower() -> None:
    assert words_of("Le CHAT", lower=True) == ("le", "chat")
    assert words_of("ÉTÉ", lower=True) == ("été",)


@given(st.text())
def test_laws_of_words(text: str) -> None:
    words = words_of(text)
    normal = unicodedata.normalize("NFC", text)
    assert all(word and not word.isspace() and word in normal for word in words)
    assert words_of(" ".join(words)) == words
    assert words_of(unicodedata.normalize("NFD", text)) == words
    letters = [c for c in normal if c.isalnum()]
    assert [c for word in words for c in word if c.isalnum()] == letters


TABLE = "embeddings: {le: [1, 0], chat: [0, 2], café: [3, 1]}\nscore: dot\n"


def test_tokens_as_text(tmp_path: Path, attn: Attn) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(TABLE + "tokens: 'le chat, le cafe\u0301.'\n", encoding="utf-8")
    record = compute(path)
    assert list(record.query_tokens) == ["le", "chat", "le", "café"]
    np.testing.assert_array_equal(record["embeddings"], [[1, 0], [0, 2], [1, 0], [3, 1]])
    ran = attn(
        "compute", path, "--tokens", "-", "--lower", "--only", "q", "-f", "csv", stdin="CHAT"
    )
    assert (ran.status, ran.out) == (0, "0.0,2.0\n")


def test_a_table_and_a_list_in_another_normal_form(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    nfd = unicodedata.normalize("NFD", TABLE)
    path.write_text(nfd + "tokens: [café, chat]\n", encoding="utf-8")
    np.testing.assert_array_equal(compute(path)["embeddings"], [[3, 1], [0, 2]])


def test_lower_is_a_key_too(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(TABLE + "tokens: [LE, Chat]\nlower: true\n", encoding="utf-8")
    assert list(compute(path).query_tokens) == ["le", "chat"]


SEQUENCES = TABLE + "sequences: [le chat, [chat, le, chat]]\n"


def test_sequences_are_computed_in_turn(tmp_path: Path, attn: Attn) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(SEQUENCES, encoding="utf-8")
    ran = attn("compute", path, "--format", "json")
    documents = [json.loads(line) for line in ran.out.splitlines()]
    assert [document["title"] for document in documents] == ["le chat", "chat le chat"]
    for document, tokens in zip(documents, (["le", "chat"], ["chat", "le", "chat"]), strict=True):
        alone = compute(
            {"embeddings": {"le": [1, 0], "chat": [0, 2]}, "tokens": tokens, "score": "dot"}
        )
        assert document["tokens"]["query"] == tokens
        np.testing.assert_array_equal(document["steps"]["output"]["values"], alone["output"])
    tables = attn("compute", path, "--only", "weights").out.splitlines()
    assert [line for line in tables if line.startswith("─── ")] == [
        "─── le chat ───",
        "─── chat le chat ───",
    ]
    marked = attn("compute", path, "--only", "weights", "-f", "markdown").out.splitlines()
    assert [line for line in marked if line.startswith("## ")] == ["## le chat", "## chat le chat"]


def test_sequences_into_a_file(tmp_path: Path, attn: Attn) -> None:
    path, out = tmp_path / "p.yaml", tmp_path / "out.jsonl"
    path.write_text(SEQUENCES, encoding="utf-8")
    assert attn("compute", path, "-o", out).status == 0
    assert out.read_text(encoding="utf-8") == attn("compute", path, "--format", "json").out


def test_tokens_take_the_place_of_sequences(tmp_path: Path, attn: Attn) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(SEQUENCES, encoding="utf-8")
    ran = attn("compute", path, "--tokens", "café", "--only", "q", "-f", "csv")
    assert (ran.status, ran.out) == (0, "3.0,1.0\n")


def test_word_vectors_from_a_file_in_a_problem(tmp_path: Path, attn: Attn) -> None:
    (tmp_path / "v.vec").write_text("4 2\nle 1 0\nchat 0 2\nbad x y\ncafé 3 1\n", encoding="utf-8")
    path = tmp_path / "p.yaml"
    path.write_text("embeddings: v.vec\nsequences: [le chat, café]\nscore: dot\n", encoding="utf-8")
    ran = attn("compute", path, "--only", "embeddings", "-f", "json")
    values = [json.loads(line)["steps"]["embeddings"]["values"] for line in ran.out.splitlines()]
    assert values == [[[1, 0], [0, 2]], [[3, 1]]]
    strict = attn("compute", path, "--set", "embeddings={file: v.vec, strict: true}")
    assert strict.status == 2
    np.save(tmp_path / "v.npy", np.array([[5.0, 7.0], [11.0, 13.0]]))
    (tmp_path / "w.txt").write_text("chat\nle\n")
    path.write_text("embeddings: {file: v.npy, words: w.txt}\ntokens: le chat\n", encoding="utf-8")
    np.testing.assert_array_equal(compute(path)["embeddings"], [[11, 13], [5, 7]])


def test_a_word_is_found_in_another_normal_form(tmp_path: Path) -> None:
    p = {
        "embeddings": {"caf\u00e9": [1, 0], "b": [0, 1]},
        "tokens": "cafe\u0301 b",
        "next_word": {
            "vocabulary": ["x"], "weights": [[1], [1]], "pool": {"token": "cafe\u0301"}
        },
    }  # fmt: skip
    record = compute(p, query_token="cafe\u0301", steps=["q", "pooled"])
    np.testing.assert_array_equal(record["q"], [[1, 0]])


def test_a_column_of_a_table_is_a_vector(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("1\n2\n")
    path = tmp_path / "p.yaml"
    path.write_text("embeddings: [[0, 0]]\nbiases: {query: b.csv}\n")
    np.testing.assert_array_equal(compute(path)["q"], [[1, 2]])


TOKENS = ["[CLS]", "the cat", ".", "\u2581sat", " ", "[SEP]"]


@pytest.mark.parametrize("form", ["lines", "crlf", "json", "suffixless json"])
def test_tokens_of_a_file_are_never_split(form: str, tmp_path: Path, attn: Attn) -> None:
    path = tmp_path / ("t.json" if form == "json" else "t.txt")
    end = "\r\n" if form == "crlf" else "\n"
    lines = "".join(f"{token}{end}" for token in TOKENS)
    text = json.dumps(TOKENS) if "json" in form else lines
    path.write_bytes(text.encode())
    rows = [[at, 1] for at in range(len(TOKENS))]
    (tmp_path / "p.yaml").write_text(f"embeddings: {rows}\ntokens: {{file: {path.name}}}\n")
    for arguments in (
        ["compute", tmp_path / "p.yaml"],
        ["compute", "--query", str(rows), "--key", str(rows), "--value", str(rows),
         "--tokens-file", path],
    ):  # fmt: skip
        ran = attn(*arguments, "-f", "json")
        assert (ran.status, ran.err) == (0, "")
        assert json.loads(ran.out)["tokens"] == {"query": TOKENS, "key": TOKENS}


@pytest.mark.parametrize("text", ["[CLS]\n", "[1]\n", "[]\n", '["a", 1]\n', "[" * 100_000])
def test_a_line_that_begins_with_a_bracket_may_be_a_token(
    text: str, tmp_path: Path, attn: Attn
) -> None:
    (tmp_path / "t.txt").write_text(text)
    one = ["--query", "[[1]]", "--key", "[[1]]", "--value", "[[1]]"]
    ran = attn("compute", *one, "--tokens-file", tmp_path / "t.txt", "-f", "json")
    assert json.loads(ran.out)["tokens"]["query"] == [text.rstrip("\n")]


def test_tokens_of_an_array() -> None:
    assert read_tokens(np.array(["a", "b"]), ("tokens",)) == ("a", "b")


def test_a_late_mark_is_placed_at_the_mark() -> None:
    fault = late_mark("a: 1\n  b: 2\n\ufeffc: 3")
    assert fault is not None
    assert (fault.mark.index, fault.mark.line, fault.mark.column) == (12, 2, 0)


def test_a_long_value_is_cut_in_advice() -> None:
    assert glued("query", 5, "x" * 30).help == f"write 'query: {'x' * 30}'"
    assert glued("query", 5, "x" * 31).help == f"write 'query: {'x' * 27}...'"


def test_a_number_in_quotes_is_a_word() -> None:
    assert is_number("3")
    assert not is_number(Quoted("3"))
