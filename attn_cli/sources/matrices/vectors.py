"""Word vectors as they are published: a few words of a file of millions -> their vectors.

Text has one word per line, then its d numbers, separated by blanks or tabs; words may contain
blanks (GloVe). A header `N d` may come first (word2vec, fastText), and the file may be packed with
gzip. An NPY of shape (N, d) comes with a text file that lists its words, one per line.

Lines are streamed. Only those of wanted words are parsed; of others the separators are counted.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any, BinaryIO

import numpy as np

from attn_cli.arrays import Array, Tensor
from attn_cli.dataclass import dataclass, field
from attn_cli.errors import AttnError, Path, Where, printable
from attn_cli.sources.matrices.files import Inputs, Progress
from attn_cli.sources.matrices.lines import open_lines
from attn_cli.sources.matrices.npy_files import read_header, read_npy
from attn_cli.sources.matrices.vector_lines import (
    SAMPLE,
    Fault,
    LineFormat,
    Malformed,
    fault_of_length,
    fault_of_word,
    find_line_format,
    first_unfit,
    vector_of,
)
from attn_cli.sources.text.spelling import most_alike

BLOCK = 2048  # vectors that are held together
# Bytes of all blocks but the first: the C library returns so large a block to the system as soon as
# it is free; of smaller ones it keeps the memory.
LARGE = 33 << 20
FLOAT64: np.dtype[Any] = np.dtype(np.float64)

_Numbered = tuple[int, tuple[bytes, int]]  # a line's number, the line, the number of its blanks


@dataclass(frozen=True)
class Vectors:
    """The vectors of the wanted words in a file."""

    name: str  # of the file, as messages show it
    rows: dict[str, Array]  # wanted word in NFC -> its vector, of shape (d,), in the file's order
    d: int
    missing: tuple[str, ...]  # wanted words in NFC that have no usable line
    warnings: tuple[str, ...]  # sentences, ready to be printed


def read_vectors(
    inputs: Inputs,
    file: str,
    wanted: Iterable[str],
    *,
    words: str | None = None,
    dtype: np.dtype[Any] = FLOAT64,
    strict: bool = False,
    path: Path = (),
    progress: Progress | None = None,
) -> Vectors:
    """Return the vectors of the wanted words, as far as the file has them.

    `words` names the list of words that belongs to an NPY; without it `file` is text, and is read
    until the last of the wanted words is found. A word that appears twice has its first vector.
    Malformed lines are skipped, counted and reported as warnings; with `strict` the first raises.

    Raises AttnError for files that cannot be read (or not twice: standard input, pipes), text in
    which no line is a word and numbers, an NPY that is not a matrix with one row per word.
    """
    asked = tuple(dict.fromkeys(unicodedata.normalize("NFC", word) for word in wanted))
    order = _Order(inputs, printable(file), asked, dtype, strict, path, progress)
    return _from_text(order, file) if words is None else _from_npy(order, file, words)


def nearest_words(
    inputs: Inputs,
    file: str,
    word: str,
    *,
    words: str | None = None,
    n: int = 5,
    path: Path = (),
    progress: Progress | None = None,
) -> list[str]:
    """Return at most n words of a file with the spelling closest to `word`, the closest first.

    Reads all of the file, or of the list `words`, and holds n words of it.
    Raises AttnError for a file that cannot be read.
    """
    asked = unicodedata.normalize("NFC", word)
    if words is not None:
        with open_lines(inputs, words, path, progress) as lines:
            return most_alike(asked, (_readable(line) for line, _ in lines), n)
    with _opened(inputs, file, path, progress) as (layout, lines):
        found = (layout.parted(*line)[1] for _, line in lines)
        return most_alike(asked, (_readable(raw) for raw in found if raw is not None), n)


def _readable(raw: bytes) -> str:
    text = raw.strip().decode("utf-8", "replace")
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def spellings(asked: Iterable[str]) -> dict[bytes, str]:
    """Return the bytes under which a file may have each word: UTF-8, composed or decomposed.

    Latin-1 is included if it is not UTF-8: such a line must be reported, not overlooked.
    """
    found: dict[bytes, str] = {}
    for word in asked:
        for form in (word, unicodedata.normalize("NFD", word)):
            found.setdefault(form.encode("utf-8", "surrogatepass"), word)
        try:
            word.encode("latin-1").decode()
        except UnicodeDecodeError:
            found.setdefault(word.encode("latin-1"), word)
        except UnicodeEncodeError:
            pass
    return found


@contextmanager
def _opened(
    inputs: Inputs, file: str, path: Path, progress: Progress | None
) -> Iterator[tuple[LineFormat, Iterator[_Numbered]]]:
    """Yield the layout of a text file, and its lines after the header, numbered from 1."""
    with open_lines(inputs, file, path, progress) as lines:
        head = list(islice(lines, SAMPLE))
        layout = find_line_format([line for line, _ in head], printable(file), path)
        numbered = enumerate(chain(head, lines), 1)
        if layout.promised is not None:
            next(line for _, (line, _) in numbered if line.strip())
        yield layout, numbered


@dataclass(frozen=True)
class _Order:
    """The arguments of `read_vectors`; `name` is the file's, as messages show it."""

    inputs: Inputs
    name: str
    asked: tuple[str, ...]
    dtype: np.dtype[Any]
    strict: bool
    path: Path
    progress: Progress | None

    def done(self, rows: dict[str, Array], d: int, warnings: list[str]) -> Vectors:
        """Return the result."""
        missing = tuple(word for word in self.asked if word not in rows)
        return Vectors(self.name, rows, d, missing, tuple(warnings))


def _from_text(order: _Order, file: str) -> Vectors:
    malformed = Malformed(order.name, order.path, order.strict)
    with _opened(order.inputs, file, order.path, order.progress) as (layout, lines):
        scan = _Scan(layout, spellings(order.asked), order.dtype, malformed)
        found = scan.run(lines, len(order.asked))
    warnings = [*malformed.warnings(), *scan.spoilt_words()]
    if not found and layout.promised not in (None, scan.seen):
        warnings.append(
            f"{order.name}: the header promises {layout.promised} words, the file has {scan.seen}"
        )
    return order.done(scan.rows, layout.d, warnings)


@dataclass
class _Scan:
    """One pass over the lines of a text file, and the words found so far."""

    layout: LineFormat
    wanted: dict[bytes, str]
    dtype: np.dtype[Any]
    malformed: Malformed
    rows: dict[str, Array] = field(default_factory=dict)
    spoilt: dict[str, str] = field(default_factory=dict)  # wanted word -> its malformed line
    seen: int = 0
    block: Array = field(default_factory=lambda: np.empty((0, 0)))
    used: int = 0  # rows of the block

    def run(self, lines: Iterator[_Numbered], count: int) -> bool:
        """Read until `count` words are found; return whether there were as many."""
        if count == 0:
            return True
        parted, wanted = self.layout.parted, self.wanted.get
        for number, (raw, blanks) in lines:
            line, word = parted(raw, blanks)
            if not line:
                continue
            self.seen += 1
            if word is not None and (asked := wanted(word)) is not None:
                if asked not in self.rows and self._take(number, line, word, asked) == count:
                    return True
            elif word is None or b" " in word:
                fault = fault_of_length(line, word, self.layout.d, self.wanted)
                if fault is not None:
                    self._skip(number, line, fault, wanted(line.split(b" ", 1)[0]))
        return False

    def _take(self, number: int, line: bytes, word: bytes, asked: str) -> int:
        """Keep the vector of a wanted word; return the number of vectors so far."""
        vector = vector_of(line, word, self.layout.d, self.dtype)
        if isinstance(vector, Fault):
            self._skip(number, line, vector, asked)
        else:
            self.rows[asked] = self._kept(vector)
        return len(self.rows)

    def _kept(self, vector: Array) -> Array:
        """Return a vector as a row of a block: many small arrays would leave holes in memory."""
        if self.used == len(self.block):
            large = LARGE // (self.layout.d * self.dtype.itemsize)
            size = max(BLOCK, large) if self.rows else BLOCK
            self.block, self.used = np.empty((size, self.layout.d), dtype=self.dtype), 0
        row: Array = self.block[self.used]
        row[:] = vector
        self.used += 1
        return row

    def _skip(self, number: int, line: bytes, fault: Fault, asked: str | None) -> None:
        self.malformed.add(number, line, fault)
        if asked is not None:
            self.spoilt.setdefault(asked, f"line {number}: {fault.message}")

    def spoilt_words(self) -> list[str]:
        """Return a sentence for each wanted word that appears in malformed lines only."""
        return [
            f"{self.malformed.name}: '{printable(word)}' has a malformed line only, {reason}"
            for word, reason in self.spoilt.items()
            if word not in self.rows
        ]


def _from_npy(order: _Order, file: str, words: str) -> Vectors:
    malformed = Malformed(printable(words), order.path, order.strict)
    with order.inputs.open_again(file, order.path) as stream:
        matrix = _matrix(stream, order.name, order.path)
        n, d = matrix.shape
        places = _places(order, words, n, malformed)
        values = matrix[np.array([at for at, _ in places.values()], dtype=np.intp)]
    with np.errstate(over="ignore"):
        vectors = values.astype(order.dtype, copy=False)
    usable = np.isfinite(vectors).all(axis=1).tolist()
    rows: dict[str, Array] = {}
    for number, (word, (at, raw)) in enumerate(places.items()):
        if usable[number]:
            rows[word] = vectors[number]
            continue
        column, reason = first_unfit(values[number], order.dtype)
        fault = Fault(f"number {column + 1} of its row in {order.name} {reason}")
        malformed.add(at + 1, raw, fault)
    return order.done(rows, d, malformed.warnings())


def read_rows(inputs: Inputs, file: str, rows: list[int], path: Path) -> Array:
    """Return some rows of an NPY of vectors, (rows, d)."""
    with inputs.open_again(file, path) as stream:
        found: Array = _matrix(stream, printable(file), path)[np.array(rows, dtype=np.intp)]
    return found


def _matrix(stream: BinaryIO, name: str, path: Path) -> Tensor:
    """Return the matrix of an NPY, of which only indexed rows are read."""
    from attn_cli.sources.matrices.stored import open_stored

    header = read_header(stream, name, path)
    if len(header.shape) != 2 or 0 in header.shape or header.dtype.kind not in "iuf":
        raise AttnError(
            f"{name} must be a matrix of numbers, one row per word, not shape {header.shape} "
            f"in {header.dtype}",
            path=path,
        )
    whole = slice(0, os.fstat(stream.fileno()).st_size)
    stored = open_stored(stream, name, path, whole)
    if stored is not None:
        return stored
    stream.seek(0)  # this system cannot read rows by their offset
    return read_npy(stream, name, path)


def _places(
    order: _Order, words: str, n: int, malformed: Malformed
) -> dict[str, tuple[int, bytes]]:
    """Return the row, and the line, of each wanted word of a list that must have n words."""
    wanted = spellings(order.asked)
    places: dict[str, tuple[int, bytes]] = {}
    count = 0  # up to the last line that is not blank
    with open_lines(order.inputs, words, order.path, order.progress) as lines:
        for at, (line, _) in enumerate(lines):
            raw = line.strip()
            if raw:
                count = at + 1
            if (word := wanted.get(raw)) is not None and word not in places:
                if fault := fault_of_word(raw):
                    malformed.add(at + 1, raw, fault)
                else:
                    places[word] = (at, raw)
    if count != n:
        raise AttnError(
            f"{order.name} has {n} rows, but {malformed.name} lists {count} words",
            path=order.path,
            where=Where(malformed.name),
            help="list one word per line, in the order of the rows",
        )
    return places
