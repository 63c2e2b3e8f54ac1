"""A look-up table word -> vector: written out, or a file of which a part is read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from attn_cli.arrays import Array
from attn_cli.dataclass import dataclass
from attn_cli.errors import AttnError, Path, dotted, printable
from attn_cli.record import Labels
from attn_cli.sources.matrices.casting import cast
from attn_cli.sources.matrices.document import Document
from attn_cli.sources.matrices.matrix import read_array
from attn_cli.sources.matrices.shapes import shape_text
from attn_cli.sources.text.mappings import mapping
from attn_cli.sources.text.scalars import flag, word
from attn_cli.sources.text.tokens import known_words, read_tokens
from attn_cli.sources.text.words import nfc

_NAME = r"(?is).+\.(vec|txt|glove)(\.gz)?"
FILE_KEYS = ("file", "words", "strict")
MATRIX_KEYS = ("words", "vectors")


@dataclass(frozen=True)
class WordTable:
    """Word -> vector, all of one length; of a file only the wanted words."""

    path: Path
    vectors: dict[str, Array]
    advice: Callable[[str], str]  # the advice for a word that has no vector
    warnings: tuple[str, ...] = ()

    def __contains__(self, word: str) -> bool:
        return nfc(word) in self.vectors

    def __getitem__(self, word: str) -> Array:
        return self.vectors[nfc(word)]

    def rows(self, words: Labels | None, words_path: Path) -> Array:
        """Return one row per word, (n, d); raise AttnError for a word without a vector."""
        if words is None:
            raise AttnError(
                f"{dotted(self.path)} is a table of words, but {dotted(words_path)} names none to "
                "look up",
                path=self.path,
                help=f"add {dotted(words_path)}: [...], or write the rows as a list",
            )
        for at, token in enumerate(words):
            if token not in self:
                raise AttnError(
                    f"'{printable(token)}' has no vector in {dotted(self.path)}",
                    path=(*words_path, at),
                    help=self.advice(token),
                )
        return np.stack([self[token] for token in words])


def read_word_table(
    document: Document,
    node: Any,
    path: Path,
    wanted: Iterable[str],
    dtype: np.dtype[Any],
    *,
    finite: bool,
) -> WordTable | None:
    """Return the embeddings as a table, None if they are a matrix.

    Of a file of vectors only the `wanted` words are read. Raises AttnError for a vector that is
    not one, or whose length differs from the first.
    """
    if _names_vectors(node):
        return _of_file(document, node, path, wanted, dtype)
    if is_matrix_of_words(node):
        return _of_matrix(document, node, path, dtype, finite=finite)
    if isinstance(node, dict) and not isinstance(node.get("file"), str):
        return _written_out(document, node, path, dtype, finite=finite)
    return None


def is_vectors_file(name: str) -> bool:
    """Return whether a file has the name of a text file of word vectors.

    >>> [is_vectors_file(name) for name in ("wiki.vec", "glove.6B.50d.TXT.gz", "w.npy", "a.txt.md")]
    [True, True, False, False]
    """
    return re.fullmatch(_NAME, name) is not None


def _names_vectors(node: Any) -> bool:
    """Return whether embeddings name a file of word vectors."""
    file = node.get("file") if isinstance(node, dict) else node
    if not isinstance(file, str):
        return False
    return is_vectors_file(file) or (isinstance(node, dict) and "words" in node)


def is_matrix_of_words(node: Any) -> bool:
    """Return whether embeddings are a list of words and the matrix of their vectors.

    `vectors` can be whatever a matrix can: rows, a file, a shape. Two vectors that are written out,
    of words with these names, are lists of numbers.
    """
    if not isinstance(node, dict) or set(node) != set(MATRIX_KEYS):
        return False
    vectors = node["vectors"]
    if isinstance(vectors, np.ndarray):
        return vectors.ndim != 1
    listed = isinstance(vectors, list | tuple)
    return not listed or any(isinstance(row, list | tuple | np.ndarray) for row in vectors)


def words_of_table(node: Any, path: Path) -> Labels:
    """Return the words of a table that is not a file, in its order."""
    if not is_matrix_of_words(node):
        return tuple(nfc(str(each)) for each in node)
    found = read_tokens(node["words"], (*path, "words"))
    for at, each in enumerate(found):
        if each in found[:at]:
            raise AttnError(
                f"'{printable(each)}' appears twice in {dotted((*path, 'words'))}",
                path=(*path, "words", at),
                help="keep one of the two, and its row",
            )
    return found


def _of_matrix(
    document: Document, node: dict[str, Any], path: Path, dtype: np.dtype[Any], *, finite: bool
) -> WordTable:
    words, place = words_of_table(node, path), (*path, "vectors")
    rows = cast(read_array(document, node["vectors"], place), place, dtype, finite=finite)
    if rows.ndim != 2 or len(rows) != len(words):
        raise AttnError(
            f"{dotted(place)} has shape {shape_text(rows.shape)}, and {dotted((*path, 'words'))} "
            f"has {len(words)}",
            path=place,
            help="write one row for each word",
        )
    vectors = dict(zip(words, rows, strict=True))
    return WordTable(path, vectors, lambda asked: known_words(asked, vectors))


def _written_out(
    document: Document, table: dict[str, Any], path: Path, dtype: np.dtype[Any], *, finite: bool
) -> WordTable:
    vectors: dict[str, Array] = {}
    for key, node in table.items():
        place = (*path, str(key))
        vector = cast(read_array(document, node, place), place, dtype, finite=finite)
        if vector.ndim != 1:
            raise AttnError(
                f"{dotted(place)} has shape {shape_text(vector.shape)}, but a word has one vector",
                path=place,
                help="write word: [1, 0, ...]",
            )
        if nfc(str(key)) in vectors:
            raise AttnError(
                f"'{printable(str(key))}' appears twice in {dotted(path)}, in two Unicode forms",
                path=place,
                at_key=True,
                help="keep one of the two",
            )
        first = next(iter(vectors.values()), vector)
        if len(vector) != len(first):
            raise AttnError(
                f"{dotted(place)} has length {len(vector)}, but "
                f"{dotted((*path, next(iter(vectors))))} has {len(first)}",
                path=place,
                help="all words of a table have vectors of the same length",
            )
        vectors[nfc(str(key))] = vector
    if not vectors:
        raise AttnError(f"{dotted(path)} is empty", path=path, help="write word: [1, 0, ...]")
    return WordTable(path, vectors, lambda asked: known_words(asked, vectors))


def _of_file(
    document: Document, node: Any, path: Path, wanted: Iterable[str], dtype: np.dtype[Any]
) -> WordTable:
    from attn_cli.sources.matrices.vectors import nearest_words, read_vectors

    keys = mapping(node, path, FILE_KEYS) if isinstance(node, dict) else {"file": node}
    strict = "strict" in keys and flag(keys["strict"], (*path, "strict"))
    place = (*path, "file") if isinstance(node, dict) else path
    file = document.beside(word(keys["file"], place), place)
    words = None
    if "words" in keys:
        words = document.beside(word(keys["words"], (*path, "words")), (*path, "words"))
    if file not in document.vectors:  # read once for all sequences of a file
        document.vectors[file] = read_vectors(
            document.inputs,
            file,
            {*wanted, *document.words},
            words=words,
            dtype=dtype,
            strict=strict,
            path=place,
            progress=document.inputs.progress,
        )
    found = document.vectors[file]

    def advice(asked: str) -> str:
        near = nearest_words(
            document.inputs, file, asked, words=words, path=place, progress=document.inputs.progress
        )
        known = nfc(asked)
        listed = ", ".join(printable(name) for name in near if name != known)
        none = f"{found.name} has no vector for it"
        lines = [f"{none}; spelt most like it: {listed}" if listed else none, *found.warnings]
        return "\n".join(lines)

    return WordTable(path, found.rows, advice, found.warnings)
