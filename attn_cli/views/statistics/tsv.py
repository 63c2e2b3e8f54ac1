"""Statistics as tab-separated values; see `attn_cli.views.statistics.csv`."""

from __future__ import annotations

from attn_cli.lab.statistics import Statistics
from attn_cli.views import Style
from attn_cli.views.statistics.csv import separated


def render(found: Statistics, style: Style) -> str:
    """Return the table."""
    return separated(found, style, "\t")
