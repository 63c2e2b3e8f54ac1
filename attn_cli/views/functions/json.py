"""Score functions and normalisers as a JSON document `attn/1`."""

from __future__ import annotations

from attn_cli.lists import FunctionInfo, Functions
from attn_cli.views import Style
from attn_cli.views.json import FORMAT, written


def render(shown: Functions, _: Style) -> str:
    """Return the document: under the name of the command one object per function, by its name."""
    return written(
        {
            "format": FORMAT,
            "command": shown.command,
            shown.command: {entry.name: _described(entry) for entry in shown.entries},
        }
    )


def _described(entry: FunctionInfo) -> dict[str, object]:
    return {
        "formula": entry.formula,
        "latex": entry.expression.latex(),
        "explanation": entry.explanation,
        "parameters": [vars(parameter) for parameter in entry.parameters],
        "reference": entry.reference,
        "default": entry.default,
        "written": entry.written,
    }
