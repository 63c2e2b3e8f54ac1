"""The page of a comparison: the verdict, its stages, and A, B and B - A cell by cell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from attn_cli import __version__
from attn_cli.views.colour import LEVELS
from attn_cli.views.differing.parts import FLOORS, sentences
from attn_cli.views.html import assets
from attn_cli.views.html.difference_document import document
from attn_cli.views.html.difference_maps import SIDES, legends, trio
from attn_cli.views.html.difference_stages import stages
from attn_cli.views.html.markup import element, text
from attn_cli.views.html.page import BASE
from attn_cli.views.html.shell import whole

if TYPE_CHECKING:
    from attn_cli.lab.differing.report import Compared, DifferenceReport
    from attn_cli.lab.heat_map import HeatMap
    from attn_cli.views import Style

TITLE = 80  # columns
SAID = {"bug": "BUG", "noise": "Noise", "same": "The same", "cannot tell": "Cannot tell"}


def render(report: DifferenceReport, style: Style) -> str:
    """Return the page; AttnError if it is larger than it may be."""
    found = report.found
    pictures = len(report.tables) < len(report.steps)
    ramps = tuple(
        sorted({heat.diverging for each in report.steps.values() for heat in _maps(each)})
    )
    chosen = [*(["pictures.js"] if pictures else []), "choosing.js", "difference.js"]
    parts = [*BASE, *(chosen if report.main else [])]
    sheets = ["page.css", *(["pictures.css"] if pictures else []), "marks.css", "difference.css"]
    sheet = assets.style(*sheets, used={kind: range(LEVELS + 1) for kind in ramps})
    if pictures:
        sheet += "\n" + assets.filter_rules(ramps)
    body = [
        assets.filters(ramps) if pictures else "",
        _head(report),
        element("main", *_main(report, style)),
        element("footer", element("p", "<br>".join(map(text, _foot(report))))),
        element("script", document(report, style), type="application/json", id="attn-record"),
    ]
    script = assets.script(*parts)
    return whole(
        f"{found.here}, {found.there}: {found.verdict}", sheet, body, script, limit=report.limit
    )


def _maps(step: Compared) -> tuple[HeatMap, ...]:
    return step.here, step.there, step.apart


def _head(report: DifferenceReport) -> str:
    found = report.found
    title = f"A: <bdi>{text(found.here)}</bdi> &nbsp; B: <bdi>{text(found.there)}</bdi>"
    verdict = element(
        "p",
        element("b", text(SAID[found.verdict])),
        f" {text(found.sentence)}",
        class_=f"answer {found.verdict.replace(' ', '-')}",
    )
    chips = "".join(element("li", text(chip)) for chip in _chips(report))
    listed = "".join(element("li", text(each)) for each in found.warnings)
    return element(
        "header",
        element("h1", title),
        element("button", "light / dark", id="theme"),
        verdict,
        element("ul", chips, class_="chips"),
        element("ul", listed, class_="warnings", aria_label="Warnings") if listed else "",
    )


def _chips(report: DifferenceReport) -> Iterator[str]:
    found = report.found
    if found.model is None:
        yield "no problem: no stage was computed"
    else:
        yield f"stages computed with {found.model}"
    if found.type is not None:
        yield f"type: {found.type}"
    if found.tolerance is not None:
        yield f"tolerance: {found.tolerance:g}"


def _main(report: DifferenceReport, style: Style) -> Iterator[str]:
    found = report.found
    yield "<h2>Stage by stage</h2>"
    yield stages(report)
    said = [*sentences(found)][1:]
    if report.left_out:
        said.append(f"too large for this page: {', '.join(report.left_out)}")
    if found.model is not None:
        said.append(FLOORS)
    yield element("ul", *(element("li", text(each)) for each in said), class_="said")
    if not report.main:
        return
    yield "<h2>Cell by cell</h2>"
    yield _stage(report)
    yield "<h2>Every step</h2>"
    for name, step in report.steps.items():
        drawn = "".join(trio(report, step, at, style) for at in range(len(step.leads)))
        size = " \u00d7 ".join(map(str, (len(step.leads), *map(len, step.labels))))
        summary = f"<b>{text(name)}</b> <code>{text(step.formula)}</code> <small>{size}</small>"
        yield element(
            "details",
            element("summary", summary),
            drawn,
            id=f"step-{name}",
            open=name == report.main,
        )


def _stage(report: DifferenceReport) -> str:
    steps = "".join(_radio("step", name, name, report.main) for name in report.steps)
    controls = [element("fieldset", "<legend>step</legend>", steps)]
    if any(len(step.leads) > 1 for step in report.steps.values()):
        controls.append(element("fieldset", id="leads"))
    hint = (
        "Point at a cell: the same one is chosen in all three. A click holds it, Esc lets go. "
        "Keys: arrows, [ and ] for heads."
    )
    head = "".join(f"<th>{name}</th>" for name in ("step", *SIDES.values(), "floors"))
    working = (
        '<aside class=work aria-label="The chosen cell" tabindex=0><h3></h3>'
        f"<table class=plain><thead><tr>{head}</tr></thead><tbody></tbody></table></aside>"
    )
    return element(
        "div",
        element("div", *controls, class_="controls"),
        element("div", id="stage"),
        legends(report),
        element("p", hint, class_="pale hint controls"),
        working,
        "<div class=live role=status></div>",
    )


def _radio(group: str, value: str, label: str, chosen: str) -> str:
    box = element("input", type="radio", name=group, value=value, checked=value == chosen)
    return element("label", box, f"<span>{text(label)}</span>", class_="radio")


def _foot(report: DifferenceReport) -> Iterator[str]:
    if report.rung == 1:
        yield "This file holds every number of both sides, exactly; numbers shown are rounded."
    elif report.rung == 2:
        yield "This file holds A, B and B - A as float32, seven digits, and pictures of 255 shades."
    else:
        first = (
            f"all numbers of {report.main} as float32, and of other " if report.rung == 3 else ""
        )
        count = max(
            (each.largest.columns.shape[-1] for each in report.steps.values() if each.largest),
            default=0,
        )
        yield (
            f"This file holds {first}large steps pictures and the {count} largest B - A of each "
            "row, as float32; other numbers are not in the file."
        )
    yield f"Made by attn {__version__}; works without a network."
