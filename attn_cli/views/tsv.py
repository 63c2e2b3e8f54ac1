"""One step as tab-separated numbers; see `attn_cli.views.csv`."""

from __future__ import annotations

from attn_cli.record import Record
from attn_cli.views import Style
from attn_cli.views.csv import separated


def render(record: Record, style: Style) -> str:
    """Return the only step of the record."""
    return separated(record, style, "\t")
