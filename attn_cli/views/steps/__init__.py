"""Views of the catalogue of steps: all of them, or one explained -> text.

render(shown, style) -> str
"""

from __future__ import annotations

from collections.abc import Callable

from attn_cli.record import StepInfo
from attn_cli.registry import Registry
from attn_cli.views import Format, Style

STEP_FORMATS = {
    "table": Format(module="attn_cli.views.steps.table", suffixes=(".txt",), drawn=True),
    "json": Format(module="attn_cli.views.steps.json", suffixes=(".json",)),
}

Shown = StepInfo | tuple[StepInfo, ...]
RenderSteps = Callable[[Shown, Style], str]
STEP_RENDERERS: Registry[RenderSteps] = Registry(
    "format", "render", {name: form.module for name, form in STEP_FORMATS.items()}
)
