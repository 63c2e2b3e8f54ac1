"""Views of conventions: all there are, one preset, or several compared -> text.

render(shown, style) -> str
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from attn_cli.registry import Registry
from attn_cli.views import Format, Style

if TYPE_CHECKING:
    from attn_cli.conventions.preset import Preset
    from attn_cli.conventions.presets import Catalogue
    from attn_cli.lab.preset_comparison import Differences

CONVENTION_FORMATS = {
    "table": Format(module="attn_cli.views.conventions.table", suffixes=(".txt",), drawn=True),
    "json": Format(module="attn_cli.views.conventions.json", suffixes=(".json",)),
}

RenderConventions = Callable[["Catalogue | Preset | Differences", Style], str]
CONVENTION_RENDERERS: Registry[RenderConventions] = Registry(
    "format", "render", {name: form.module for name, form in CONVENTION_FORMATS.items()}
)
