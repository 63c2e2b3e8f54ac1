"""The page: head, stations, stage, heads, lines, words, every step, and what the file holds.

Without a script all maps and tables are there; the script adds the stage and the working.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from attn_cli.views import Style
from attn_cli.views.html import assets
from attn_cli.views.html.document import document
from attn_cli.views.html.foot import foot
from attn_cli.views.html.head import head, stations, title_of
from attn_cli.views.html.lines import MOST, arcs, words
from attn_cli.views.html.maps import (
    draws_pictures,
    has_nan,
    is_table,
    legends,
    looks,
    miniature,
    used,
)
from attn_cli.views.html.markup import element, text
from attn_cli.views.html.shell import whole
from attn_cli.views.html.steps import every_step, opens

if TYPE_CHECKING:
    from attn_cli.lab.report.result import Report
    from attn_cli.record import Record

BASE = ("base.js", "numbers.js", "views.js")  # of all pages with a script


def render(report: Report, style: Style) -> str:
    """Return the page; AttnError if it is larger than it may be."""
    titles, heat = titles_of(report), report.maps.get(report.main)
    tables = not draws_pictures(report)
    ramps = tuple(sorted({heat.diverging for heat in report.maps.values()}))
    several = len(report.leads) > 1
    of_pictures = ramps if not tables or heat is None else (heat.diverging,)
    pictures = several or not tables
    lines = heat is not None and heat.role == "weight" and max(heat.panels[0].values.shape) <= MOST
    parts = {
        "kept.js": report.kept is not None,
        "tables.js": (tables and not all(is_table(report, step) for step in report.maps))
        or any(opens(report, step) for step in report.record.steps.values()),
        "pictures.js": not tables,
        "arcs.js": lines and several,
    }
    chosen = (name for name, there in parts.items() if there)
    script = assets.script(*BASE, "page.js", *chosen, "choosing.js", "interface.js")
    sheets = {
        "page.css": True,
        "pictures.css": not tables,
        "heads.css": several,
        "marks.css": pictures and any(map(has_nan, report.maps.values())),
        "dense.css": tables and any(len(looks(each)) > 1 for each in report.maps.values()),
        "arcs.css": lines,
        "words.css": any(choice.ranking for choice in report.record.choices),
    }
    sheet = assets.style(*(name for name, there in sheets.items() if there), used=used(report))
    if pictures:
        sheet += "\n" + assets.filter_rules(of_pictures)
    body = [
        assets.filters(of_pictures, 4 if tables else 1) if pictures else "",
        head(report),
        stations(report),
        element("main", *_main(report, titles, style)),
        foot(report),
        element(
            "script", document(report, style, titles), type="application/json", id="attn-record"
        ),
    ]
    return whole(title_of(report.record), sheet, body, script, limit=report.limit)


def titles_of(report: Report) -> list[str]:
    """Return what each batch entry and head is called, those that were chosen too."""
    chosen = [
        f"{axis} {report.record.settings[axis]}"
        for axis in ("batch", "head")
        if isinstance(report.record.settings.get(axis), int)
    ]
    varying = _varying(report)
    return [
        ", ".join([*chosen, *(f"{axis} {lead[at]}" for at, axis in varying)])
        for lead in report.leads
    ]


def _varying(report: Report) -> list[tuple[int, str]]:
    """Return the axes of batch entries and heads that have several, with their numbers."""
    return [
        (at, axis)
        for at, axis in enumerate(report.lead_axes)
        if len({lead[at] for lead in report.leads}) > 1
    ]


def _main(report: Report, titles: list[str], style: Style) -> list[str]:
    record, parts = report.record, []
    if report.maps:
        parts.append(_stage(report, titles))
    if len(titles) > 1 and report.main in report.maps:
        parts.append(f"<h2>Heads</h2>{_heads(report, titles)}")
    heat = report.maps.get(report.main)
    if (
        heat is not None
        and heat.role == "weight"
        and max(len(heat.queries.labels), len(heat.keys.labels)) <= MOST
    ):
        of = f" <small class=of>{text(titles[0])}</small>" if titles[0] else ""
        parts.append(f"<h2>As lines{of}</h2><figure>{arcs(heat, heat.panels[0])}</figure>")
    ranked = words(record, style)
    if ranked:
        heading = "What decided the answer" if _of_weights(record) else "The likeliest words"
        parts.append(f"<h2>{heading}</h2>{ranked}")
    parts.append(f"<h2>Every step</h2>{every_step(report, titles, style)}")
    return parts


def _of_weights(record: Record) -> bool:
    """Return whether the answer is read from the weights, not from probabilities of words."""
    answer = record.settings.get("answer")
    return isinstance(answer, Mapping) and answer["read"] != "word"


def _stage(report: Report, titles: list[str]) -> str:
    steps = "".join(_radio("step", name, name, report.main) for name in report.maps)
    heads = "".join(
        _radio("lead", str(at), title.removeprefix("head "), "0") for at, title in enumerate(titles)
    )
    controls = [element("fieldset", "<legend>step</legend>", steps)]
    if len(titles) > 1:
        of = " and ".join(axis for _, axis in _varying(report))
        controls.append(element("fieldset", f"<legend>{of}</legend>", heads))
    heads_by = ", [ and ] for heads" if len(titles) > 1 else ""
    hint = (
        "Point at a cell to see how it comes about; a click holds it, Esc lets go. "
        f"Keys: arrows{heads_by}."
    )
    shown = element(
        "div",
        element("div", *controls, class_="controls"),
        element("div", id="stage"),
        legends(report),
        element("p", hint, class_="pale hint controls"),
    )
    working = (
        '<aside class=work tabindex=0 aria-label="How the cell comes about"><h3></h3><dl></dl>'
        "<section class=row><h4></h4><div class=bars></div></section>"
        "<section class=each><h4></h4><div class=bars></div></section></aside>"
    )
    live = "<div class=live role=status></div>"
    return f"<h2>Who attends to whom</h2>{element('div', shown, working, class_='stage')}{live}"


def _radio(group: str, value: str, label: str, chosen: str) -> str:
    box = element("input", type="radio", name=group, value=value, checked=value == chosen)
    return element("label", box, f"<span>{text(label)}</span>")


def _heads(report: Report, titles: list[str]) -> str:
    heat = report.maps[report.main]
    buttons = []
    for at, (panel, title) in enumerate(zip(heat.panels, titles, strict=True)):
        said = "".join(f"<br><small>{text(line)}</small>" for line in _statistics(report, at))
        buttons.append(
            element(
                "button",
                miniature(heat, panel),
                f"<b>{text(title)}</b>{said}",
                data_lead=at,
                aria_pressed="true" if at == 0 else "false",
            )
        )
    return element("div", *buttons, class_="heads")


def _statistics(report: Report, at: int) -> list[str]:
    """Return what is said of a head: entropy, effective keys, distance, the first key."""
    if report.statistics is None:
        return []
    values = report.statistics.values

    def number(name: str, digits: int) -> str | None:
        value = values[name][at]
        return None if value is None else f"{value:.{digits}f}"

    entropy, effective = number("entropy", 2), number("effective", 1)
    distance, first = number("distance", 1), number("first", 2)
    return [
        *([f"entropy {entropy} bit \u00b7 {effective} keys"] if entropy is not None else []),
        *([f"distance {distance}"] if distance is not None else []),
        *([f"first key {first}"] if first is not None else []),
    ]
