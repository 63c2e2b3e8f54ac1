"""Every step: its formula, its axes, and its tables; of large ones the command that writes them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from attn_cli.record import Numbered
from attn_cli.views.cells import cells, labels_along, size_of
from attn_cli.views.html.head import NO_STATION
from attn_cli.views.html.maps import SHORTEST, draws_pictures, figures, is_table
from attn_cli.views.html.markup import element, number, text, token

if TYPE_CHECKING:
    from attn_cli.lab.report.result import Report
    from attn_cli.record import Step
    from attn_cli.views import Style

COMMAND = "attn compute FILE --only {0} -o {0}.npy"
OPEN = ("weights", "context", "output")  # if they are small
MATRICES = 4  # of a step whose tables are in the page
MOST = 1600  # numbers of a step of which the script makes tables
FEW = 200  # numbers of a step that is open
WORD = 40  # columns of a word


def every_step(report: Report, titles: list[str], style: Style) -> str:
    """Return a part that opens for each step."""
    return "".join(_step(report, step, titles, style) for step in report.record.steps.values())


def _step(report: Report, step: Step, titles: list[str], style: Style) -> str:
    size = prod(step.shape)
    summary = (
        f"<b>{text(step.name)}</b> <code>{text(step.formula)}</code> "
        f"<small>{text(size_of(step))}</small>"
    )
    drawn = is_table(report, step.name) or (draws_pictures(report) and step.name in report.maps)
    same = report.record.repeats.get(step.name, "")
    if same in report.record.steps and step.name not in report.maps:
        inside = element("p", f"the same as <a href=#step-{text(same)}>{text(same)}</a>")
    elif drawn:
        inside = "".join(figures(report, step.name, titles, style))
    elif in_page(report, step):
        inside = "".join(_tables(step, style))
    else:
        inside = element(
            "p",
            f"{size} number{'s' if size > 1 else ''}: "
            f"<code>{text((report.writes or COMMAND).format(step.name))}</code> writes them.",
        )
    opened = step.name == report.main or (step.name in OPEN and size <= FEW)
    return element(
        "details",
        element("summary", summary),
        inside,
        id=f"step-{step.name}",
        data_step=step.name if opens(report, step) else None,
        open=opened,
    )


def in_page(report: Report, step: Step) -> bool:
    """Return whether the page has tables of a step, which has no map."""
    known = step.name not in report.maps and step.name not in NO_STATION
    return known and prod(step.shape) <= SHORTEST and prod(step.shape[:-2]) <= MATRICES


def opens(report: Report, step: Step) -> bool:
    """Return whether the script makes tables of a step once its part is opened."""
    drawn = step.name in report.maps or in_page(report, step)
    aside = drawn or step.name in NO_STATION
    return step.name in report.held and not aside and prod(step.shape) <= MOST


def _tables(step: Step, style: Style) -> Iterator[str]:
    """Yield a table for each matrix of a step."""
    step = step.as_matrix()
    lead = step.axes[:-2]
    columns, rows = (labels_along(step, axis, style.first, WORD) for axis in (-1, -2))
    head = "".join(f"<th>{word}</th>" for word in _words(step, -1, columns))
    names = _words(step, -2, rows)
    for entry in product(*map(range, step.values.shape[:-2])):
        title = ", ".join(f"{axis} {at}" for axis, at in zip(lead, entry, strict=True))
        lines = []
        values = np.asarray(step.values[entry], np.float64)
        for word, numbers in zip(names, cells(values, style.decimals), strict=True):
            line = "".join(f"<td>{number(each)}</td>" for each in numbers)
            head_cell = f"<th>{word}</th>" if word else "<td></td>"
            lines.append(f"<tr>{head_cell}{line}</tr>")
        table = element(
            "table",
            f"<thead><tr><td></td>{head}</tr></thead><tbody>{''.join(lines)}</tbody>",
            class_="plain",
        )
        caption = element("figcaption", text(title)) if title else ""
        yield element("figure", caption, table)


def _words(step: Step, axis: int, labels: list[str]) -> list[str]:
    """Return labels as markup: words, or numbers behind a letter."""
    numbered = isinstance(step.labels[axis], Numbered) or not step.axes[axis]
    return [text(label) if numbered else token(label) for label in labels]
