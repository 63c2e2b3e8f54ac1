"""A line of a file of word vectors: its layout, its word, its numbers, its faults."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container
from typing import Any

import numpy as np

from attn_cli.arrays import AnyArray, Array
from attn_cli.dataclass import dataclass, field
from attn_cli.errors import AttnError, Path, Where
from attn_cli.sources.text.scalars import NUMBER, WILD, numbers, shown

SAMPLE = 17  # lines that determine the layout of a file: a header, and sixteen to vote
KEPT = 10  # numbers of malformed lines that a warning names

_HEADER = re.compile(rb"([0-9]{1,18})[ \t]+([0-9]{1,18})[ \t\r]*")
_BLANKS = b" \t\r"


@dataclass(frozen=True)
class LineFormat:
    """The layout of lines in a file. `promised` is the count in its header, None without one."""

    d: int
    tabs: bool = False
    promised: int | None = None

    def parted(self, raw: bytes, blanks: int) -> tuple[bytes, bytes | None]:
        """Return a line with `blanks` blanks, cleaned, and its word: all before its last d fields.

        A cleaned line has no blanks at its end, and blanks instead of tabs. The word is None if
        the line has d fields or fewer.
        """
        line = raw.rstrip(_BLANKS)
        if self.tabs:
            line = _untabbed(line)
            blanks = line.count(b" ")
        elif len(line) < len(raw):
            blanks -= raw.count(b" ", len(line))
        if blanks == self.d and line[0] != _BLANK:
            return line, line[: line.index(b" ")]
        fields = _fields(line)
        return line, b" ".join(fields[: -self.d]) if len(fields) > self.d else None


_BLANK = 32


def find_line_format(head: list[bytes], name: str, path: Path) -> LineFormat:
    """Return the layout of a file that begins with these lines, not more than `SAMPLE`.

    d is that of most lines: words may contain blanks, and any line may be malformed. A header is
    two whole numbers, `N d`, before lines that have d numbers. Raises AttnError if no line is a
    word and numbers.
    """
    lines = [line for line in head if line.strip()]
    match = _HEADER.fullmatch(lines[0]) if lines else None
    if match is None:
        layout = _voted(lines)
    elif (layout := _voted(lines[1:])) is not None:
        fits = layout.d == int(match[2])
        layout = LineFormat(layout.d, layout.tabs, int(match[1])) if fits else _voted(lines)
    if layout is None:
        raise _no_vectors(lines, name, path)
    return layout


def _voted(lines: list[bytes]) -> LineFormat | None:
    tabs = 2 * sum(b"\t" in line.strip() for line in lines) > len(lines)
    counts = Counter(map(_numbers_at_end, lines if not tabs else map(_untabbed, lines)))
    del counts[0]
    return LineFormat(counts.most_common(1)[0][0], tabs) if counts else None


def _untabbed(line: bytes) -> bytes:
    return line.replace(b"\t", b" ")


def _numbers_at_end(line: bytes) -> int:
    """Return the number of fields at the end of a line that are numbers; its first is its word."""
    count = 0
    for part in reversed(_fields(line.rstrip(_BLANKS))[1:]):
        if not _is_number(part):
            break
        count += 1
    return count


def _is_number(part: bytes) -> bool:
    text = part.decode("latin-1")
    return NUMBER.fullmatch(text) is not None or WILD.fullmatch(text) is not None


def _fields(line: bytes) -> list[bytes]:
    return [part for part in line.split(b" ") if part]


def _no_vectors(lines: list[bytes], name: str, path: Path) -> AttnError:
    if not lines:
        return AttnError(f"{name} is empty", path=path)
    if any(b"\0" in line or _text(line).encode() != line for line in lines):
        return AttnError(
            f"{name} is binary, or at least no text in UTF-8",
            path=path,
            help="save it as text, the binary format of word2vec with: gensim's "
            "save_word2vec_format(..., binary=False)",
        )
    return AttnError(
        f"{name} holds no word vectors: none of its first lines is a word and its numbers",
        path=path,
        where=Where(name, 1, 1, _text(lines[0])),
        help="expected lines such as: cat 0.5 -1.25 3",
    )


@dataclass(frozen=True)
class Fault:
    """A fault of a line: a message, its column, and advice."""

    message: str
    column: int = 1
    help: str | None = None


def fault_of_length(
    line: bytes, word: bytes | None, d: int, wanted: Container[bytes]
) -> Fault | None:
    """Return the fault of a line that has too few numbers, or too many for a wanted word.

    A word with blanks of which all parts but the first are numbers is taken for a line with too
    many numbers if one has a decimal point, or if the first part is wanted: `cat 1 2 3`, d = 2.
    """
    if word is None:
        return Fault(f"{_count(len(_fields(line)) - 1)} instead of {d}")
    first, *rest = word.split(b" ")
    if rest and all(map(_is_number, rest)) and (b"." in b"".join(rest) or first in wanted):
        return Fault(f"{_count(d + len(rest))} instead of {d}")
    return None


def _count(n: int) -> str:
    return f"{n} {'number' if n == 1 else 'numbers'}"


def fault_of_word(word: bytes) -> Fault | None:
    """Return the fault of a word that is not UTF-8."""
    try:
        word.decode()
    except UnicodeDecodeError as error:
        return Fault(
            f"byte 0x{word[error.start]:02x} in its word is not UTF-8",
            error.start + 1,
            help="convert the file with: iconv -f LATIN1 -t UTF-8",
        )
    return None


def vector_of(line: bytes, word: bytes, d: int, dtype: np.dtype[Any]) -> Array | Fault:
    """Return the d numbers at the end of a cleaned line, or the first fault among them."""
    if fault := fault_of_word(word):
        return fault
    starts = [match.start() for match in re.finditer(rb"[^ ]+", line)][-d:]
    texts = [_text(part) for part in _fields(line)[-d:]]
    before = len(_fields(line)) - d + 1
    if before < 2:  # adjacent blanks were counted as a field
        return Fault(f"{_count(len(_fields(line)) - 1)} instead of {d}")
    try:
        values = np.array(numbers(texts, (), ratios=False), dtype=np.float64)
    except AttnError as error:
        at = next(part for part in error.path if isinstance(part, int))
        message = f"field {before + at} must be a number, not {shown(texts[at])}"
        return Fault(message, _column(line, starts[at]), error.help)
    with np.errstate(over="ignore"):
        vector: Array = values.astype(dtype)
    if not np.isfinite(vector).all():
        at, message = first_unfit(values, dtype)
        return Fault(f"field {before + at} {message}", _column(line, starts[at]))
    return vector


def first_unfit(values: AnyArray, dtype: np.dtype[Any]) -> tuple[int, str]:
    """Return the index of the first value that a type cannot hold, and the reason."""
    with np.errstate(over="ignore"):
        at = int(np.flatnonzero(~np.isfinite(values.astype(dtype)))[0])
    if np.isfinite(values[at]):
        return at, f"= {values[at]:g} is too large for {dtype}"
    return at, "is NaN" if np.isnan(values[at]) else "is infinite"


def _column(line: bytes, start: int) -> int:
    return len(_text(line[:start])) + 1


def _text(part: bytes) -> str:
    return part.decode("utf-8", "replace")


@dataclass
class Malformed:
    """The malformed lines so far: their count, and the first of them. With `strict` one raises."""

    name: str  # of the file
    path: Path
    strict: bool
    count: int = 0
    lines: list[int] = field(default_factory=list)
    first: str = ""

    def add(self, number: int, line: bytes, fault: Fault) -> None:
        """Keep a line; with `strict`, raise AttnError with its place."""
        if self.strict:
            raise AttnError(
                f"line {number} of {self.name} is malformed: {fault.message}",
                path=self.path,
                where=Where(self.name, number, fault.column, _text(line)),
                help=fault.help or "fix the line, or delete it",
            )
        self.count += 1
        self.first = self.first or fault.message
        if len(self.lines) < KEPT:
            self.lines.append(number)

    def warnings(self) -> list[str]:
        """Return one sentence about all of them, or none."""
        if not self.count:
            return []
        one = self.lines[0]
        if self.count == 1:
            return [f"{self.name}: line {one} is malformed and was skipped: {self.first}"]
        listed = ", ".join(map(str, self.lines))
        more = f" and {self.count - len(self.lines)} more" if self.count > len(self.lines) else ""
        return [
            f"{self.name}: {self.count} malformed lines were skipped: {listed}{more}; "
            f"line {one}: {self.first}"
        ]
