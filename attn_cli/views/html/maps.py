"""The maps of steps of pairs: tables whose cells have colours, or pictures that hold numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from attn_cli.lab.report.size import TABLES
from attn_cli.views.cells import cells
from attn_cli.views.colour import LEVELS, levels
from attn_cli.views.heat_map import legend
from attn_cli.views.heat_map.layout import shortened
from attn_cli.views.html.assets import LETTERS, shade
from attn_cli.views.html.markup import element, number, picture, text, token
from attn_cli.views.pictures.grey import grey_png
from attn_cli.views.pictures.palette import palette_png

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from attn_cli.lab.heat_map import HeatMap, Panel
    from attn_cli.lab.report.result import Report
    from attn_cli.views import Style

NUMBERED, ROOMY = 16, 24  # keys: cells of up to so many have numbers, and are large
TURNED = 8  # keys: heads of more are read upwards
WIDE = 8  # columns of a head that is not
THUMB = 64  # cells of a miniature along a side
SHORTEST = 800  # numbers of a step whose tables are in the page
MARKED = 208, 30, 110  # the colour of cells that are marked, in no ramp
BESIDE = 400  # cells of a step of pairs that is not the main one, and has tables in the page


def is_table(report: Report, step: str) -> bool:
    """Return whether the page has the maps of a step as tables: the main one up to 4096 cells."""
    if step not in report.maps or not report.tables:
        return False
    heat = report.maps[step]
    size = len(heat.panels) * heat.panels[0].values.size
    return heat.pool is None and size <= (TABLES if step == report.main else BESIDE)


def draws_pictures(report: Report) -> bool:
    """Return whether maps are pictures; if not, the script makes the tables that are missing."""
    return bool(report.maps) and not is_table(report, report.main)


def figures(report: Report, step: str, titles: list[str], style: Style) -> Iterator[str]:
    """Yield the map of each batch entry and head."""
    heat = report.maps[step]
    for at, (panel, title) in enumerate(zip(heat.panels, titles, strict=True)):
        drawn = (
            table(heat, panel, name_of(step, title), style, titled=step == report.main)
            if not draws_pictures(report)
            else pixels(heat, panel, name_of(step, title), unknown(panel))
        )
        caption = element("figcaption", text(", ".join(filter(None, (step, title)))))
        yield element("figure", caption, drawn, data_step=step, data_lead=at)


def used(report: Report) -> dict[bool, set[int]]:
    """Return the levels that cells of tables have, of each ramp."""
    found: dict[bool, set[int]] = {}
    for step, heat in report.maps.items():
        of = found.setdefault(heat.diverging, set())
        if not is_table(report, step):
            of.update(range(LEVELS + 1))  # the script makes a table
            continue
        for panel in heat.panels:
            of.update(np.unique(levels_of(heat, panel)).tolist())
    return found


def levels_of(heat: HeatMap, panel: Panel) -> NDArray[np.intp]:
    """Return the level of each cell in the ramp."""
    shares = heat.shades(panel)
    return levels((shares + 1) / 2 if heat.diverging else shares)


def name_of(step: str, title: str) -> str:
    """Return what a map is called."""
    return ", ".join(filter(None, (step, title)))


def looks(heat: HeatMap) -> list[str]:
    """Return the classes of a table: denser ones with more keys."""
    columns = len(heat.keys.labels)
    words = max((len(word) for word in heat.keys.labels), default=0)
    return [
        "map",
        *(["turned"] if columns > TURNED or words > WIDE else []),
        *(["small"] if columns > NUMBERED else []),
        *(["tiny"] if columns > ROOMY else []),
    ]


def table(
    heat: HeatMap,
    panel: Panel,
    name: str,
    style: Style,
    *,
    titled: bool,
    written: list[list[str]] | None = None,
    alone: list[list[str]] | None = None,
) -> str:
    """Return a map as a table, that is called `name`; `titled`: hidden cells have their reason.

    `written` has the numbers as text. `alone` says of each cell which side alone sees its key: a
    hidden one of these has that as its text.
    """
    if written is None:
        written = cells(np.where(panel.hidden != 0, 0.0, panel.values), style.decimals)
    head = "".join(f"<th scope=col>{token(word)}</th>" for word in heat.keys.labels)
    lines = _lines_of_cells(heat, panel, written, alone, titled=titled)
    rows = "".join(
        f"<tr><th scope=row>{token(word)}</th>{line}</tr>"
        for word, line in zip(heat.queries.labels, lines, strict=True)
    )
    return element(
        "table",
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody>",
        role="grid",
        class_=" ".join(looks(heat)),
        aria_label=name,
    )


def _lines_of_cells(
    heat: HeatMap,
    panel: Panel,
    written: list[list[str]],
    alone: list[list[str]] | None,
    *,
    titled: bool,
) -> Iterator[str]:
    """Yield the cells of each row of a map."""
    level = levels_of(heat, panel).tolist()
    columns = len(heat.keys.labels)
    small = columns > NUMBERED
    first = shade(False, 0)
    unknown = np.isnan(panel.values).tolist()
    reasons = {
        code: f'<td class=x title="hidden: {text(why)}"></td>'
        if columns <= ROOMY and titled
        else "<td class=x></td>"
        for code, why in enumerate(heat.legend)
    }  # fmt: skip
    codes, largest = panel.hidden.tolist(), panel.largest.tolist()
    for row in range(len(codes)):
        line = []
        for column in range(columns):
            side = alone[row][column] if alone is not None else ""
            if codes[row][column]:
                line.append(f'<td class="x o">{side}</td>' if side else reasons[codes[row][column]])
                continue
            of = "n" if unknown[row][column] else shade(heat.diverging, level[row][column])
            shown = number(written[row][column])
            if small:
                shown = shortened(shown) if shown.strip("0.") else "0"
            of = f"{of} o" if side else of
            if largest[row][column]:
                line.append(f'<td class="{of} m">{shown}</td>')
            else:
                line.append(f"<td>{shown}</td>" if of == first else element("td", shown, class_=of))
        yield "".join(line)


def grey(heat: HeatMap, panel: Panel) -> NDArray[np.float64]:
    """Return the pixels of a panel, from 0 to 1; NaN for hidden cells and for NaN."""
    shares = heat.shades(panel)
    shares = (shares + 1) / 2 if heat.diverging else shares
    return np.where((panel.hidden != 0) | np.isnan(panel.values), np.nan, shares)


def unknown(panel: Panel) -> NDArray[np.bool_]:
    """Return which visible cells are NaN."""
    found: NDArray[np.bool_] = np.isnan(panel.values) & (panel.hidden == 0)
    return found


def pixels(heat: HeatMap, panel: Panel, name: str, over: NDArray[np.bool_], side: int = 640) -> str:
    """Return a map as a picture, that is called `name`; cells that are `over` are marked."""
    rows, columns = panel.values.shape
    each = max(1, side // max(rows, columns))  # pixels of a cell
    image = element(
        "img",
        class_=LETTERS[heat.diverging],
        src=picture(grey_png(grey(heat, panel))),
        alt=name,
        style=f"width:{each * columns}px;height:{each * rows}px",
    )
    return element("div", element("div", image, _marks(over), class_="hole"), class_="pixels")


def _marks(over: NDArray[np.bool_]) -> str:
    """Return the picture that marks cells; empty if there are none."""
    if not over.any():
        return ""
    marked = palette_png(over.astype(np.uint8), ((0, 0, 0), MARKED), 0)
    return element("img", class_="marks", src=picture(marked), alt="")


def miniature(heat: HeatMap, panel: Panel) -> str:
    """Return a small picture of a head: of blocks, the mean of their colours; NaN is marked."""
    rows, columns = panel.values.shape
    shown, marked = grey(heat, panel), unknown(panel)
    rows_of, columns_of = (-(-size // THUMB) for size in (rows, columns))
    if rows_of > 1 or columns_of > 1:
        shown = _blocks(shown, rows_of, columns_of)
        marked = _summed(marked, rows_of, columns_of) > 0
    image = element("img", class_=LETTERS[heat.diverging], src=picture(grey_png(shown)), alt="")
    if not np.isnan(shown).any() and not marked.any():
        return image
    return element("span", image, _marks(marked), class_="hole")


def _blocks(pixels: NDArray[np.float64], high: int, wide: int) -> NDArray[np.float64]:
    """Return the mean of the visible pixels of each block; NaN if it has none."""
    seen = ~np.isnan(pixels)
    count, total = (_summed(each, high, wide) for each in (seen, np.where(seen, pixels, 0.0)))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _summed(
    values: NDArray[np.float64] | NDArray[np.bool_], high: int, wide: int
) -> NDArray[np.float64]:
    """Return the sum of the values of each block."""
    rows, columns = (
        np.arange(0, size, of) for size, of in zip(values.shape, (high, wide), strict=True)
    )
    lines = np.add.reduceat(values.astype(np.float64), rows, axis=0)
    found: NDArray[np.float64] = np.add.reduceat(lines, columns, axis=1)
    return found


def legends(report: Report) -> str:
    """Return the legend of each step that is a map; the script shows that of the chosen one."""
    return "".join(
        element(
            "div",
            *legend_parts(heat, tabled=not draws_pictures(report)),
            class_="legend",
            data_step=step,
            hidden=step != report.main,
        )
        for step, heat in report.maps.items()
    )


def legend_parts(
    heat: HeatMap, name: str = "", *, hidden: bool = True, tabled: bool = True
) -> Iterator[str]:
    """Yield the parts of the legend of a map; `name` is what it is of, if not of its step.

    `hidden`: with the reasons why cells are hidden, and NaN; `tabled`: the map is a table, in which
    the largest of each row are marked.
    """
    letter = LETTERS[heat.diverging]
    ticks = "".join(f"<span>{text(tick)}</span>" for tick in legend.ticks(heat))
    yield f'<div class="ramp {letter}"><i></i><span>{ticks}</span></div>'
    notes = [name or heat.step, *legend.notes(heat)]
    yield f"<span>{text(', '.join(notes))}</span>"
    if hidden and heat.reasons:
        yield f'<span><i class="key x"></i>{text(legend.hidden_by(heat))}</span>'
    if hidden and has_nan(heat):
        yield f'<span><i class="key {"n" if tabled else "o"}"></i>nan</span>'
    if tabled and any(panel.largest.any() for panel in heat.panels):
        yield '<span><i class="key m"></i>the largest of its row</span>'


def has_nan(heat: HeatMap) -> bool:
    """Return whether a visible cell is NaN."""
    return any(unknown(panel).any() for panel in heat.panels)
