"""A heat map as PNG: its SVG, drawn at twice the size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attn_cli.views import Style
from attn_cli.views.heat_map import svg
from attn_cli.views.pictures.resvg import as_png, check_fonts

if TYPE_CHECKING:
    from attn_cli.lab.heat_map import HeatMap

check, fit = check_fonts, svg.fit


def render(heat: HeatMap, style: Style) -> bytes:
    """Return the picture."""
    return as_png(svg.render(heat, style))
