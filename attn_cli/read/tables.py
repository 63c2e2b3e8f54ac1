"""CSV and TSV files -> rows of raw cells, with the place of each.

Where the very first cell is empty the first row and the first column are labels, as our own
`--labels` writes them, and are left out.
"""

from __future__ import annotations

import csv
import io
from typing import BinaryIO

from attn_cli.errors import AttnError, Path, Where, dotted, printable
from attn_cli.read.scalars import numbers

DELIMITERS = {".csv": ",", ".tsv": "\t"}


def read_table(stream: BinaryIO, name: str, delimiter: str, path: Path) -> list[list[float]]:
    """Return the rows of numbers; raise AttnError with line and column for a cell that is none."""
    text = decode(stream.read(), name)
    rows: list[tuple[int, list[str]]] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        rows += [(reader.line_num, cells) for cells in reader if cells]
    except csv.Error as error:
        where = Where(name, reader.line_num, 1, _line(text, reader.line_num))
        raise AttnError(f"{name} is no table: {error}", where=where) from None
    if not rows:
        raise AttnError(f"{name} is empty", path=path)
    labelled = not rows[0][1][0].strip() and len(rows[0][1]) > 1
    if labelled:
        rows = [(line, cells[1:]) for line, cells in rows[1:]]
    return [_numbers(cells, line, text, name, delimiter, labelled, path) for line, cells in rows]


def _numbers(
    cells: list[str], line: int, text: str, name: str, delimiter: str, labelled: bool, path: Path
) -> list[float]:
    """Return one row; place its first bad cell."""
    try:
        return numbers([cell.strip() for cell in cells], ())
    except AttnError as error:
        bad = next(part for part in error.path if isinstance(part, int))
        source = _line(text, line)
        fields = source.split(delimiter)[: bad + labelled]
        column = sum(len(field) + 1 for field in fields) + 1
        column += len(source[column - 1 :]) - len(source[column - 1 :].lstrip())
        raise AttnError(
            f"{dotted(path)}: field {bad + labelled + 1} of this line must be a number, "
            f"not '{printable(cells[bad].strip())}'",
            path=path,
            where=Where(name, line, column, source),
            help=error.help
            or "a table holds bare numbers; leave its very first cell empty where the first row "
            "and the first column are labels",
        ) from None


def _line(text: str, number: int) -> str:
    lines = text.splitlines()
    return lines[number - 1] if 0 < number <= len(lines) else ""


def decode(data: bytes, name: str) -> str:
    """Return UTF-8 text without a byte order mark; raise AttnError, placed, for a bad byte."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        start = before.rfind(b"\n") + 1
        end = data.find(b"\n", error.start)
        source = data[start : end if end >= 0 else len(data)].decode("utf-8", "replace")
        column = len(data[start : error.start].decode("utf-8", "replace")) + 1
        raise AttnError(
            f"{name} is not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}",
            where=Where(name, line, column, source.rstrip("\r")),
            help="save it as UTF-8, or convert it with: iconv -t UTF-8",
        ) from None
