"""CSV and TSV files -> rows of raw cells, with the place of each.

If the very first cell is empty, the first row and the first column are labels, as `--labels`
writes them, and are left out.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable, Iterator
from typing import BinaryIO, TypeVar

from attn_cli.dataclass import dataclass
from attn_cli.errors import AttnError, Path, Where, dotted
from attn_cli.sources.text.scalars import shown

DELIMITERS = {".csv": ",", ".tsv": "\t"}


Cells = list[str]
Row = TypeVar("Row")


def read_table(
    stream: BinaryIO, name: str, delimiter: str, path: Path, convert: Callable[[Cells], Row]
) -> list[Row]:
    """Return the converted rows; raise AttnError with line and column for a cell that is wrong."""
    rows = list(lines_of_table(stream, name, delimiter, path))
    first = rows[0][1]
    labels = 1 if not first[0].strip() and len(first) > 1 else 0
    if labels == len(rows):
        raise AttnError(
            f"{name} has labels but no rows",
            path=path,
            where=rows[0][0].where(0),
            help="its very first cell is empty, so the first line is taken for labels; write a "
            "number there, or the rows below it",
        )
    return [
        _converted(cells[labels:], labels, place, path, convert) for place, cells in rows[labels:]
    ]


def lines_of_table(
    stream: BinaryIO, name: str, delimiter: str, path: Path
) -> Iterator[tuple[LineOfTable, Cells]]:
    """Yield place and cells of each line that is not empty; all have as many cells as the first."""
    import csv

    text = decode(stream.read(), name)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    lines: list[tuple[int, Cells]] = []
    read = 0  # lines that have been split
    try:
        for cells in reader:
            read = reader.line_num
            if cells:
                lines.append((read, cells))
    except csv.Error:  # Python's messages differ between versions
        raise _not_split(name, text, read + 1) from None
    if not lines:
        raise AttnError(f"{name} is empty", path=path)
    width, written = len(lines[0][1]), _lines(text)
    for number, cells in lines:
        line = written[number - 1] if 0 < number <= len(written) else ""
        place = LineOfTable(name, number, line, delimiter)
        if len(cells) != width:
            raise AttnError(
                f"{name} is ragged: line {number} has {_fields(len(cells))}, line {lines[0][0]} "
                f"has {_fields(width)}",
                path=path,
                where=place.where(0),
                help="every line needs the same number of fields",
            )
        yield place, cells


def _not_split(name: str, text: str, number: int) -> AttnError:
    """Return the error for a line that cannot be split into fields, such as one with an open quote.

    Of a quote that is not closed, the rest of the file would be one field.
    """
    import csv

    written = _lines(text)
    line = written[number - 1] if number <= len(written) else ""
    column = line.rfind('"') if line.count('"') % 2 else 0
    return AttnError(
        f"{name} is not a table: line {number} cannot be split into fields",
        where=Where(name, number, column + 1, line),
        help="close every quote, write a quote inside quotes twice, and keep each field under "
        f"{csv.field_size_limit()} characters",
    )


@dataclass(frozen=True)
class LineOfTable:
    """A line of a table, in which the fields can be found again."""

    name: str
    number: int
    text: str
    delimiter: str

    def where(self, field: int) -> Where:
        """Return the place of a field, counted from 0; delimiters in quotes do not separate."""
        quoted, seen, column = False, 0, 0
        while seen < field and column < len(self.text):
            quoted ^= self.text[column] == '"'
            seen += self.text[column] == self.delimiter and not quoted
            column += 1
        rest = self.text[column:]
        column += len(rest) - len(rest.lstrip(" "))
        return Where(self.name, self.number, column + 1, self.text)


def _fields(count: int) -> str:
    return f"{count} {'field' if count == 1 else 'fields'}"


_SEMICOLONS = (
    "separate the fields of a .csv file with ',' and write decimals with '.', not ';' and ','"
)


def _converted(
    cells: Cells, labels: int, place: LineOfTable, path: Path, convert: Callable[[Cells], Row]
) -> Row:
    """Return one row; raise AttnError at its first bad cell."""
    try:
        return convert([cell.strip() for cell in cells])
    except AttnError as error:
        bad = next((part for part in error.path if isinstance(part, int)), 0)
        raise AttnError(
            f"{dotted(path)}: field {bad + labels + 1} of this line must be a number, "
            f"not {shown(cells[bad].strip())}",
            path=path,
            where=place.where(bad + labels),
            help=_SEMICOLONS
            if ";" in cells[bad]
            else error.help
            or "a table holds bare numbers; leave its very first cell empty where the first row "
            "and the first column are labels",
        ) from None


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def two_marks(name: str) -> AttnError:
    """Return the error for a text that begins with more than one byte order mark."""
    return AttnError(
        f"{name} begins with two byte order marks (U+FEFF)",
        where=Where(name, 1, 1),
        help="keep one of them, or none: remove the first three bytes of the file",
    )


def decode(data: bytes, name: str, *, offset: int = 0, lines: int = 0) -> str:
    """Return UTF-8 text without its byte order mark; raise AttnError, placed, for a bad byte.

    A second mark is refused: it would be part of the first word, and cannot be seen. `offset` and
    `lines` are the bytes and the lines before, if these are not the first of a text.
    """
    if offset == 0 and data.startswith(2 * codecs.BOM_UTF8):
        raise two_marks(name)
    try:
        return data.decode("utf-8" if offset else "utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = lines + before.count(b"\n") + 1
        start = before.rfind(b"\n") + 1
        end = data.find(b"\n", error.start)
        source = data[start : end if end >= 0 else len(data)].decode("utf-8", "replace")
        column = len(data[start : error.start].decode("utf-8", "replace")) + 1
        raise AttnError(
            f"{name} is not UTF-8: byte 0x{data[error.start]:02x} at offset {offset + error.start}",
            where=Where(name, line, column, source.rstrip("\r")),
            help="save it as UTF-8, or convert it with: iconv -t UTF-8",
        ) from None
