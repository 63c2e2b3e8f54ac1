"""One step as tab-separated numbers; see `attn_cli.views.csv`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attn_cli.record import Record, Whole
from attn_cli.views import Style
from attn_cli.views.csv import separated, separated_parts


def render(record: Record, style: Style) -> str:
    """Return the only step of the record."""
    return separated(record, style, "\t")


def render_parts(whole: Whole, parts: Iterable[Record], style: Style) -> Iterator[bytes]:
    """Yield the lines of each part."""
    return separated_parts(whole, parts, style, "\t")
