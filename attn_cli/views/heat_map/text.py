"""A heat map in the columns of a terminal: numbers, blocks, half blocks or digits.

`attn_cli.views.heat_map.layout` chooses; a terminal of fewer than 256 colours gets no shades.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby, zip_longest
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from attn_cli.views import Style
from attn_cli.views.cells import cell_width, cells, pointed, short_word
from attn_cli.views.colour import LEVELS, RESET, Shades, levels, shades
from attn_cli.views.heat_map import legend
from attn_cli.views.heat_map.layout import (
    GAP,
    Layout,
    fit,
    indexed_labels,
    layout,
    panel_width,
    shaded,
    shortened,
    width_of,
)

if TYPE_CHECKING:
    from attn_cli.arrays import Array
    from attn_cli.lab.heat_map import HeatMap, Panel

__all__ = ["fit", "render"]

Line = list[tuple[str, str]]  # pieces of text, each with the code of its colours, empty if none
Texts = list[list[str]]

DECIMALS = 2
BOLD, DIM = "\x1b[1m", "\x1b[2m"
_BREAKS = re.compile(r" (?!= )(?<! = )")  # a line does not end at the sign of a digit
RAMP = 17  # columns of the ramp in the legend
EVERY = 5  # columns of the index above blocks, in cells
EVERY_THIN = 10  # the same above cells of one column
KEY_LINES = 6  # lines of a list of keys


class Ink(NamedTuple):
    """What cells are drawn with."""

    shades: Shades | None
    hidden: str
    nan: str
    cut: str  # ends a word that is shortened
    plain: bool  # without any codes

    def code(self, code: str) -> str:
        """Return a code, empty if there are none."""
        return "" if self.plain else code


def render(heat: HeatMap, style: Style) -> str:
    """Return formula, panels and legend."""
    ink = _ink(heat, style)
    texts = [_texts(panel, style) for panel in heat.panels]
    marks = ink.shades is None and any(panel.largest.any() for panel in heat.panels)
    if marks:
        texts = [_marked(of, panel) for of, panel in zip(texts, heat.panels, strict=True)]
    found = layout(heat, style, texts)
    width = width_of(style)
    drawn = [
        list(_panel(heat, panel, of, found, ink))
        for panel, of in zip(heat.panels, texts, strict=True)
    ]
    lines: list[Line] = [[(text, BOLD)] for text in _wrapped(legend.title(heat), width)]
    for first in range(0, len(drawn), found.beside):
        lines += [[]] if first else []
        lines += _beside(drawn[first : first + found.beside], panel_width(heat, found))
    keys = _keys(heat, found, ink, width)
    lines += [[], *([(line, "")] for line in keys)] if keys else []
    lines += [[], *_legend(heat, found, ink, width)]
    return "".join(f"{_set(line, plain=ink.plain)}\n" for line in lines)


def _ink(heat: HeatMap, style: Style) -> Ink:
    chosen = (
        shades(diverging=heat.diverging, light=style.light, colours=style.colours)
        if shaded(style)
        else None
    )
    hidden, nan, cut = (".", "x", ".") if style.ascii else ("·", "×", "…")
    return Ink(chosen, hidden, nan, cut, plain=chosen is None)


def _texts(panel: Panel, style: Style) -> Texts:
    """Return the numbers of a panel, as tables have them; those of hidden cells stay empty."""
    digits = DECIMALS if style.digits is None else style.digits
    seen = np.where(panel.hidden != 0, 0.0, panel.values)
    return [
        ["" if code else text for text, code in zip(row, codes, strict=True)]
        for row, codes in zip(pointed(cells(seen, digits)), panel.hidden.tolist(), strict=True)
    ]


def _with_mark(text: str, mark: str) -> str:
    """Return a number with its mark right behind it, in front of the blanks that align it."""
    number = text.rstrip(" ")
    return number + mark + text[len(number) :]


def _marked(texts: Texts, panel: Panel) -> Texts:
    """Return the numbers with a mark behind the largest of each row."""
    return [
        [_with_mark(text, "*" if mark else " ") for text, mark in zip(row, marks, strict=True)]
        for row, marks in zip(texts, panel.largest.tolist(), strict=True)
    ]


def _set(line: Line, *, plain: bool) -> str:
    """Return a line with its codes, each run of one colour ended before the next."""
    if plain:
        return "".join(text for text, _ in line).rstrip()
    while line and not line[-1][1] and not line[-1][0].rstrip():
        line = line[:-1]
    runs = []
    for code, pieces in groupby(line, key=lambda piece: piece[1]):
        text = "".join(text for text, _ in pieces)
        runs.append(f"{code}{text}{RESET}" if code else text)
    return "".join(runs)


def _beside(panels: Sequence[list[Line]], width: int) -> Iterator[Line]:
    """Yield the lines of panels side by side."""
    for parts in zip_longest(*panels, fillvalue=[]):
        line: Line = []
        for at, part in enumerate(parts):
            line += part
            if at < len(parts) - 1:
                used = sum(cell_width(text) for text, _ in part)
                line.append((" " * (width - used + GAP), ""))
        yield line


def _panel(heat: HeatMap, panel: Panel, texts: Texts, found: Layout, ink: Ink) -> Iterator[Line]:
    """Yield the lines of a panel: title, heads of the columns, rows."""
    if panel.title:
        yield [(panel.title, ink.code(BOLD))]
    yield [(_heads(heat, found, ink), "")]
    shares = heat.shades(panel)
    if heat.diverging:
        shares = (shares + 1) / 2
    numbers = found.kind == "numbers"
    names = list(heat.queries.labels) if numbers else indexed_labels(heat.queries)
    step = 2 if found.kind == "halves" else 1
    for row in range(0, len(names), step):
        name = short_word(names[row], found.label, ink.cut)
        label = " " * (found.label - cell_width(name)) + name + " "
        yield [(label, ""), *_row(heat, panel, shares, texts, found, ink, row)]


def _heads(heat: HeatMap, found: Layout, ink: Ink) -> str:
    """Return what is above the columns: words above numbers, else every so many an index."""
    head = " " * (found.label + 1)
    if found.kind == "numbers":
        for label in heat.keys.labels:
            name = short_word(label, found.cell - 1, ink.cut)
            head += " " * (found.cell - cell_width(name)) + name
        return head.rstrip()
    every = EVERY if found.cell > 1 else EVERY_THIN
    end = panel_width(heat, found)
    for at in range(0, len(heat.keys.starts), every):
        name = str(heat.keys.starts[at])
        place = found.label + 1 + at * found.cell
        if place + len(name) <= end:
            head = head.ljust(place) + name
    return head


def _row(
    heat: HeatMap,
    panel: Panel,
    shares: Array,
    texts: Texts,
    found: Layout,
    ink: Ink,
    row: int,
) -> Iterator[tuple[str, str]]:
    """Yield the cells of a row; of two rows if they are halves."""
    hidden, level = panel.hidden[row].tolist(), levels(shares[row]).tolist()
    nan = np.isnan(shares[row]).tolist()
    if found.kind == "halves":
        yield from _halves(panel, shares, ink, row)
        return
    for at, code in enumerate(hidden):
        if code or (nan[at] and found.kind != "numbers"):
            yield (ink.hidden if code else ink.nan).rjust(found.cell), ink.code(DIM)
            continue
        text = ""
        if found.kind == "numbers":
            text = shortened(texts[row][at]) if found.short else texts[row][at]
        elif found.kind == "digits":
            text = _digit(float(shares[row, at]), signed=heat.diverging)
        shade = ink.code(DIM) if nan[at] else _background(ink, level[at])
        yield text.rjust(found.cell), shade


def _background(ink: Ink, level: int) -> str:
    return "" if ink.shades is None else ink.shades.cell[level]


def _digit(share: float, *, signed: bool) -> str:
    """Return a tenth of the range: floor(10 t), 9 at most; with signs of t from -1 to 1.

    >>> [_digit(share, signed=False) for share in (0.0, 0.1, 0.99, 1.0)]
    ['0', '1', '9', '9']
    >>> [_digit(share, signed=True) for share in (0.0, 0.5, 0.75)]
    ['-9', '0', '5']
    """
    t = 2 * share - 1 if signed else share
    size = min(int(10 * abs(t)), 9)
    return f"-{size}" if t < 0 and size else str(size)


def _halves(panel: Panel, shares: Array, ink: Ink, row: int) -> Iterator[tuple[str, str]]:
    """Yield the cells of two rows, the first above the second."""
    assert ink.shades is not None  # or they were no halves
    front, back = ink.shades.foreground, ink.shades.background
    pair = [levels(shares[at]).tolist() for at in range(row, min(row + 2, len(shares)))]
    blank = [np.isnan(shares[at]).tolist() for at in range(row, min(row + 2, len(shares)))]
    if len(pair) == 1:  # the last of an odd number
        pair, blank = [*pair, pair[0]], [*blank, [True] * len(pair[0])]
    for at, (upper, lower) in enumerate(zip(*pair, strict=True)):
        no_upper, no_lower = blank[0][at], blank[1][at]
        if no_upper and no_lower:
            yield (ink.hidden if panel.hidden[row, at] else ink.nan), DIM
        elif no_lower:
            yield "▀", front[upper]
        elif no_upper:
            yield "▄", front[lower]
        else:
            yield "▀", front[upper] + back[lower]


def _keys(heat: HeatMap, found: Layout, ink: Ink, width: int) -> list[str]:
    """Return the words of the keys, if neither the columns nor the rows have them."""
    keys = heat.keys
    worded = any(str(at) != word for at, word in zip(keys.starts, keys.labels, strict=True))
    shown = found.kind == "numbers" or set(keys.labels) <= set(heat.queries.labels)
    if not worded or shown or keys.block > 1 or keys.name != "key":
        return []
    words = [short_word(name, 24, ink.cut) for name in indexed_labels(keys)]
    lines = ["keys:"]
    for word in words:
        if cell_width(f"{lines[-1]}  {word}") > width and lines[-1].strip():
            lines.append("     ")
        lines[-1] += f" {word}" if lines[-1] in ("keys:", "     ") else f"  {word}"
    if len(lines) > KEY_LINES:
        lines = [*lines[:KEY_LINES], f"      and {len(keys.starts)} in all"]
    return lines


def _legend(heat: HeatMap, found: Layout, ink: Ink, width: int) -> Iterator[Line]:
    """Yield what the shades and marks mean, in parentheses; further lines if it is long."""
    parts = list(_parts(heat, found, ink, width))
    line: Line = [("(", "")]
    used = 1
    for at, part in enumerate(parts):
        end = ")" if at == len(parts) - 1 else ";"
        for number, word in enumerate(_words(part, end, width - 1)):
            size = sum(cell_width(text) for text, _ in word)
            gap = 1 if at or number else 0
            if used > 1 and used + gap + size > width:
                yield line
                line, used, gap = [(" ", "")], 1, 0
            line += [(" " * gap, ""), *word]
            used += gap + size
    if parts:
        yield line


def _words(part: Line, end: str, room: int) -> list[Line]:
    """Return a part with what ends it; as words if it does not fit on a line."""
    whole = [*part, (end, "")]
    if len(part) > 1 or sum(cell_width(text) for text, _ in whole) <= room:
        return [whole]
    ((text, _),) = part
    return [[(word, "")] for word in _BREAKS.split(f"{text}{end}")]


def _parts(heat: HeatMap, found: Layout, ink: Ink, width: int) -> Iterator[Line]:
    """Yield the parts of the legend: the scale or the marks, then what else there is to say."""
    numbers = found.kind == "numbers" and ink.shades is None
    if ink.shades is not None:
        yield _ramp(heat, ink.shades, width)
    elif found.kind == "digits":
        yield [(_digits(heat), "")]
    elif any(panel.largest.any() for panel in heat.panels):
        yield [("* the largest of its row", "")]
    for note in legend.notes(heat, hidden=ink.hidden):
        scale = note.startswith(("each row", "one scale", "log scale"))
        if not (numbers and scale):  # numbers are their own scale
            yield [(note, "")]
    if numbers and heat.scale != "linear":
        yield [("no shades: the scale changes no number", "")]
    if found.kind != "numbers" and any(np.isnan(panel.values).any() for panel in heat.panels):
        yield [(f"{ink.nan} nan", "")]


def _ramp(heat: HeatMap, shades: Shades, width: int) -> Line:
    """Return the numbers along the scale, with the colours between them."""
    ticks = legend.ticks(heat)
    room = width - 2 - sum(len(tick) + 2 for tick in ticks)
    if room < len(ticks):  # the ends alone
        ticks = [ticks[0], ticks[-1]]
        room = width - sum(len(tick) + 2 for tick in ticks)
    if room < len(ticks):
        return [(f"{ticks[0]} to {ticks[-1]}", "")]
    each = max(1, (min(RAMP, room) - 1) // (len(ticks) - 1))
    cells = each * (len(ticks) - 1) + 1
    line: Line = [(ticks[0], "")]
    for at, tick in enumerate(ticks[1:]):
        places = range(at * each, (at + 1) * each + (at == len(ticks) - 2))
        line.append((" ", ""))
        line += [(" ", shades.background[round(place * LEVELS / (cells - 1))]) for place in places]
        line.append((f" {tick}", ""))
    return line


def _digits(heat: HeatMap) -> str:
    """Return what the digits mean."""
    if heat.scale == "log":
        ratio = heat.high / heat.low
        places = (0.1, 0.3, 0.6, 0.9)
        below, three, six, nine = (legend.number(heat.low * ratio**t) for t in places)
        high = legend.number(heat.high)
        return f"0 = below {below}, 3 = from {three}, 6 = from {six}, 9 = from {nine} to {high}"
    *_, high = legend.ticks(heat)
    return f"-9 = -{high}, 9 = {high}" if heat.diverging else f"0 = 0, 9 = {high}"


def _wrapped(text: str, width: int) -> list[str]:
    """Return a formula in lines that fit."""
    if cell_width(text) <= width:
        return [text]
    from textwrap import wrap

    return wrap(text, width, subsequent_indent="  ", break_on_hyphens=False)
