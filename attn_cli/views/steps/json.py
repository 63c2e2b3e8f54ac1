"""Steps as a JSON document `attn/1`."""

from __future__ import annotations

from attn_cli.lists import StepInfo, Steps
from attn_cli.views import Style
from attn_cli.views.json import FORMAT, written


def render(shown: Steps, _: Style) -> str:
    """Return the document: `steps` has one object per step, by its name."""
    return written(
        {
            "format": FORMAT,
            "command": "steps",
            "steps": {step.name: _described(step) for step in shown.entries},
        }
    )


def _described(step: StepInfo) -> dict[str, object]:
    return {
        "meaning": step.meaning,
        "formula": step.formula,
        "latex": step.expression.latex(),
        "axes": list(step.axes),
        "shape": list(step.shape),
        "role": step.role,
        "condition": step.condition or None,
        "reads": list(step.reads),
        "read_by": list(step.read_by),
        "aliases": list(step.aliases),
        "only_by_name": step.aside,
    }
