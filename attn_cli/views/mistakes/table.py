"""For people: what each usual mistake would give, then the mistakes that cannot be seen."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from attn_cli.lab.answers.showing import Hidden, Mistakes, Shown
from attn_cli.views import Style
from attn_cli.views.answers.parts import matrix
from attn_cli.views.cells import cells
from attn_cli.views.columns import paragraph

_MOST = 36  # numbers of a step that are written out


def render(mistakes: Mistakes, style: Style) -> str:
    """Return a paragraph per mistake."""
    return "".join(f"{line}\n" for line in _lines(mistakes, style))


def _lines(mistakes: Mistakes, style: Style) -> Iterator[str]:
    if mistakes.shown:
        yield "What each mistake would give:"
    for shown in mistakes.shown:
        yield ""
        yield from paragraph(shown.sentence, style.width, "- ")
        yield from paragraph(_numbers(shown, style), style.width, "  ")
    if mistakes.shown and mistakes.hidden:
        yield ""
    if mistakes.hidden:
        text = f"What this exercise cannot show: with {mistakes.decimals} decimals, these give the"
        yield from paragraph(f"{text} right numbers in every step.", style.width)
    for hidden in mistakes.hidden:
        yield ""
        yield from paragraph(hidden.sentence, style.width, "- ")
        yield from paragraph(parting(hidden), style.width, "  ")
    if not mistakes.shown and not mistakes.hidden:
        yield "None of the usual mistakes can be made in this exercise."


def _numbers(shown: Shown, style: Style) -> str:
    values = shown.steps[shown.first]
    if values.size > _MOST:
        return f"{shown.first} differs first; -f json has its {values.size} numbers"
    return f"{shown.first} = {matrix(values, style.decimals)}"


def parting(hidden: Hidden) -> str:
    """Return which numbers to change so that the mistake can be seen."""
    if hidden.shape:
        return f"no numbers can show it; it could with {hidden.shape}"
    if not hidden.parts:
        return hidden.searched
    changes = " and ".join(
        f"{p.path}: {_number(p.after)} for {_number(p.before)}" for p in hidden.parts
    )
    return f"it could with {changes}"


def _number(value: float) -> str:
    return cells(np.array([[value]]), 4)[0][0]
