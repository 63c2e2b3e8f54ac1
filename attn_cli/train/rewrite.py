"""A problem file with other numbers in some places: the rest stays, byte for byte.

A list in a block, or with comments in it, keeps its form: each number is replaced. Any other
matrix, also one that is the path of a file, becomes a list of rows, one row per line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from attn_cli.arrays import Array
from attn_cli.errors import AttnError, Path, dotted, printable
from attn_cli.sources.matrices.document import Document
from attn_cli.sources.text.events import Quoted, parse
from attn_cli.sources.text.scalars import number
from attn_cli.train.learnt import EMBEDDINGS
from attn_cli.train.spans import Span, spans

BYTE_ORDER_MARK = "\ufeff"
Edit = tuple[int, int, str]  # from, to, the new text


def rewritten(document: Document, values: Mapping[str, Array]) -> str:
    """Return the text of a document with these values at their key paths.

    `embeddings` are a table of words, one row of the array per word. A byte order mark stays.

    Raises AttnError unless the new text reads as the same problem with these values.
    """
    text = document.text
    assert text is not None  # an archive has been refused
    nodes: dict[Path, Array] = {}
    for name, value in values.items():
        if name == EMBEDDINGS:
            words = document.tree[name]
            nodes |= {(name, w): row for w, row in zip(words, value, strict=True)}
        else:
            nodes[tuple(name.split("."))] = value
    found = spans(text, nodes)
    edits = sorted(
        edit for path, value in nodes.items() for edit in _edits(text, found[path], value)
    )
    parts, at = [], 0
    for start, end, new in edits:
        parts += [text[at:start], new]
        at = end
    new = "".join([*parts, text[at:]])
    _refuse_another_meaning(document, new, nodes)
    return BYTE_ORDER_MARK + new if document.marked else new


def _refuse_another_meaning(document: Document, new: str, nodes: Mapping[Path, Array]) -> None:
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


def _difference(old: Any, new: Any, path: Path, nodes: Mapping[Path, Array]) -> Path | None:
    """Return the path of the first difference that is not a new value, None if there is none."""
    if path in nodes:
        return None if _reads_as(new, nodes[path]) else path
    if isinstance(old, dict) and isinstance(new, dict) and list(old) == list(new):
        pairs = [((*path, key), old[key], new[key]) for key in old]
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = [((*path, at), old[at], new[at]) for at in range(len(old))]
    else:
        same = isinstance(old, str) and old == new
        return None if same and isinstance(old, Quoted) == isinstance(new, Quoted) else path
    differences = (_difference(a, b, place, nodes) for place, a, b in pairs)
    return next((place for place in differences if place is not None), None)


def _reads_as(node: Any, value: Array) -> bool:
    """Return whether a node is a value: nested lists of the same lengths and the same numbers."""
    if value.ndim == 0:
        return isinstance(node, str) and number(node, ()) == float(value)
    same = isinstance(node, list) and len(node) == len(value)
    return same and all(_reads_as(item, part) for item, part in zip(node, value, strict=True))


def _edits(text: str, span: Span, value: Array) -> Iterator[Edit]:
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
