"""Tokens of keys, and of each batch entry."""

from __future__ import annotations

import json
from pathlib import Path

from attn_cli import compute
from tests.conftest import Attn

Q = [[5, 1, 20]]


K = [[1, 0, 2], [0, 3, 1]]


V = [[2, 7], [11, 3]]


def test_keys_have_tokens_of_their_own(tmp_path: Path, attn: Attn) -> None:
    (tmp_path / "k.txt").write_text("[PAD]\nchat\n")
    problem = ["compute", "--query", str(Q), "--key", str(K), "--value", str(V), "-f", "json"]
    for options in (
        ["--key-tokens-file", tmp_path / "k.txt"],
        ["--key-tokens", "['[PAD]', chat]"],
        ["--set", "key_tokens=['[PAD]', chat]"],
    ):
        words = json.loads(attn(*problem, "--tokens", "cat", *options).out)["tokens"]
        assert words == {"query": ["cat"], "key": ["[PAD]", "chat"]}
    split = attn(*problem, "--key-tokens", "le chat: noir", "--set", f"key={[[1, 0, 0]] * 3}",
                 "--set", "value=[[1], [2], [3]]")  # fmt: skip
    assert json.loads(split.out)["tokens"]["key"] == ["le", "chat", "noir"]
    past = {"key": [[[[1, 0, 0]]]], "value": [[[[1, 0]]]]}
    four = {"query": [[Q]], "key": [[K]], "value": [[V]], "past": past, "key_tokens": ["a", "b"]}
    assert list(compute(four).key_tokens) == ["past 0", "a", "b"]


def test_embeddings_that_become_keys_have_no_label_of_the_past() -> None:
    past = {"key": [[[[1, 2], [3, 5]]]], "value": [[[[1, 2], [7, 5]]]]}
    keys = {"embeddings": [[1, 0], [0.5, 2], [3, -1]], "query": [[1, 2]], "past": past}
    for words, of_keys, of_embeddings in (
        ({"tokens": ["a", "b", "c"]}, ("past 0", "past 1", "a", "b", "c"), ("a", "b", "c")),
        ({}, ("0", "1", "2", "3", "4"), ("0", "1", "2")),
    ):
        steps = compute({**keys, **words}).steps
        assert tuple(steps["embeddings"].labels[0]) == of_embeddings
        assert tuple(steps["weights"].labels[1]) == of_keys


def test_tokens_of_each_batch_entry(tmp_path: Path, attn: Attn) -> None:
    (tmp_path / "q.json").write_text('[["a"], ["."]]')
    (tmp_path / "k.json").write_text('[["x y", "z"], ["[PAD]", "[PAD]"]]')
    problem = [
        "compute", "--query", str([Q, Q]), "--key", str([K, K]), "--value", str([V, V]),
        "--tokens-file", tmp_path / "q.json", "--key-tokens-file", tmp_path / "k.json",
        "-f", "json",
    ]  # fmt: skip
    both = json.loads(attn(*problem).out)
    assert both["tokens"] == {"query": ["0"], "key": ["0", "1"]}
    first, second = (json.loads(attn(*problem, "--batch", at).out)["tokens"] for at in "01")
    assert first == {"query": ["a"], "key": ["x y", "z"]}
    assert second == {"query": ["."], "key": ["[PAD]", "[PAD]"]}
    assert attn(*problem, "--batch", "1", "--query-token", ".").status == 0
    assert attn(*problem, "--batch", "0", "--query-token", ".").status == 2
    same = {"query": [Q, Q], "key": [K, K], "value": [V, V], "tokens": [["a"], ["a"]]}
    assert list(compute(same).query_tokens) == ["a"]
    assert list(compute({**same, "tokens": [["a"], ["b"]]}, batch=1).query_tokens) == ["b"]
    assert list(compute({**same, "tokens": [["a"], ["b"]]}).query_tokens) == ["0"]
