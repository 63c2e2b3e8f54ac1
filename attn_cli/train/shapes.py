"""Arrays that a problem file gives by their shape alone: `{shape: [32, 32]}`. They are learnt.

    weights: {query: {shape: [32, 32]}}
    next_word: {vocabulary: [a, b, c]}        weights are (d x words) then

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
from attn_cli.sources.text.scalars import integer

LARGEST = 1 << 27  # numbers


def with_arrays_by_shape(document: Document, tokens: tuple[str, ...]) -> Document:
    """Return the document with zeros in place of the shapes; `tokens` are those of an example.

    Raises AttnError for a shape that is not one, or if learning begins with the file's numbers.
    """
    tree = dict(document.tree)
    shaped = False
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
