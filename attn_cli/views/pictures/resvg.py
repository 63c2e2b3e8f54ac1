"""SVG drawn as PNG by resvg, a library of the optional extra `png`.

Texts are drawn in the fonts of the machine. If there is none that fits, resvg leaves texts out and
says nothing, so one glyph is drawn first.
"""

from __future__ import annotations

from typing import Any

from attn_cli.errors import AttnError
from attn_cli.views.pictures import svg

ZOOM = 2  # pixels of the picture for each of the SVG


def check_fonts(**fonts: Any) -> None:
    """Raise AttnError, before anything is computed, if resvg or a font is missing.

    `fonts` are options of resvg that say which fonts it has; without options all of the machine.
    """
    pages = [
        svg.document(20, 20, name="", description="", body=body)
        for body in ([svg.text("M", 4, 14)], [])
    ]
    written, empty = (as_png(page, **fonts) for page in pages)
    if written == empty:
        raise AttnError(
            "PNG needs a monospaced font for its labels, and none is found here",
            help="install DejaVu Sans Mono (Debian: apt install fonts-dejavu-core; Fedora: dnf "
            "install dejavu-sans-mono-fonts), or write SVG",
        )


def as_png(drawing: str, **fonts: Any) -> bytes:
    """Return the SVG as PNG, with twice its width and height; AttnError if there is no resvg."""
    try:
        from resvg_py import svg_to_bytes
    except ImportError:
        raise AttnError(
            "PNG needs resvg-py", help="pip install 'attn-cli[png]', or write SVG"
        ) from None
    picture: bytes = svg_to_bytes(svg_string=drawing, zoom=ZOOM, **fonts)
    return picture
