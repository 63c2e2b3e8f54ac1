"""A comparison in Markdown: a table of the steps, then the sentences as a list."""

from __future__ import annotations

from attn_cli.lab.differing.result import Difference
from attn_cli.views import Style
from attn_cli.views.differing.parts import FLOORS, HEAD, rows, sentences
from attn_cli.views.markdown import escaped, row


def render(found: Difference, style: Style) -> str:
    """Return the table and the list."""
    del style
    lines = [
        escaped(f"here: {found.here}, there: {found.there}"),
        "",
        row([*HEAD]),
        row(["---", "---", "---:", "---:", "---", "---:", "---:", "---"]),
    ]
    for cells in rows(found):
        shown = [escaped(cell) for cell in cells]
        if cells[-1].startswith("BUG"):
            shown[-1] = f"**{shown[-1]}**"
        lines.append(row(shown))
    said = [*sentences(found)]
    lines += ["", f"**{escaped(said[0])}**", ""]
    lines += [f"- {escaped(sentence)}" for sentence in said[1:]]
    if found.model is not None:
        lines.append(f"- {escaped(FLOORS)}")
    return "".join(f"{line}\n" for line in lines)
