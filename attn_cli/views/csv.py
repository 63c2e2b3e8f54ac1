"""One step as comma-separated numbers, each with the fewest digits that read back exactly.

With `digits` they are rounded to that number of decimals. With `labels` the tokens are the first
row and the first column, and the first cell is empty, so that the file can be read again.
"""

from __future__ import annotations

import csv
from io import StringIO
from typing import Literal

import numpy as np

from attn_cli.arrays import AnyArray
from attn_cli.errors import AttnError, argument
from attn_cli.record import Record, Whole
from attn_cli.views import Encoding, Style


def render(record: Record, style: Style) -> str:
    """Return the only step of the record."""
    return separated(record, style, ",")


def encoding(whole: Whole, style: Style) -> Encoding:
    """Return the encoding: the line of labels, then the rows."""
    return separated_encoding(whole, style, ",")


def separated(record: Record, style: Style, delimiter: str) -> str:
    """Return the only step with a delimiter; raise AttnError if it has more than two axes."""
    (step,) = record.steps.values()
    whole = Whole(step.name, step.axes, step.labels, step.shape, step.values.dtype)
    head, _, encode = separated_encoding(whole, style, delimiter)
    return (head + bytes(encode(0, np.ascontiguousarray(step.values)))).decode()


def separated_encoding(whole: Whole, style: Style, delimiter: str) -> Encoding:
    """Return the encoding of a step; raise AttnError if it has more than two axes.

    A step of one axis is one line.
    """
    if len(whole.axes) > 2:
        raise AttnError(
            f"{whole.name} has {len(whole.axes)} axes ({', '.join(whole.axes)}), a table has two",
            help=f"choose one entry with {argument('batch')} and {argument('head')}, or write it "
            "as npy",
        )
    columns = whole.shape[-1]
    names = whole.labels[0] if len(whole.axes) > 1 else ("",)

    def texts(numbers: AnyArray) -> list[str]:
        return _texts(numbers, style.digits)

    def encode(start: int, values: AnyArray) -> bytes:
        first, at = divmod(start, columns)
        if at or values.size % columns:  # part of a line
            return _part(names[first] if style.labels and not at else None, start, values)
        rows = []
        for row, numbers in enumerate(values.reshape(-1, columns), first):
            rows.append([names[row], *texts(numbers)] if style.labels else texts(numbers))
        return lines_of(rows, delimiter)

    def _part(label: str | None, start: int, values: AnyArray) -> bytes:
        cells = texts(values.reshape(-1))
        before = [] if label is None else [label]
        line = delimiter.join([*before, *cells])
        ends = (start + values.size) % columns == 0
        return (f"{delimiter if start % columns else ''}{line}{chr(10) if ends else ''}").encode()

    head = lines_of([["", *whole.labels[-1]]], delimiter) if style.labels else b""
    return Encoding(head, None, encode)


def _texts(numbers: AnyArray, digits: int | None) -> list[str]:
    if digits is not None:
        return [str(round(x, digits)) for x in numbers.tolist()]
    # str of a NumPy number is the shortest text that reads back exactly.
    return [str(x) for x in (numbers.tolist() if numbers.dtype.itemsize == 8 else numbers)]


def lines_of(rows: list[list[str]], delimiter: str) -> bytes:
    """Return lines of cells, quoted if they have to be."""
    text = _written(rows, delimiter, csv.QUOTE_MINIMAL)
    if (
        "\r" in text
    ):  # readers take it for a line end; csv.writer quotes it only from Python 3.13 on
        text = _written(rows, delimiter, csv.QUOTE_ALL)
    return text.encode()


def _written(rows: list[list[str]], delimiter: str, quoting: Literal[0, 1]) -> str:
    out = StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\n", quoting=quoting).writerows(rows)
    return out.getvalue()
