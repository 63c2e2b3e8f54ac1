"""Where the words of a large file of vectors are: a few are read without reading the rest.

A place is found by the hash of its word: 16 to 24 bytes per word are held. The line is read again,
and counts only if it has the word. A packed file has no index.
"""

from __future__ import annotations

import codecs
from array import array
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any, BinaryIO

import numpy as np

from attn_cli.arrays import Array, Integers
from attn_cli.errors import Path, printable
from attn_cli.sources.matrices.files import Inputs
from attn_cli.sources.matrices.lines import GZIP_MAGIC, open_lines
from attn_cli.sources.matrices.vector_lines import (
    SAMPLE,
    Fault,
    fault_of_word,
    find_line_format,
    vector_of,
)
from attn_cli.sources.matrices.vectors import read_rows, spellings


class LineIndex:
    """The places of all words of a text file of vectors."""

    def __init__(self, inputs: Inputs, file: str, path: Path = ()) -> None:
        """Read all lines once; raise AttnError for a file that cannot be read."""
        self._inputs, self._file, self._path = inputs, file, path
        hashes, offsets = array("q"), array("q")
        with open_lines(inputs, file, path) as lines:
            head = list(islice(lines, SAMPLE))
            self._layout = find_line_format([line for line, _ in head], printable(file), path)
            at = _mark(inputs, file, path)
            for line, blanks in chain(head, lines):
                cleaned, word = self._layout.parted(line, blanks) if line else (line, None)
                if cleaned and word is not None:
                    hashes.append(hash(word))
                    offsets.append(at)
                at += len(line) + 1
        self._places = _Places(hashes, offsets)

    def vectors(self, words: Iterable[str], dtype: np.dtype[Any]) -> dict[str, Array]:
        """Return the vectors of the words that have a line without a fault."""
        found: dict[str, Array] = {}
        with self._inputs.open_again(self._file, self._path) as raw:
            for raw_word, word in spellings(words).items():
                for line, _ in self._places.lines(raw, raw_word):
                    cleaned, there = self._layout.parted(line, line.count(b" "))
                    if there == raw_word and word not in found:
                        vector = vector_of(cleaned, there, self._layout.d, dtype)
                        if not isinstance(vector, Fault):
                            found[word] = vector
        return found


class RowIndex:
    """The rows of all words of an NPY, of which a second file lists the words."""

    def __init__(self, inputs: Inputs, file: str, words: str, path: Path = ()) -> None:
        """Read all words once; raise AttnError for a file that cannot be read."""
        self._inputs, self._file, self._words, self._path = inputs, file, words, path
        hashes, offsets, rows = array("q"), array("q"), array("q")
        with open_lines(inputs, words, path) as lines:
            at = _mark(inputs, words, path)
            for row, (line, _) in enumerate(lines):
                if raw := line.strip():
                    hashes.append(hash(raw))
                    offsets.append(at)
                    rows.append(row)
                at += len(line) + 1
        self._places = _Places(hashes, offsets, rows)

    def vectors(self, words: Iterable[str], dtype: np.dtype[Any]) -> dict[str, Array]:
        """Return the vectors of the words that are listed, and whose numbers are finite."""
        rows: dict[str, int] = {}
        with self._inputs.open_again(self._words, self._path) as raw:
            for raw_word, word in spellings(words).items():
                for line, row in self._places.lines(raw, raw_word):
                    if line.strip() == raw_word and not fault_of_word(raw_word):
                        rows.setdefault(word, row)
        if not rows:
            return {}
        values = read_rows(self._inputs, self._file, list(rows.values()), self._path)
        with np.errstate(over="ignore"):
            vectors: Array = values.astype(dtype, copy=False)
        usable = [bool(np.isfinite(vector).all()) for vector in vectors]
        return {word: vectors[at] for at, word in enumerate(rows) if usable[at]}


class _Places:
    """Offsets of lines in a file, in the order of the hashes of their words; and their rows."""

    def __init__(
        self, hashes: array[int], offsets: array[int], rows: array[int] | None = None
    ) -> None:
        order = np.argsort(np.frombuffer(hashes, np.int64), kind="stable")
        self._hashes: Integers = np.frombuffer(hashes, np.int64)[order]
        self._offsets: Integers = np.frombuffer(offsets, np.int64)[order]
        self._rows: Integers = order if rows is None else np.frombuffer(rows, np.int64)[order]

    def lines(self, raw: BinaryIO, word: bytes) -> Iterator[tuple[bytes, int]]:
        """Yield the lines of words with the hash of this one, and their rows, in their order."""
        asked = hash(word)
        for at in range(int(np.searchsorted(self._hashes, asked)), len(self._hashes)):
            if int(self._hashes[at]) != asked:
                return
            raw.seek(int(self._offsets[at]))
            yield raw.readline().removesuffix(b"\n"), int(self._rows[at])


def index_of(
    inputs: Inputs, file: str, words: str | None, path: Path = ()
) -> LineIndex | RowIndex | None:
    """Return the index of a file of vectors, or of the list of its words; None if it is packed."""
    listed = file if words is None else words
    with inputs.open_again(listed, path) as raw:
        if raw.read(2) == GZIP_MAGIC:
            return None
    return LineIndex(inputs, file, path) if words is None else RowIndex(inputs, file, words, path)


def _mark(inputs: Inputs, file: str, path: Path) -> int:
    """Return the length of a file's byte order mark, 0 if it has none."""
    with inputs.open_again(file, path) as raw:
        return len(codecs.BOM_UTF8) if raw.read(3) == codecs.BOM_UTF8 else 0
