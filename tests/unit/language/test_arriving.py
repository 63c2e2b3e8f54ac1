"""`attn translate` from a pipe: lines as they arrive, words that are found later, memory."""

from __future__ import annotations

import subprocess
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from attn_cli.language.dictionary import Sentence, read_dictionary
from attn_cli.language.translation import answers
from attn_cli.sources.matrices import lines
from attn_cli.sources.matrices.files import Inputs
from attn_cli.sources.matrices.word_index import LineIndex, RowIndex, index_of
from tests.conftest import Attn
from tests.helpers.processes import ATTN, started

# The second line of `maison` does not count, `caf\u00e9` is written in two ways, `nan` has no
# number, `chez moi` has a blank.
WORDS = ["maison", "home", "maison", "cafe\u0301", "nan", "voiture", "chez moi"]
VECTORS = [[1.0, 2.0], [1.0, 3.0], [9.0, 9.0], [4.0, 0.5], [float("nan"), 1.0], [5.0, 0.0], [2.0, 2.0]]  # fmt: skip  # noqa: E501
ASKED = ("home", "caf\u00e9", "maison", "chez moi", "nan", "unknown", "mais")
FOUND = {"home": [1, 3], "caf\u00e9": [4, 0.5], "maison": [1, 2], "chez moi": [2, 2]}


def test_each_line_is_answered_before_the_next_is_sent() -> None:
    pipe = subprocess.PIPE
    asked = [*ATTN, "translate", "-q", "-"]
    with started(asked, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        for line, answer in ((b"le chat\n", b"the cat\n"), (b"sous\n", b"under\n")):
            process.stdin.write(line)
            process.stdin.flush()
            assert process.stdout.readline() == answer
        process.stdin.write(b"la table")  # the last line may have no end
        process.stdin.close()
        assert process.stdout.read() == b"the table\n"
        assert process.stderr.read() == b""
        assert process.wait() == 0


def written(folder: Path, *, packed: bool = False) -> dict[str, tuple[str, str | None]]:
    """The words as text and as an NPY with a list, both with a mark, and line ends of Windows."""
    rows = zip(WORDS, VECTORS, strict=True)
    text = "".join(f"{word} {a} {b}\r\n" for word, (a, b) in rows)
    (folder / "v.vec").write_bytes(b"\xef\xbb\xbf" + f"7 2\r\n{text}".encode())
    (folder / "w.txt").write_bytes(b"\xef\xbb\xbf" + "".join(f"{w}\r\n" for w in WORDS).encode())
    np.save(folder / "v.npy", np.array(VECTORS))
    return {
        "text": (str(folder / "v.vec"), None),
        "npy": (str(folder / "v.npy"), str(folder / "w.txt")),
    }


@pytest.mark.parametrize("kind", ["text", "npy"])
def test_an_index_finds_words_without_reading_the_rest(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, words = written(tmp_path)[kind]
    index = index_of(Inputs(), file, words)
    assert isinstance(index, LineIndex if words is None else RowIndex)
    monkeypatch.delattr(lines, "_blocks")  # what reads all lines
    found = index.vectors(ASKED, np.dtype(np.float32))
    assert {word: row.tolist() for word, row in found.items()} == FOUND
    assert {row.dtype for row in found.values()} == {np.dtype(np.float32)}
    assert index.vectors((), np.dtype(np.float64)) == {}


@pytest.mark.parametrize("kind", ["text", "npy"])
def test_words_of_one_hash_are_told_apart(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("attn_cli.sources.matrices.word_index.hash", len, raising=False)
    index = index_of(Inputs(), *written(tmp_path)[kind])
    assert index is not None
    found = index.vectors(ASKED, np.dtype(np.float64))
    assert {word: row.tolist() for word, row in found.items()} == FOUND


@pytest.mark.parametrize("kind", ["text", "npy"])
def test_words_of_later_lines_are_looked_up(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attn: Attn
) -> None:
    """Each line is a batch of its own."""
    monkeypatch.setattr("attn_cli.cli.arriving.MOST", 1)
    file, words = written(tmp_path)[kind]
    (tmp_path / "p.csv").write_text("maison,house\nvoiture,car\n")
    listed = () if words is None else ("--words", words)
    asked = ("translate", "-d", tmp_path / "p.csv", "--embeddings", file, *listed, "-q", "-")
    assert attn(*asked, stdin="maison\nhome\ncaf\u00e9\n") == (0, "house\nhouse\ncar\n", "")
    ran = attn(*asked, stdin="maison\nhome\nnan\n")
    assert (ran.status, ran.out) == (2, "house\nhouse\n")
    assert "'nan' is not in the dictionary's embeddings" in ran.err


@contextmanager
def _large(folder: Path, kind: str, n: int, d: int) -> Iterator[dict[str, object]]:
    """The embeddings of a dictionary of n pairs, as an NPY or as text."""
    numbers = np.random.default_rng(11).normal(size=(n, d)).round(3)
    words = [f"w{at}" for at in range(n)]
    (folder / "p.csv").write_text("".join(f"{w},t{at // 2}\n" for at, w in enumerate(words)))
    if kind == "text":
        with open(folder / "v.vec", "w") as file:
            for word, row in zip(words, numbers, strict=True):
                file.write(f"{word} {' '.join(map(str, row.tolist()))}\n")
        yield {"file": str(folder / "v.vec")}
    else:
        np.save(folder / "v.npy", numbers)
        (folder / "w.txt").write_text("".join(f"{word}\n" for word in words))
        yield {"file": str(folder / "v.npy"), "words": str(folder / "w.txt")}


@pytest.mark.parametrize("kind", ["text", "npy"])
def test_memory_of_a_dictionary_grows_with_its_vectors(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At most 2.5 n d numbers, what the words of the pairs take, and half a megabyte of work."""
    n, d = (4000, 100) if kind == "npy" else (512, 64)
    monkeypatch.setattr("attn_cli.sources.matrices.vectors.BLOCK", n)
    with _large(tmp_path, kind, n, d) as table:
        loaded = read_dictionary(str(tmp_path / "p.csv"), Inputs())
        loaded.document.tree["embeddings"] = table
        loaded.document.options[("embeddings",)] = "--embeddings"
        asked = [f"w{at}" for at in range(4)]
        tracemalloc.start()
        try:
            found = loaded.translations(
                [Sentence(word, (word,)) for word in asked], None, context=False, unknown="error"
            )
            made = [record.text for record in answers(found)]
            _, peak = tracemalloc.get_traced_memory()
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert made == [f"t{at // 2}" for at in range(len(asked))]
    assert peak < 2.5 * n * d * 8 + 500 * n + 500_000
    assert held < 2.2 * n * d * 8 + 500 * n  # the vectors, and their directions
