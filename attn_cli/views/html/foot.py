"""The foot of the page: what the file holds, and the problem as it was written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from attn_cli import __version__
from attn_cli.views.html.markup import element, inside, text

if TYPE_CHECKING:
    from attn_cli.lab.report.result import Report
    from attn_cli.lab.report.written import Written


def foot(report: Report) -> str:
    """Return the foot."""
    lines = [holds(report), f"Made by attn {__version__}; works without a network."]
    said = element("p", "<br>".join(map(text, lines)))
    return element("footer", said, "" if report.written is None else _problem(report.written))


def holds(report: Report) -> str:
    """Return what the file holds."""
    if report.rung == 1:
        return "This file holds every number, exactly; numbers shown are rounded."
    if report.rung in {2, 3}:
        held = ", ".join(report.held)
        return (
            f"This file holds {held} as float32, seven digits, and pictures of 255 shades; other "
            "steps are worked out from these, or are not in the file."
        )
    assert report.kept is not None  # of rung 4
    count = report.kept.keys.shape[-1]
    return (
        f"This file holds the {count} largest weights of each row with their scores, as float32, "
        "and pictures of blocks; other numbers are not in the file."
    )


def _problem(written: Written) -> str:
    """Return what the problem was computed from: its file as text, and the options."""
    name = f"<bdi>{text(written.name)}</bdi>" if written.name else ""
    options = " ".join(element("code", text(each)) for each in written.options)
    origin = " with ".join(filter(None, (name, options)))
    if not origin:
        return ""
    if written.text is None:
        size = f" ({written.size:,} bytes of text, not in this file)" if written.size else ""
        return element("p", f"Computed from {origin}{size}.")
    lines = re.split("\r\n|[\n\r]", written.text.rstrip())
    shown = "\n".join("\t".join(map(inside, line.split("\t"))) for line in lines)
    return element(
        "details",
        element("summary", f"The problem: {origin}"),
        element("pre", shown, dir="ltr"),
    )
