"""Bars for tables of text: as long as a number is large."""

from __future__ import annotations

from attn_cli.views import BAR


def bars(shares: list[float], room: int, *, ascii: bool) -> list[str]:
    """Return a bar for each share in [0, 1] of a room of that many cells."""
    return [("#" if ascii else BAR) * round(share * room) for share in shares]


def padded(texts: list[str]) -> list[str]:
    """Return texts as wide as the widest: wide characters take two cells."""
    from attn_cli.views.cells import cell_width

    width = max(map(cell_width, texts), default=0)
    return [text + " " * (width - cell_width(text)) for text in texts]
