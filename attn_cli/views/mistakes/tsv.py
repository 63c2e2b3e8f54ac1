"""The mistakes of an exercise as values between tabs."""

from __future__ import annotations

from attn_cli.lab.answers.showing import Mistakes
from attn_cli.views import Style
from attn_cli.views.mistakes.csv import separated


def render(mistakes: Mistakes, style: Style) -> str:
    """Return what `csv` returns, with tabs."""
    return separated(mistakes, style, "\t")
