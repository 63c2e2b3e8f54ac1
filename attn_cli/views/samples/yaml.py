"""One sample problem: its file, as it is."""

from __future__ import annotations

from attn_cli.lists import Sample
from attn_cli.views import Style


def render(shown: Sample, _: Style) -> str:
    """Return the text of the file."""
    return shown.text
