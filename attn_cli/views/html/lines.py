"""The weights as lines between tokens, for few of them, and the likeliest words as bars."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from attn_cli.views.derivation.written import shown
from attn_cli.views.html.markup import element, text, token
from attn_cli.views.pictures.labels import clipped, width

if TYPE_CHECKING:
    from attn_cli.lab.heat_map import HeatMap, Panel
    from attn_cli.record import Choice, Record
    from attn_cli.views import Style

MOST = 24  # tokens
PITCH, SPAN, THICK = 24, 240, 12  # pixels: from token to token, between the columns, of a weight 1
LEAST = 0.01  # a weight that has a line


def arcs(heat: HeatMap, panel: Panel) -> str:
    """Return the lines of a head; their thickness is the weight."""
    sides = [[clipped(word, 24) for word in axis.labels] for axis in (heat.queries, heat.keys)]
    left = max((width(word, 13) for word in sides[0]), default=0) + 10
    right = left + SPAN
    whole = right + max((width(word, 13) for word in sides[1]), default=0) + 14
    high = PITCH * max(map(len, sides))
    return element(
        "svg",
        "".join(_side(sides[0], left - 6, "end") + _side(sides[1], right + 6, "start")),
        element("g", "".join(_lines(heat, panel, left)), class_="drawn"),
        class_="arcs",
        role="img",
        aria_label="weights as lines from queries to keys",
        viewBox=f"0 0 {whole:.0f} {high}",
        width=f"{whole:.0f}",
        height=high,
        data_left=f"{left:.0f}",
    )


def _side(words: list[str], x: float, anchor: str) -> str:
    inside = "".join(
        element("text", text(word), x=f"{x:.0f}", y=at * PITCH + 17)
        for at, word in enumerate(words)
    )
    return f"<g text-anchor={anchor}>{inside}</g>"


def _lines(heat: HeatMap, panel: Panel, left: float) -> Iterator[str]:
    """Yield the lines, the weakest first."""
    values = np.where((panel.hidden != 0) | ~np.isfinite(panel.values), 0.0, panel.values)
    most = max(1.0, heat.high)
    sizes = np.abs(values) / most
    order = np.argsort(sizes, axis=None, kind="stable")
    for at in order.tolist():
        query, key = divmod(at, values.shape[1])
        size = float(sizes[query, key])
        if size < LEAST:
            continue
        y, end = query * PITCH + 12, key * PITCH + 12
        yield element(
            "path",
            d=f"M{left:.0f} {y}c{SPAN // 2} 0 {SPAN // 2} {end - y} {SPAN} {end - y}",
            stroke_width=f"{THICK * size:.3g}",
            stroke_dasharray="6 3" if values[query, key] < 0 else None,
        )


def words(record: Record, style: Style) -> str:
    """Return the rankings of the choices as bars; empty if there are none."""
    return "".join(_ranking(choice, style) for choice in record.choices if choice.ranking)


def _ranking(choice: Choice, style: Style) -> str:
    most = max([1.0, *(value for _, value in choice.ranking if np.isfinite(value))])
    rows = "".join(
        f"<tr><th scope=row>{token(word)}</th>"
        f"<td><i style=width:{100 * max(value, 0) / most:.2f}%></i></td>"
        f"<td>{text(shown(value, style.decimals))}</td></tr>"
        for word, value in choice.ranking
    )
    caption = f"{token(choice.asked)} \u2192 {token(choice.answer)}"
    return element(
        "figure",
        element("figcaption", caption),
        element("table", f"<tbody>{rows}</tbody>", class_="plain words"),
    )
