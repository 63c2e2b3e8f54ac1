"""A problem file with other numbers in some places: the rest stays, byte for byte.

A list in a block, or with comments in it, keeps its form: each number is replaced. Any other
matrix, also one that is the path of a file, becomes a list of rows, one row per line. A matrix of
more than 1000 numbers, or one that was given by its shape, goes into an NPZ archive beside the
trained file, and its place names the archive: `trained.npz#weights.query`. So does the matrix of
words that are listed; a table word -> vector stays in the text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from attn_cli.arrays import Array
from attn_cli.errors import AttnError, Path, dotted, printable
from attn_cli.sources.matrices.document import Document
from attn_cli.sources.matrices.lookup import is_matrix_of_words
from attn_cli.sources.text.events import Quoted, parse
from attn_cli.sources.text.scalars import number
from attn_cli.train.learnt import EMBEDDINGS
from attn_cli.train.spans import Span, spans

BYTE_ORDER_MARK = "\ufeff"
MOST = 1000  # numbers of a matrix that the text holds
Edit = tuple[int, int, str]  # from, to, the new text


def archived(document: Document, values: Mapping[str, Array]) -> dict[str, Array]:
    """Return the arrays that belong into an archive beside the trained file."""
    return {
        name: value
        for name, value in values.items()
        if _place(document.tree, name) is not None
        and (value.size > MOST or _by_shape(document.tree, name))
    }


def _place(tree: Any, name: str) -> Path | None:
    """Return the key path of the array of a name; None for a table word -> vector."""
    if name != EMBEDDINGS:
        return tuple(name.split("."))
    return (EMBEDDINGS, "vectors") if is_matrix_of_words(tree[EMBEDDINGS]) else None


def _by_shape(tree: Any, name: str) -> bool:
    """Return whether a document gives an array by its shape, or leaves it out."""
    for key in _place(tree, name) or ():
        if not isinstance(tree, dict) or key not in tree:
            return True
        tree = tree[key]
    return isinstance(tree, dict) and list(tree) == ["shape"]


def rewritten(document: Document, values: Mapping[str, Array], archive: str | None = None) -> str:
    """Return the text of a document with these values at their key paths.

    `embeddings` are a table of words, one row of the array per word. A byte order mark stays.
    `archive` is the name of the archive that has the arrays of `archived`; None: the text has all.

    Raises AttnError unless the new text reads as the same problem with these values.
    """
    text = document.text
    assert text is not None  # an archive has been refused
    nodes: dict[Path, Array | str] = {}
    outside = {} if archive is None else archived(document, values)
    for name, value in values.items():
        place = _place(document.tree, name)
        if place is None:
            words = document.tree[name]
            nodes |= {(name, w): row for w, row in zip(words, value, strict=True)}
        else:
            nodes[place] = f"{archive}#{name}" if name in outside else value
    vocabulary = ("next_word", "vocabulary")
    found = spans(text, {*nodes, vocabulary, ("next_word",)})
    edits = sorted(
        edit
        for path, value in nodes.items()
        for edit in (
            _edits(text, found[path], value)
            if path in found
            else _inserted(text, found[("next_word",)], found[vocabulary], path[-1], value)
        )
    )
    parts, at = [], 0
    for start, end, new in edits:
        parts += [text[at:start], new]
        at = end
    new = "".join([*parts, text[at:]])
    _refuse_another_meaning(document, new, nodes)
    return BYTE_ORDER_MARK + new if document.marked else new


def _refuse_another_meaning(
    document: Document, new: str, nodes: Mapping[Path, Array | str]
) -> None:
    """Raise AttnError if a new text is not the old problem with other values."""
    name = document.name or "the problem"
    assert document.text is not None
    try:
        at = _difference(parse(document.text, name), parse(new, name), (), nodes)
    except AttnError as error:
        at, what = (), f"it could not be read again: {error.message}"
    else:
        what = f"{dotted(at or ()) or 'it'} would be read as something else"
    if at is not None:
        raise AttnError(
            f"{printable(name)} cannot be rewritten: {what}",
            where=document.where(at),
            help="nothing was written; write its matrices as nested lists, such as "
            "[[1.0, 2.0], [3.0, 4.0]], without tabs or invisible characters, and train it again",
        )


def _difference(old: Any, new: Any, path: Path, nodes: Mapping[Path, Array | str]) -> Path | None:
    """Return the path of the first difference that is not a new value, None if there is none."""
    if path in nodes:
        return None if _reads_as(new, nodes[path]) else path
    if isinstance(old, dict) and isinstance(new, dict):
        added = {key for key in new if key not in old and (*path, key) in nodes}
        if any(not _reads_as(new[key], nodes[*path, key]) for key in added):
            return path
        new = {key: value for key, value in new.items() if key not in added}
    if isinstance(old, dict) and isinstance(new, dict) and list(old) == list(new):
        pairs = [((*path, key), old[key], new[key]) for key in old]
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = [((*path, at), old[at], new[at]) for at in range(len(old))]
    else:
        same = isinstance(old, str) and old == new
        return None if same and isinstance(old, Quoted) == isinstance(new, Quoted) else path
    differences = (_difference(a, b, place, nodes) for place, a, b in pairs)
    return next((place for place in differences if place is not None), None)


def _reads_as(node: Any, value: Array | str) -> bool:
    """Return whether a node is a value: nested lists of the same lengths and the same numbers."""
    if isinstance(value, str):
        return bool(node == value)
    if value.ndim == 0:
        return isinstance(node, str) and number(node, ()) == float(value)
    same = isinstance(node, list) and len(node) == len(value)
    return same and all(_reads_as(item, part) for item, part in zip(node, value, strict=True))


def _inserted(
    text: str, mapping: Span, before: Span, key: str | int, value: Array | str
) -> Iterator[Edit]:
    """Yield the edit that adds a key to a mapping, behind another of its values."""
    if text[mapping.start] == "{":
        between, column = ", ", mapping.column
    else:
        line_end = "\r\n" if "\r\n" in text else "\n"
        between, column = f"{line_end}{' ' * mapping.column}", mapping.column
    new = _reference(value) if isinstance(value, str) else rows(value, column + len(f"{key}: "))
    named = f'"{key}"' if text.lstrip().startswith("{") else str(key)
    yield before.end, before.end, f"{between}{named}: {new}"


def _reference(text: str) -> str:
    """Return the path of a member as YAML and JSON read it."""
    return json.dumps(text)


def _edits(text: str, span: Span, value: Array | str) -> Iterator[Edit]:
    if isinstance(value, str):
        # Items of a block may begin at the column of their key, which a text may not.
        yield span.start, span.end, "  " * span.listed + _reference(value)
        return
    commented = "#" in text[span.start : span.end] and text[span.start] == "["
    if span.listed or commented:
        for (start, end), number in zip(span.scalars, value.ravel(), strict=True):
            yield start, end, written(number)
        return
    line_end = "\r\n" if "\r\n" in text else "\n"
    yield span.start, span.end, rows(value, span.column, line_end)


def rows(value: Array, column: int, line_end: str = "\n") -> str:
    """Return nested lists, one row per line, for a place at a column (from 0).

    >>> print(rows(np.array([[1.0, 2.5], [-0.5, 1e-7]]), 0))
    [[1.0, 2.5],
     [-0.5, 1.0e-07]]
    """
    if value.ndim == 0:
        return written(value)
    parts = [rows(part, column + 1, line_end) for part in value]
    between = ", " if value.ndim == 1 else f",{line_end}{' ' * (column + 1)}"
    return f"[{between.join(parts)}]"


def written(number: Array | np.floating) -> str:
    """Return the shortest text that reads as the number, with a point, as YAML 1.1 needs."""
    text = repr(float(number))
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa}.0e{exponent}" if e and "." not in mantissa else text
