"""What text and Markdown show of a derivation: paragraphs of parts, and the table of the row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby
from math import isfinite, log10
from typing import NamedTuple

from attn_cli.lab.derivation.result import Column, Derivation, Line, Row
from attn_cli.views.cells import short_word
from attn_cli.views.derivation import written as w

WORD = 20  # columns of a word, at most
VECTOR = 8  # numbers of a vector, at most
LAST = "numbers shown are rounded; results are computed from all digits"


Word = Callable[[str], str]  # how words are shown
Table = tuple[list[str], list[list[str]]]  # its head, and its lines


class Part(NamedTuple):
    """The arithmetic of one step of a key, or of a step without keys."""

    word: str  # the key; empty if there is none
    texts: list[str]  # one for each dimension
    note: str


class Paragraph(NamedTuple):
    """The lines of one step: what they are of, in letters and in numbers."""

    label: str
    symbols: str
    parts: list[Part]
    table: Table | None = None  # of a row


def clipped(text: str, width: int = WORD) -> str:
    """Return a word as it is printed, cut to so many columns; one of blanks only is quoted."""
    return short_word(text, width) if text.strip() else f"'{short_word(text, width - 2)}'"


def in_brackets(note: str) -> str:
    """Return a note in parentheses, unless it has some."""
    return note if "(" in note else f"({note})"


def title(derivation: Derivation, decimals: int, word: Word = clipped) -> str:
    """Return the first line: what is explained, and its value."""
    lead = [f"{axis} {derivation.index[axis]}" for axis in derivation.lead]
    place = ", ".join(map(word, derivation.words.values()))
    before = f"{', '.join(lead)}: " if lead else ""
    name = f"{derivation.step}({place})" if place else derivation.step
    numbers = derivation.result if isinstance(derivation.result, tuple) else (derivation.result,)
    value = f" = {_listed(numbers, partial(w.shown, decimals=decimals))}" if numbers else ""
    return f"{before}{name}{value}"


def remarks(derivation: Derivation, decimals: int) -> Iterator[str]:
    """Yield the sentences below the lines."""
    for line in derivation.lines:
        if isinstance(line, Row):
            if line.note:
                yield w.filled(line, line.note, partial(w.shown, decimals=decimals), clipped)
            if line.hidden:
                each = ", ".join(f"{count} by {why}" for why, count in line.hidden.items())
                yield f"hidden keys: {each}"
    if derivation.type != "float64":
        yield f"numbers are {derivation.type}"
    if any(w.rounds(line, decimals) for line in derivation.lines):
        yield LAST


def paragraphs(
    derivation: Derivation, decimals: int, word: Word = clipped, medium: w.Medium = w.TEXT
) -> Iterator[Paragraph]:
    """Yield the lines, those of one step and token together.

    Lines of kind `softmax` are left out if a table shows the same.
    """
    in_table = {line.step for line in derivation.lines if isinstance(line, Row)}
    write = partial(w.shown, decimals=decimals)
    one = "key" in derivation.index
    for (step, label), group in groupby(derivation.lines, key=lambda line: _of(line, write, word)):
        lines = list(group)
        first = lines[0]
        if isinstance(first, Row):
            symbols = w.filled(first, first.template.symbols, write, word)
            yield Paragraph(label, symbols, [], table(first, decimals, word))
        elif first.template.kind != "softmax" or step not in in_table:
            yield _paragraph(lines, label, decimals, word, medium, one=one)


def _of(line: Line, write: w.Write, word: Word) -> tuple[str, str]:
    label = w.filled(line, line.template.label, write, word)
    if line.template.kind == "row":
        return f"row of {line.step}", label
    return line.step, label


def _paragraph(
    lines: list[Line], label: str, decimals: int, word: Word, medium: w.Medium, *, one: bool
) -> Paragraph:
    first = lines[0]
    write = partial(w.shown, decimals=decimals)
    symbols = w.filled(first, first.template.symbols, write, word)
    if first.template.kind == "value" and not symbols:
        symbols = first.formula
    if one or not {"query", "key"} <= first.index.keys():
        several = len(lines) > 1
        notes = dict.fromkeys(w.note(line, decimals, word, several=several) for line in lines)
        said = "; ".join(filter(None, notes))
        return Paragraph(label, symbols, [Part("", _texts(lines, label, write, medium), said)])
    parts = [
        Part(
            word(line.words["key"]),
            _texts([line], label, write, medium),
            w.note(line, decimals, word),
        )
        for line in lines
    ]
    return Paragraph(label, symbols, parts)


def _texts(lines: list[Line], label: str, write: w.Write, medium: w.Medium) -> list[str]:
    texts = [w.numbers(line, write, medium) for line in lines]
    if not any(texts):
        return [_vector(lines, write, medium)]
    letter = label.removeprefix("to ").removeprefix("layer ")[0]  # as in tables
    parts = []
    for line, text in zip(lines, texts, strict=True):
        further = w.further(line, write, medium)
        n = line.words.get("n")
        name = medium.component(letter, n) if n is not None and len(lines) > 1 else ""
        result = _vector([line], write, medium)
        parts.append(" = ".join(part for part in (name, text, further, result) if part))
    return parts


def _vector(lines: list[Line], write: w.Write, medium: w.Medium) -> str:
    values = [x for line in lines for x in w.values(line)]
    return _listed(values, lambda x: medium.number(write(x)))


def _listed(values: Sequence[float], write: w.Write) -> str:
    """Return a number, or a vector of which the middle is left out if it is long."""
    if len(values) == 1:
        return write(values[0])
    if len(values) <= VECTOR:
        return f"[{', '.join(map(write, values))}]"
    ends = ", ".join(map(write, values[:3])), ", ".join(map(write, values[-2:]))
    return f"[{ends[0]}, ..., {ends[1]}] ({len(values)} numbers)"


def table(row: Row, decimals: int, word: Word) -> Table:
    """Return the head of a row's table, and its lines: keys, others, the sink, the sum."""
    labels = [word(label) for label in row.labels]
    extra: list[tuple[str, Callable[[Column], float | None]]] = []
    if row.others:
        extra.append((f"{row.others} others", lambda column: column.others))
    if any(column.beside is not None for column in row.columns):
        extra.append(("(sink)", lambda column: column.beside))
    if any(column.total is not None for column in row.columns):
        extra.append(("sum", lambda column: column.total))
    lines = [[label] for label in (*labels, *(name for name, _ in extra))]
    for column in row.columns:
        values = [*column.values, *(of(column) for _, of in extra)]
        for line, text in zip(lines, _aligned(values, len(labels), decimals), strict=True):
            line.append(text)
    for at, line in enumerate(lines):
        line.append("<" if at in row.marked else "")
    return [row.heading, *(column.heading for column in row.columns), ""], lines


def _aligned(values: list[float | None], keys: int, decimals: int) -> list[str]:
    """Return a column of numbers: whole, or with the decimals that the largest of a key has."""
    known = [abs(x) for x in values[:keys] if x is not None and isfinite(x)]
    largest = max(known, default=0.0)
    digits = max(decimals - int(log10(largest)), 0) if largest >= 1 else decimals

    def text(x: float | None) -> str:
        if x is None:
            return ""
        if not isfinite(x) or w.shown(x, decimals).lstrip("-").isdigit() or largest >= 1e8:
            return w.shown(x, decimals)
        return f"{x:.{digits}f}" if abs(x) >= 0.5 * 10.0**-digits else f"{x:.2e}"

    return [text(x) for x in values]
