"""Conventions as a JSON document `attn/1`: settings as a problem file has them."""

from __future__ import annotations

from typing import Any

from attn_cli.conventions.knobs import Knob
from attn_cli.conventions.preset import Preset
from attn_cli.conventions.presets import Catalogue
from attn_cli.lab.preset_comparison import Differences, Row, Shown
from attn_cli.views import Style
from attn_cli.views.json import FORMAT, rounded, written


def render(shown: Catalogue | Preset | Differences, style: Style) -> str:
    """Return the document."""
    document: dict[str, object] = {"format": FORMAT, "command": "conventions"}
    if isinstance(shown, Differences):
        document |= {
            "presets": [_head(preset) for preset in shown.presets],
            "differences": [_row(row, style.digits) for row in shown.differences],
            "only_some": [{"knob": row.knob.name, "values": row.values} for row in shown.partial],
        }
    elif isinstance(shown, Preset):
        document |= {
            **_head(shown),
            "settings": dict(shown.settings),
            "notes": list(shown.notes),
            "sources": list(shown.sources),
        }
    else:
        document |= {
            "presets": [_head(preset) for preset in shown.presets],
            "knobs": [_knob(knob) for knob in shown.knobs],
        }
    return written(document)


def _head(preset: Preset) -> dict[str, object]:
    return {"name": preset.name, "title": preset.title, "version": preset.version}


def _knob(knob: Knob) -> dict[str, object]:
    return {
        "name": knob.name,
        "question": knob.question,
        "default": knob.default,
        "values": [{"value": a.value, "meaning": a.meaning} for a in knob.answers],
    }


def _row(row: Row, digits: int | None) -> dict[str, Any]:
    return {
        "knob": row.knob.name,
        "question": row.knob.question,
        "values": row.values,
        "examples": [_example(shown, digits) for shown in row.examples],
    }


def _example(shown: Shown, digits: int | None) -> dict[str, object]:
    return {"problem": dict(shown.example.problem), "results": rounded(shown.results, digits)}
