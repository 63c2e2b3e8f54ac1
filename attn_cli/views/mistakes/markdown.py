"""The mistakes of an exercise in Markdown: two lists."""

from __future__ import annotations

from collections.abc import Iterator

from attn_cli.lab.answers.showing import Mistakes
from attn_cli.views import Style
from attn_cli.views.answers.parts import matrix
from attn_cli.views.markdown import escaped
from attn_cli.views.mistakes.table import parting


def render(mistakes: Mistakes, style: Style) -> str:
    """Return a list of the mistakes that can be seen, and one of those that cannot."""
    return "".join(f"{line}\n" for line in _lines(mistakes, style))


def _lines(mistakes: Mistakes, style: Style) -> Iterator[str]:
    yield from ("## What each mistake would give", "")
    for shown in mistakes.shown:
        numbers = matrix(shown.steps[shown.first], style.decimals)
        yield f"- {escaped(shown.sentence)}: {escaped(f'{shown.first} = {numbers}')}"
    yield from ("", "## What this exercise cannot show", "")
    for hidden in mistakes.hidden:
        yield f"- {escaped(hidden.sentence)}: {escaped(parting(hidden))}"
