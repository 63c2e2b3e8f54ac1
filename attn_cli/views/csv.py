"""One step as comma-separated numbers, each with the fewest digits that give it back exactly.

With labels the tokens are the first row and the first column, and the very first cell is empty, so
that the file can be read again.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from io import StringIO
from typing import Literal

from attn_cli.errors import AttnError, argument
from attn_cli.record import Record, Whole
from attn_cli.views import Style


def render(record: Record, style: Style) -> str:
    """Return the only step of the record."""
    return separated(record, style, ",")


def render_parts(whole: Whole, parts: Iterable[Record], style: Style) -> Iterator[bytes]:
    """Yield the lines of each part."""
    return separated_parts(whole, parts, style, ",")


def separated(record: Record, style: Style, delimiter: str) -> str:
    """Return the only step with a delimiter; raise AttnError where it has more than two axes."""
    (step,) = record.steps.values()
    whole = Whole(step.name, step.axes, step.labels, step.shape)
    return b"".join(separated_parts(whole, (record,), style, delimiter)).decode()


def separated_parts(
    whole: Whole, parts: Iterable[Record], style: Style, delimiter: str
) -> Iterator[bytes]:
    """Yield the lines of each part; raise AttnError where the step has more than two axes."""
    if len(whole.axes) > 2:
        raise AttnError(
            f"{whole.name} has {len(whole.axes)} axes ({', '.join(whole.axes)}), a table has two",
            help=f"choose one entry with {argument('batch')} and {argument('head')}, or write it "
            "as npy",
        )
    if style.labels:
        yield _lines([["", *whole.labels[-1]]], delimiter)
    for record in parts:
        step = record.steps[whole.name].as_matrix()
        rows = []
        for label, row in zip(step.labels[-2], step.values, strict=True):
            # str of a NumPy number is the shortest text that reads back as the same number.
            numbers = [str(x) for x in (row.tolist() if row.dtype.itemsize == 8 else row)]
            rows.append([label, *numbers] if style.labels else numbers)
        yield _lines(rows, delimiter)


def _lines(rows: list[list[str]], delimiter: str) -> bytes:
    text = _written(rows, delimiter, csv.QUOTE_MINIMAL)
    if "\r" in text:  # a line end to whoever reads it, and before Python 3.13 none to the writer
        text = _written(rows, delimiter, csv.QUOTE_ALL)
    return text.encode()


def _written(rows: list[list[str]], delimiter: str, quoting: Literal[0, 1]) -> str:
    out = StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\n", quoting=quoting).writerows(rows)
    return out.getvalue()
