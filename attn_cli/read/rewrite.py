"""A problem file with other numbers in some places: all else stays, byte for byte.

A list in a block, and one with comments in it, keeps its form: number for number. Any other matrix,
and the path of one in a file, is written anew as a list of rows, a row a line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from attn_cli.core.arrays import Array
from attn_cli.errors import Path
from attn_cli.read.matrices.document import Document
from attn_cli.read.text.events import Span, spans

Edit = tuple[int, int, str]  # from, to, what stands there instead


def rewritten(document: Document, values: Mapping[str, Array]) -> str:
    """Return the text of a document with these values at their key paths.

    `embeddings` are a table of words: a row of theirs a word.
    """
    text = document.text
    assert text is not None  # an archive has been refused
    nodes: dict[Path, Array] = {}
    for name, value in values.items():
        if name == "embeddings":
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
    return "".join([*parts, text[at:]])


def _edits(text: str, span: Span, value: Array) -> Iterator[Edit]:
    commented = "#" in text[span.start : span.end] and text[span.start] == "["
    if span.listed or commented:
        for (start, end), number in zip(span.scalars, value.ravel(), strict=True):
            yield start, end, written(number)
        return
    line_end = "\r\n" if "\r\n" in text else "\n"
    yield span.start, span.end, rows(value, span.column, line_end)


def rows(value: Array, column: int, line_end: str = "\n") -> str:
    """Return nested lists, a line a row, for a place at a column (from 0).

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
    """Return the shortest text that gives the number back, with a point: YAML 1.1 asks for one."""
    text = repr(float(number))
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa}.0e{exponent}" if e and "." not in mantissa else text
