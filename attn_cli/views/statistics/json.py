"""Statistics as a JSON document `attn/1`: one mapping of columns per line; null: no value."""

from __future__ import annotations

from attn_cli.lab.statistics import Statistics
from attn_cli.views import Style
from attn_cli.views.json import FORMAT, rounded, written


def render(found: Statistics, style: Style) -> str:
    """Return the document."""
    names = [column.name for column in found.columns]
    lines = zip(*(found.values[name] for name in names), strict=True)
    document: dict[str, object] = {
        "format": FORMAT,
        "command": found.command,
        "settings": found.settings,
        "step": found.step,
        "formula": found.formula,
        "axes": list(found.axes),
        "shape": list(found.shape),
        "per_query": found.per_query,
        "stride": found.stride,
        "columns": {column.name: column.meaning for column in found.columns},
        "statistics": [
            rounded(dict(zip(names, line, strict=True)), style.digits) for line in lines
        ],
        "warnings": list(found.warnings),
    }
    return written(document)
