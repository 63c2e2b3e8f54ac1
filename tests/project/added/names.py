"""A view that a test registers: the names of what a result holds, one per line, piece by piece."""

from __future__ import annotations

from collections.abc import Iterator

from attn_cli.lists import Steps
from attn_cli.record import Record
from attn_cli.views import Style


def render(shown: Record | Steps, style: Style) -> Iterator[str]:
    """Yield a line per step."""
    names = shown.steps if isinstance(shown, Record) else [step.name for step in shown.entries]
    for name in names:
        yield f"{name}{'!' if style.labels else ''}\n"
