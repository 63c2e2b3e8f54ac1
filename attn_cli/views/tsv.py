"""One step as tab-separated numbers; see `attn_cli.views.csv`."""

from __future__ import annotations

from attn_cli.record import Record, Whole
from attn_cli.views import Encoding, Style
from attn_cli.views.csv import separated, separated_encoding


def render(record: Record, style: Style) -> str:
    """Return the only step of the record."""
    return separated(record, style, "\t")


def encoding(whole: Whole, style: Style) -> Encoding:
    """Return the line of labels, and how rows follow it."""
    return separated_encoding(whole, style, "\t")
