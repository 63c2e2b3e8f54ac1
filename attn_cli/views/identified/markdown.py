"""An identification in Markdown: a table of the classes, then the verdict."""

from __future__ import annotations

from collections.abc import Iterator

from attn_cli.lab.identify.result import Identified
from attn_cli.views import Style
from attn_cli.views.identified import parts
from attn_cli.views.markdown import escaped


def render(found: Identified, style: Style) -> str:
    """Return the lists of arrays and notes, and the table of classes."""
    del style
    return "".join(f"{line}\n" for line in _lines(found))


def _lines(found: Identified) -> Iterator[str]:
    for read in found.observed:
        yield f"- {escaped(parts.read_as(read, found.scores))}"
    yield ""
    yield "| | class | changes | c | noise of c | rest in floors | explains |"
    yield "|---:|---|---|---:|---:|---:|---|"
    for number, each in enumerate(parts.shown(found), 1):
        c, bar = (
            "" if x is None else f"{x:.{digits}f}" for x, digits in ((each.c, 3), (each.bar, 3))
        )
        explains = "yes" if each.explains else "no"
        name = ", ".join(h.name or parts.name_of(each) for h in each.hypotheses)
        cells = (name, parts.changes(each), c, bar, f"{each.rest:.3g}")
        yield f"| {number} | {' | '.join(map(escaped, cells))} | {explains} |"
    yield ""
    yield escaped(parts.verdict(found))
    yield ""
    for note in parts.notes(found):
        yield f"- {escaped(note)}"
