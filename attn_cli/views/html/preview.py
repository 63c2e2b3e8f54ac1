"""What a notebook shows of a record: one element, without a script, a style sheet or an id.

Notebooks that are not trusted take scripts away, and a style sheet would act on the whole page.
What cleans pages (nbconvert with `sanitize_html`) keeps `div`, `span`, `b`, `table`, `tr` and `td`
without attributes, so tables are made of these alone, and every cell has its number as text.
Colours are those for a light ground, with the ground: a notebook can be dark.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from attn_cli.views.cells import GAP, cells, short_word, size_of
from attn_cli.views.colour import LEVELS, hex_of, levels, ramp, text_on
from attn_cli.views.heat_map import legend
from attn_cli.views.heat_map.layout import NUMBERED, shortened
from attn_cli.views.html.markup import element, picture, text
from attn_cli.views.pictures.palette import RGB, palette_png

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from attn_cli.lab.heat_map import HeatMap, Panel
    from attn_cli.lab.preview import Preview
    from attn_cli.record import Record
    from attn_cli.views import Style

FEW = 8  # keys: up to so many, numbers have all decimals, and words are not turned
DIGITS = 2  # decimals of numbers for more keys
WORD, LONG = 16, 300  # columns of a token, and of a line
LINES = 8  # of the answer, and of the warnings
NAMES = 24  # steps that are named
WIDE, HIGH = 320, 12  # pixels of the longer side of a picture, and of the shorter at least
SWATCHES = range(0, LEVELS + 1, 4)  # levels that the legend shows
HIDDEN: RGB = (0xB8, 0xB8, 0xB8)  # grey, and magenta: neither is in a ramp
NAN: RGB = (0xE0, 0x6C, 0xD8)
DOT = "\u00b7"
GROUND = "background:#fff;color:#000"


def render(preview: Preview, style: Style) -> str:
    """Return the element."""
    record = preview.record
    parts = [_line(line, bold=True) for line in _lines(record.text or "")]
    if preview.heat is not None:
        parts.extend(_maps(preview, preview.heat, style))
    parts.append(_small(_steps(record)))
    parts.extend(_small(f"warning: {line}") for line in _some(record.warnings))
    return f'<div class="attn" style="{GROUND};padding:8px;overflow-x:auto">{"".join(parts)}</div>'


def _lines(answer: str) -> list[str]:
    return _some(answer.split("\n")) if answer else []


def _some(lines: tuple[str, ...] | list[str]) -> list[str]:
    """Return the first lines, and how many there are besides."""
    more = len(lines) - LINES
    return [*lines[:LINES], *([f"{GAP} {more} more"] if more > 0 else [])]


def _line(words: str, *, bold: bool = False) -> str:
    shown = text(_short(words, LONG))
    return element("div", element("b", shown) if bold else shown, dir="auto")


def _small(words: str) -> str:
    return element("div", text(_short(words, LONG)), dir="auto", style="font-size:smaller")


def _short(words: str, room: int) -> str:
    """Return words of so many columns, also if they have many characters without a width."""
    shown = short_word(words, room)
    return shown if len(shown) <= 2 * room else short_word(words[:room], room) + GAP


def _steps(record: Record) -> str:
    """Return the names and shapes of the steps."""
    named = [f"{name} {step.shape}" for name, step in list(record.steps.items())[:NAMES]]
    more = len(record.steps) - NAMES
    count = f"{len(record.steps)} step{'' if len(record.steps) == 1 else 's'}"
    return f"{count}: {', '.join([*named, *([f'{more} more'] if more > 0 else [])])}"


def _maps(preview: Preview, heat: HeatMap, style: Style) -> Iterator[str]:
    step = preview.record.steps[preview.step]
    yield _line(f"{legend.title(heat)} ({size_of(step)})")
    drawn = _table if preview.table else _picture
    yield "".join(
        element(
            "div",
            element("div", text(panel.title)) if panel.title else "",
            drawn(preview, panel, style),
            style="display:inline-block;margin:4px 20px 4px 0;vertical-align:top",
        )
        for panel in heat.panels
    )
    yield element("div", *_legend(preview, heat), style="font-size:smaller")


def _legend(preview: Preview, heat: HeatMap) -> Iterator[str]:
    """Yield the colours with their numbers, what the marks mean, and how much is shown."""
    colours = ramp(diverging=heat.diverging, light=True).colours
    for level in SWATCHES:
        look = f"background:{hex_of(colours[level])}"
        yield element("span", "&nbsp;&nbsp;", style=look)
    unknown = any(np.isnan(panel.values[panel.hidden == 0]).any() for panel in heat.panels)
    chosen = preview.record.settings
    notes = [
        f"rows: {heat.queries.name}, columns: {heat.keys.name}",
        *legend.notes(heat),
        *([f"grey: {legend.hidden_by(heat)}"] if heat.reasons else []),
        *(["magenta: nan"] if unknown else []),
        *(["bold: the largest of its row"] if _has_bold(preview, heat) else []),
        *(f"{axis} {chosen[axis]}" for axis in ("batch", "head") if _is_one(chosen.get(axis))),
        *(
            f"{_count(axis, shown)} of {count} shown"
            for axis, (shown, count) in preview.shown.items()
            if shown < count
        ),
    ]
    yield text(f" {' .. '.join(legend.ticks(heat))}; {'; '.join(notes)}")


def _is_one(chosen: object) -> bool:
    return isinstance(chosen, int) and not isinstance(chosen, bool)


def _count(axis: str, shown: int) -> str:
    """Return a number of heads or batch entries."""
    if axis == "batch":
        return f"{shown} batch {'entry' if shown == 1 else 'entries'}"
    return f"{shown} {axis}{'' if shown == 1 else 's'}"


def _levels(heat: HeatMap, panel: Panel) -> NDArray[np.intp]:
    shares = heat.shades(panel)
    return levels((shares + 1) / 2 if heat.diverging else shares)


def _is_numbered(panel: Panel) -> bool:
    """Return whether the numbers of a table can be seen."""
    return bool(max(panel.values.shape) <= NUMBERED)


def _has_bold(preview: Preview, heat: HeatMap) -> bool:
    if not preview.table or not _is_numbered(heat.panels[0]):
        return False
    return any(bool(panel.largest.any()) for panel in heat.panels)


def _table(preview: Preview, panel: Panel, style: Style) -> str:
    """Return a table of coloured cells; with many, their numbers are there but have no size."""
    heat = preview.heat
    assert heat is not None  # it has this panel
    numbered, columns = _is_numbered(panel), panel.values.shape[1]
    small = "" if numbered else "font-size:10px;padding:1px;"
    turned = "writing-mode:vertical-rl;" if columns > FEW else ""
    head = "".join(_label(word, "columnheader", small + turned) for word in heat.keys.labels)
    rows = [_row("<td></td>", head)]
    for word, line in zip(heat.queries.labels, _rows(preview, heat, panel, style), strict=True):
        rows.append(_row(_label(word, "rowheader", small), "".join(line)))
    look = f"{GROUND};border-collapse:collapse;border:0;margin:0;width:auto"
    return element("table", *rows, style=look if numbered else f"{look};font-size:0;line-height:1")


def _row(label: str, line: str) -> str:
    return f'<tr style="{GROUND}">{label}{line}</tr>'


def _label(word: str, role: str, look: str) -> str:
    look = f"{look}{GROUND};text-align:right"
    return element("td", text(_short(word, WORD)), role=role, dir="auto", style=look)


def _rows(preview: Preview, heat: HeatMap, panel: Panel, style: Style) -> Iterator[list[str]]:
    """Yield the cells of each row."""
    numbered, columns = _is_numbered(panel), panel.values.shape[1]
    colours = ramp(diverging=heat.diverging, light=True).colours
    seen = np.where(panel.hidden != 0, 0.0, panel.values)
    written = cells(seen, style.decimals if columns <= FEW else DIGITS)
    level, largest = _levels(heat, panel).tolist(), panel.largest.tolist()
    codes, unknown = panel.hidden.tolist(), np.isnan(panel.values).tolist()
    reasons = [_hidden(why if preview.reasons else "") for why in heat.legend]
    for at, numbers in enumerate(written):
        line = []
        for column, number in enumerate(numbers):
            code = codes[at][column]
            if code:
                line.append(reasons[code])
                continue
            colour = NAN if unknown[at][column] else colours[level[at][column]]
            shown = number if numbered else shortened(number)
            ink = f";color:{hex_of(text_on(colour))}" if numbered else ""
            bold = f"<b>{shown}</b>" if numbered and largest[at][column] else shown
            line.append(f"<td style=background:{hex_of(colour)}{ink}>{bold}</td>")
        yield line


def _hidden(why: str) -> str:
    """Return a hidden cell, with the reason unless that is empty."""
    title = f"hidden: {why}" if why else None
    return element("td", DOT, style=f"background:{hex_of(HIDDEN)}", title=title)


def _picture(preview: Preview, panel: Panel, _: Style) -> str:
    """Return a picture with its colours, a pixel for each cell."""
    heat = preview.heat
    assert heat is not None  # it has this panel
    rows, columns = panel.values.shape
    indices = _levels(heat, panel).astype(np.uint8)
    indices[np.isnan(panel.values)] = LEVELS + 2
    indices[panel.hidden != 0] = LEVELS + 1
    colours = (*ramp(diverging=heat.diverging, light=True).colours, HIDDEN, NAN)
    scale = max(1, WIDE // max(rows, columns))
    wide, high = (max(HIGH, scale * size) for size in (columns, rows))
    size = f"{heat.queries.count} x {heat.keys.count}"
    return element(
        "img",
        src=picture(palette_png(indices, colours, clear=-1)),
        alt=f"{', '.join(filter(None, (heat.step, panel.title)))}: {size}",
        width=wide,
        height=high,
        style="image-rendering:pixelated",
    )
