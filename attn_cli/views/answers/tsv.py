"""Judged sheets as values between tabs: a line per sheet, with the verdict of each step."""

from __future__ import annotations

from attn_cli.lab.answers.judgement import Graded, Judged
from attn_cli.views import Style
from attn_cli.views.answers.csv import separated


def render(judged: Judged | Graded, style: Style) -> str:
    """Return what `csv` returns, with tabs."""
    del style
    return separated(judged, "\t")
