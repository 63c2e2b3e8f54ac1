"""The sample problems for people: one per line, with its title."""

from __future__ import annotations

from attn_cli.lists import Samples
from attn_cli.views import Style


def render(shown: Samples, _: Style) -> str:
    """Return one line per sample."""
    width = max(len(sample.name) for sample in shown.entries) + 2
    return "".join(f"{sample.name:{width}}{sample.summary}\n" for sample in shown.entries)
