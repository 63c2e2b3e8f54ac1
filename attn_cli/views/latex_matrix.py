r"""One matrix in LaTeX: an array in math mode, or a table with the rules of booktabs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from attn_cli.record import Labels, Numbered
from attn_cli.views import Style
from attn_cli.views.cells import HIDDEN, Sheet, with_gaps
from attn_cli.views.tex import in_math, number, words

_USUAL_COLUMNS = 10  # that a matrix of amsmath has room for
_NAMED = re.compile(r"([a-z]?)(\d+)")  # the label of a position without a word: 3, or q3
_PLAIN = re.compile(r"\d[\d.]*")
_EMPTY = r"\phantom{0.0000}"  # room to write a number


def matrix(sheet: Sheet, style: Style) -> Iterator[str]:
    """Yield the lines of a matrix, for math mode."""
    labels = has_labels(sheet, style)
    rows = _framed(sheet, [[_in_math(cell, bold) for cell, bold in row] for row in _marked(sheet)])
    columns = len(rows[0])
    if labels:
        heads = with_gaps(_math_labels(sheet, -1), sheet.column_gaps, r"\cdots")
        names = with_gaps(_math_labels(sheet, -2), sheet.row_gaps, r"\vdots")
        beside = _beside(sheet)
        yield rf"\begin{{array}}{{{'r|' if beside else ''}{'c' * columns}}}"
        yield rf"{_row(heads, '' if beside else None)} \\ \hline"
        yield from _ended(
            [_row(r, n if beside else None) for r, n in zip(rows, names, strict=True)]
        )
        yield r"\end{array}"
    else:
        if columns > _USUAL_COLUMNS:
            most = "{MaxMatrixCols}"  # the counter is global: one that is larger stays
            yield rf"\ifnum\value{most}<{columns} \setcounter{most}{{{columns}}}\fi"
        yield r"\begin{bmatrix}"
        yield from _ended([_row(row, None) for row in rows])
        yield r"\end{bmatrix}"


def table(sheet: Sheet, style: Style) -> Iterator[str]:
    """Yield the lines of a table with the rules of booktabs."""
    labels = has_labels(sheet, style)
    fractions = any("." in cell and "e" not in cell for row in sheet.cells for cell in row)
    pad = rf"\phantom{{.{'0' * style.decimals}}}" if fractions and style.decimals else ""

    rows = _framed(
        sheet, [[_cell(cell, bold, pad) for cell, bold in r] for r in _marked(sheet)], "$"
    )
    beside = labels and _beside(sheet)
    heads = with_gaps([words(name) for name in sheet.columns], sheet.column_gaps, r"$\cdots$")
    names = with_gaps([words(name) for name in sheet.rows], sheet.row_gaps, r"$\vdots$")
    yield r"\begin{center}"
    yield rf"\begin{{tabular}}{{{'l' if beside else ''}{'r' * len(rows[0])}}}"
    yield r"\toprule"
    if labels:
        yield rf"{_row(heads, words(sheet.corner) if beside else None)} \\"
        yield r"\midrule"
    yield from (
        rf"{_row(row, name if beside else None)} \\" for row, name in zip(rows, names, strict=True)
    )
    yield from (r"\bottomrule", r"\end{tabular}", r"\end{center}")


def has_labels(sheet: Sheet, style: Style) -> bool:
    """Return whether a matrix has words or numbers above it and beside it.

    As --labels or --no-labels says, or else if an axis has words.
    """
    if style.labels is not None:
        return style.labels
    return not all(map(_are_numbers, sheet.step.labels[-2:]))


def _are_numbers(labels: Labels) -> bool:
    """Return whether labels are the numbers of positions that have no words."""
    return isinstance(labels, Numbered) or all(label == str(at) for at, label in enumerate(labels))


def _beside(sheet: Sheet) -> bool:
    """Return whether rows have labels: those of a vector have none."""
    return len(sheet.step.axes) > 1


def _marked(sheet: Sheet) -> Iterator[list[tuple[str, bool]]]:
    """Yield the cells of each row, each with whether it is the largest."""
    for cells, largest in zip(sheet.cells, sheet.largest.tolist(), strict=True):
        yield list(zip(cells, largest, strict=True))


def _in_math(cell: str, bold: bool) -> str:
    """Return a cell for math mode."""
    if not cell:
        return _EMPTY
    if cell == HIDDEN:
        return r"\cdot"
    return rf"\mathbf{{{number(cell)}}}" if bold else number(cell)


def _cell(cell: str, bold: bool, pad: str) -> str:
    """Return a cell of a table; a whole number is as wide as one with decimals."""
    shown = cell if _PLAIN.fullmatch(cell) and not bold else f"${_in_math(cell, bold)}$"
    return shown + pad if cell == HIDDEN or cell.lstrip("-").isdigit() else shown


def _framed(sheet: Sheet, rows: list[list[str]], dollar: str = "") -> list[list[str]]:
    """Return rows with dots where rows and columns are left out."""
    shown = [with_gaps(row, sheet.column_gaps, rf"{dollar}\cdots{dollar}") for row in rows]
    down, across = (rf"{dollar}\{name}{dollar}" for name in ("vdots", "ddots"))
    gap = with_gaps([down] * len(sheet.columns), sheet.column_gaps, across)
    return with_gaps(shown, sheet.row_gaps, gap)


def _math_labels(sheet: Sheet, axis: int) -> list[str]:
    """Return the labels of an axis for math mode: words as text, numbers as numbers."""
    names = sheet.columns if axis == -1 else sheet.rows
    labels = sheet.step.labels[-2:]
    if axis < -len(labels) or not _are_numbers(labels[axis]):
        return [in_math(name) for name in names]
    return [_position(name) for name in names]


def _position(name: str) -> str:
    """Return the label of a position without a word: 3, or q3 with its number as an index."""
    found = _NAMED.fullmatch(name)
    if found is None:
        return in_math(name)
    letter, digits = found.groups()
    return f"{letter}_{{{digits}}}" if letter else digits


def _row(cells: list[str], name: str | None) -> str:
    """Return a row: its label, if it has one, and its cells."""
    return " & ".join(cells if name is None else [name, *cells]).lstrip()


def _ended(rows: list[str]) -> Iterator[str]:
    """Yield the rows, each but the last with an end."""
    yield from (rf"{row} \\" for row in rows[:-1])
    yield rows[-1]
