"""For people: how the arrays were read, the classes from the nearest on, and the verdict."""

from __future__ import annotations

from collections.abc import Iterator

from attn_cli.lab.identify.result import Explanation, Identified
from attn_cli.views import Style
from attn_cli.views.columns import paragraph
from attn_cli.views.identified import parts


def render(found: Identified, style: Style) -> str:
    """Return a paragraph per array and class, then the verdict."""
    return "".join(f"{line}\n" for line in _lines(found, style))


def _lines(found: Identified, style: Style) -> Iterator[str]:
    for read in found.observed:
        yield from paragraph(parts.read_as(read, found.scores), style.width)
    yield ""
    for number, each in enumerate(parts.shown(found), 1):
        yield from _class(number, each, style)
    yield ""
    yield from paragraph(parts.verdict(found), style.width)
    for note in parts.notes(found):
        yield from paragraph(note, style.width)


def _class(number: int, each: Explanation, style: Style) -> Iterator[str]:
    lead = f"{number}  "
    indent = " " * (len(lead) + 2)
    yield from paragraph(parts.name_of(each), style.width, lead)
    sentence = each.hypotheses[0].sentence if each.hypotheses[0].name else ""
    for text in (sentence, parts.measured(each), parts.others_of(each)):
        if text:
            yield from paragraph(text, style.width, indent)
    changes = parts.changes(each)
    if changes:
        yield indent + changes
