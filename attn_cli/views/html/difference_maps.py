"""A, B and B - A of a step, side by side: tables or pictures, and their legends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from attn_cli.lab.differing.collecting import A_ALONE, B_ALONE, BOTH_HIDE
from attn_cli.views.html.difference_document import titles_of
from attn_cli.views.html.maps import has_nan, legend_parts, name_of, pixels, table, unknown
from attn_cli.views.html.markup import element, text

if TYPE_CHECKING:
    from attn_cli.lab.differing.report import Compared, DifferenceReport
    from attn_cli.lab.heat_map import HeatMap, Panel
    from attn_cli.views import Style

SIDES = {"here": "A", "there": "B", "apart": "B \u2212 A"}
SIDE = 400  # pixels of a picture along its longer side, if they are more than its cells
FIXED = 1e-2  # a difference from which on all are written with decimals
LETTERS = {0: "", A_ALONE: "A", B_ALONE: "B", A_ALONE | B_ALONE: "A B"}


def trio(report: DifferenceReport, step: Compared, at: int, style: Style) -> str:
    """Return the maps of a batch entry and head."""
    tabled = step.step in report.tables
    title = titles_of(step)[at]
    names = {"here": report.found.here, "there": report.found.there}
    figures = []
    for side, said in SIDES.items():
        heat = _heat(step, side)
        panel, name = heat.panels[at], name_of(f"{step.step}, {said}", title)
        alone = step.alone[at]
        if tabled:
            drawn = table(
                heat, panel, name, style,
                titled=side != "apart",
                written=_written(panel, style) if side == "apart" else None,
                alone=[[LETTERS[code] for code in row] for row in alone.tolist()],
            )  # fmt: skip
        else:
            nan = unknown(panel)
            drawn = pixels(heat, panel, name, nan | (alone > 0) if side == "apart" else nan, SIDE)
        of = f": {names[side]}" if side in names else ""
        caption = f"<b>{said}</b>{text(of)}"
        figures.append(element("figure", element("figcaption", caption), drawn))
    name = element("p", text(name_of(step.step, title)), class_="pale of")
    return element(
        "div",
        name,
        element("div", *figures, class_="three tables" if tabled else "three"),
        class_="trio",
        data_step=step.step,
        data_lead=at,
    )


def _heat(step: Compared, side: str) -> HeatMap:
    found: HeatMap = getattr(step, side)
    return found


def _written(panel: Panel, style: Style) -> list[list[str]]:
    """Return differences as text: never 0 for one that is not 0."""
    values = np.where(panel.hidden != 0, 0.0, panel.values)
    finite = np.abs(values[np.isfinite(values)])
    fixed = bool((finite >= FIXED).any())
    least = 0.5 * 10.0**-style.decimals

    def shown(x: float) -> str:
        if x == 0:
            return "0"
        if not np.isfinite(x):
            return f"{x}"
        if fixed and abs(x) >= least:
            return f"{x:.{style.decimals}f}"
        digits, _, power = f"{x:.0e}".partition("e")
        return f"{digits}e{int(power)}"

    return [[shown(x) for x in row] for row in values.tolist()]


def legends(report: DifferenceReport) -> str:
    """Return the legends of each step: one of A and B, and one of B - A."""
    return "".join(
        element(
            "div",
            *_legend(step, name in report.tables),
            data_legend=name,
            hidden=name != report.main,
        )
        for name, step in report.steps.items()
    )


def _legend(step: Compared, tabled: bool) -> Iterator[str]:
    named = {*step.here.reasons, *step.there.reasons}
    reasons = ", ".join(reason for reason in step.here.legend if reason in named)
    nan = f'<span><i class="key {"n" if tabled else "o"}"></i>nan</span>'
    name = f"{step.step}, A and B on one scale"
    parts = [*legend_parts(step.here, name, hidden=False, tabled=tabled)]
    if reasons:
        parts.append(f'<span><i class="key x"></i>{text(f"hidden by: {reasons}")}</span>')
    if has_nan(step.here) or has_nan(step.there):
        parts.append(nan)
    yield element("div", *parts, class_="legend")
    parts = [*legend_parts(step.apart, f"{step.step}, B \u2212 A", hidden=False)]
    if any((panel.hidden == BOTH_HIDE).any() for panel in step.apart.panels):
        parts.append('<span><i class="key x"></i>hidden on both sides</span>')
    if (step.alone != 0).any():
        parts.append('<span><i class="key o"></i>one side alone sees this key</span>')
    if has_nan(step.apart):
        parts.append(nan)
    yield element("div", *parts, class_="legend")
