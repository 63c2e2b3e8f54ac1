"""Bars for tables of text, with a length in proportion to a number."""

from __future__ import annotations

from attn_cli.views import BAR


def bars(shares: list[float], room: int, *, ascii: bool) -> list[str]:
    """Return one bar for each share in [0, 1]; a share of 1 is that many cells long."""
    return [("#" if ascii else BAR) * round(share * room) for share in shares]


def padded(texts: list[str]) -> list[str]:
    """Return texts padded to the width of the widest; wide characters take two cells."""
    from attn_cli.views.cells import cell_width

    width = max(map(cell_width, texts), default=0)
    return [text + " " * (width - cell_width(text)) for text in texts]
