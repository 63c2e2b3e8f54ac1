"""A comparison for people: a line per step, the verdict, and the step that differs as pictures."""

from __future__ import annotations

from collections.abc import Iterator

from attn_cli.dataclass import replace
from attn_cli.errors import printable
from attn_cli.lab.differing.result import Difference
from attn_cli.lab.heat_map import HeatMap
from attn_cli.views import BOX, Style
from attn_cli.views.cells import cell_width
from attn_cli.views.columns import columns, paragraph
from attn_cli.views.differing.parts import FLOORS, HEAD, rows, sentences
from attn_cli.views.heat_map import text
from attn_cli.views.table import BAD, BOLD, GOOD, RESET
from attn_cli.views.view import PALETTE

GAP = "   "
FEW = 12  # rows and columns that are drawn without shades too
NARROW = 38  # columns of a panel at least; three fit side by side from 120 on


def render(found: Difference, style: Style) -> str:
    """Return the table, the sentences and the panels."""
    lines = [*_lines(found, style)]
    shown = "".join(f"{line.rstrip()}\n" for line in lines)
    return shown.replace(BOX, "-") if style.ascii else shown


def _lines(found: Difference, style: Style) -> Iterator[str]:
    yield _coloured(f"here: {found.here}, there: {found.there}", BOLD, style)
    yield ""
    made = rows(found)
    for shown in columns([HEAD, *made], style.width):
        words = shown.split()
        colour = BAD if "BUG" in words else GOOD if words[-1:] == ["noise"] else ""
        yield _coloured(shown, colour, style)
    yield ""
    bad = found.verdict == "bug"
    for number, sentence in enumerate(sentences(found)):
        for line in paragraph(sentence, style.width):
            yield _coloured(line, (BAD if bad else GOOD) if number == 0 else "", style)
    if found.model is not None:
        yield from paragraph(FLOORS, style.width)
    if found.panels is not None and _drawn(found, style):
        yield ""
        yield from _panels(found, style)


def _drawn(found: Difference, style: Style) -> bool:
    """Return whether the maps are drawn: with shades, or with few numbers."""
    panels = found.panels
    assert panels is not None
    size = max(len(panels.here.queries.labels), len(panels.here.keys.labels))
    return style.colours >= PALETTE or size <= FEW


def _panels(found: Difference, style: Style) -> Iterator[str]:
    """Yield the three maps side by side if they fit, else one below the other."""
    panels = found.panels
    assert panels is not None  # there are some to draw
    named = (
        (panels.here, f"{panels.step} here: {found.here}"),
        (panels.there, f"{panels.step} there: {found.there}"),
        (panels.apart, "there - here"),
    )
    width = style.width or 80
    across = (width - 2 * len(GAP)) // 3
    room = across if across >= NARROW else width
    blocks = [
        _block(heat, panels.chosen, title, replace(style, width=room)) for heat, title in named
    ]
    if across >= NARROW:
        yield from _beside(blocks, across)
        return
    for number, block in enumerate(blocks):
        yield from ([""] if number else [])
        yield from block


def _block(heat: HeatMap, chosen: int, title: str, style: Style) -> list[str]:
    """Return the lines of one map, under its own title."""
    one = heat.panels[chosen]
    where = f", {one.title}" if one.title else ""
    alone = replace(heat, panels=(replace(one, title=""),))
    drawn = text.render(alone, style)
    lines = drawn.splitlines() if isinstance(drawn, str) else []
    return [_coloured(printable(title + where), BOLD, style), *lines[1:]]


def _beside(blocks: list[list[str]], width: int) -> Iterator[str]:
    for at in range(max(map(len, blocks))):
        parts = [block[at] if at < len(block) else "" for block in blocks]
        yield GAP.join(part + " " * (width - _width(part)) for part in parts).rstrip()


def _width(line: str) -> int:
    """Return the columns of a line, without its colours."""
    import re

    return cell_width(re.sub(r"\x1b\[[0-9;]*m", "", line))


def _coloured(line: str, code: str, style: Style) -> str:
    return f"{code}{line}{RESET}" if code and style.colour and line else line
