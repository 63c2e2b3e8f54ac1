"""Arrays that a problem file gives by their shape alone: `{shape: [32, 32]}`. They are learnt.

    weights: {query: {shape: [32, 32]}}
    next_word: {vocabulary: [a, b, c]}        weights are (d x words) then
    embeddings: {words: [a, b, c], vectors: {shape: [3, 32]}}

Only `attn train` reads them, which draws their numbers at the start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from attn_cli.dataclass import replace
from attn_cli.errors import AttnError, Path, dotted
from attn_cli.maths.pipeline import pipeline
from attn_cli.maths.rows import last_of_rows
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.document import Document
from attn_cli.sources.matrices.lookup import is_matrix_of_words, read_word_table, words_of_table
from attn_cli.sources.text.scalars import integer

LARGEST = 1 << 27  # numbers


def with_arrays_by_shape(document: Document, tokens: tuple[str, ...]) -> Document:
    """Return the document with zeros in place of the shapes; `tokens` are those of an example.

    Raises AttnError for a shape that is not one, or if learning begins with the file's numbers.
    """
    tree = dict(document.tree)
    shaped = False
    if is_matrix_of_words(tree["embeddings"]):
        table, by_shape = _with_rows(document, tree["embeddings"])
        tree["embeddings"], shaped = table, by_shape
    for path, node in _shapes(tree, ()):
        _put(tree, path, np.zeros(_shape(node["shape"], (*path, "shape"))))
        shaped = True
    next_word = tree.get("next_word")
    if isinstance(next_word, Mapping) and "vocabulary" in next_word and "weights" not in next_word:
        d = _last_depth(replace(document, tree=tree), tokens)
        words = next_word["vocabulary"]
        size = len(words.split() if isinstance(words, str) else words)
        tree["next_word"] = {**next_word, "weights": _in_layout(np.zeros((d, size)), tree)}
        shaped = True
    if shaped and tree["train"].get("start") == "file":
        raise AttnError(
            "train.start is file, and an array of the file has a shape and no numbers",
            path=("train", "start"),
            help="leave start out: the numbers are drawn from train.seed",
        )
    return replace(document, tree=tree) if shaped else document


def names_by_shape(tree: Mapping[str, Any]) -> list[str]:
    """Return the names of the arrays that a file gives by their shape, or leaves out."""
    names = [".".join(map(str, path)) for path, _ in _shapes(tree, ())]
    names += ["embeddings"] if embeddings_by_shape(tree) else []
    next_word = tree.get("next_word")
    left_out = isinstance(next_word, Mapping) and "weights" not in next_word
    return [*names, "next_word.weights"] if left_out else names


def embeddings_by_shape(tree: Mapping[str, Any]) -> bool:
    """Return whether embeddings are words and the shape of their vectors."""
    table = tree["embeddings"]
    vectors = table["vectors"] if is_matrix_of_words(table) else None
    return isinstance(vectors, dict) and list(vectors) == ["shape"]


def _with_rows(document: Document, node: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return a table word -> vector of a matrix of words, and whether a shape is all it has."""
    path: Path = ("embeddings",)
    words = words_of_table(node, path)
    by_shape = embeddings_by_shape({"embeddings": node})
    if by_shape:
        place = (*path, "vectors", "shape")
        shape = _shape(node["vectors"]["shape"], place)
        if len(shape) != 2 or shape[0] != len(words):
            raise AttnError(
                f"{dotted(place)} is {list(shape)}, and there are {len(words)} words",
                path=place,
                help=f"write one row for each word: [{len(words)}, 32]",
            )
        node = {**node, "vectors": np.zeros(shape)}
    table = read_word_table(document, node, path, (), np.dtype(np.float64), finite=False)
    assert table is not None  # it has words
    return {word: table[word] for word in words}, by_shape


def _shapes(node: Any, path: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Yield the places that have a shape and nothing else."""
    if not isinstance(node, dict) or path in {("train",), ("embeddings",)}:
        return
    if list(node) == ["shape"]:
        yield path, node
        return
    for key in list(node):
        yield from _shapes(node[key], (*path, key))


def _shape(node: Any, path: Path) -> tuple[int, ...]:
    if not isinstance(node, list | tuple) or not 1 <= len(node) <= 3:
        raise AttnError(
            f"{dotted(path)} must be a list of one to three sizes", path=path, help="[32, 32]"
        )
    shape = tuple(integer(size, (*path, at), 1) for at, size in enumerate(node))
    if np.prod([float(size) for size in shape]) > LARGEST:
        raise AttnError(
            f"{dotted(path)} has more than {LARGEST} numbers", path=path, help="make it smaller"
        )
    return shape


def _put(tree: dict[str, Any], path: Path, node: Any) -> None:
    """Put a node at a path; mappings on the way are copied."""
    for key in path[:-1]:
        tree[str(key)] = tree = dict(tree[str(key)])
    tree[str(path[-1])] = node


def _last_depth(document: Document, tokens: tuple[str, ...]) -> int:
    """Return the length of the rows that the next-word head reads."""
    others = {k: v for k, v in document.tree.items() if k not in {"next_word", "answer", "train"}}
    problem = read_problem(replace(document, tree={**others, "tokens": list(tokens)}))
    return pipeline(problem)[last_of_rows(problem)].depth


def _in_layout(matrix: Any, tree: Mapping[str, Any]) -> Any:
    return matrix.T if tree.get("layout") == "columns" else matrix
