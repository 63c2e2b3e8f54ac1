"""The table of stages of a comparison, with links to the worst cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attn_cli.views.differing.parts import LETTERS, number, place_of, rows
from attn_cli.views.html.markup import element, text

if TYPE_CHECKING:
    from attn_cli.lab.differing.report import DifferenceReport
    from attn_cli.lab.differing.result import StepDifference

HEAD = ("step", "type", "added", "inherited", "floor", "worst cell", "A", "B", "verdict")


def stages(report: DifferenceReport) -> str:
    """Return the table: a row per step."""
    head = "".join(f"<th scope=col>{each}</th>" for each in HEAD)
    made = zip(report.found.steps, rows(report.found), strict=True)
    lines = "".join(_row(report, step, shown) for step, shown in made)
    table = element(
        "table",
        f"<thead><tr>{head}</tr></thead><tbody>{lines}</tbody>",
        class_="plain stages",
    )
    return element("figure", table)


def _row(report: DifferenceReport, step: StepDifference, shown: tuple[str, ...]) -> str:
    name, type_, added, inherited, _, here, there, verdict = shown
    floor = "-" if step.floor is None else number(step.floor)
    link = text(name)
    if name in report.steps:
        link = element("a", text(name), href=f"#{name}", data_step=name)
    cells = [type_, added, inherited, floor]
    numbers = "".join(f"<td>{text(cell)}</td>" for cell in cells)
    return element(
        "tr",
        f"<th scope=row>{link}</th>{numbers}<td>{_place(report, step)}</td>",
        f"<td>{text(here)}</td><td>{text(there)}</td><td>{text(verdict)}</td>",
        class_=step.verdict.replace(" ", "-"),
    )


def _place(report: DifferenceReport, step: StepDifference) -> str:
    """Return the worst cell, as a link to it if it is shown."""
    if step.worst is None or step.verdict == "same":
        return ""
    shown, name = text(place_of(step.worst)), step.step
    if name not in report.steps:
        name = report.main if step.added is None else ""
    if not name or (not {"query", "key"} <= {*report.steps[name].axes} and step.added is None):
        return shown
    place = "/".join(f"{LETTERS.get(axis, axis[0])}{at}" for axis, at in step.worst.place)
    return element("a", shown, href=f"#{name}/{place}")
