"""A heat map as a JSON document `attn/1`: its cells, as they are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attn_cli.errors import AttnError
from attn_cli.views import Style
from attn_cli.views.json import FORMAT, rounded, written

if TYPE_CHECKING:
    from attn_cli.lab.drawing import Outline
    from attn_cli.lab.heat_map import Axis, HeatMap, Panel

MOST = 1 << 22  # numbers in one document


def fit(outline: Outline, style: Style) -> tuple[int, int] | None:
    """Return how many rows and columns of cells there are at most: as --width says, else all."""
    if style.width is not None:
        return style.width, style.width
    if outline.size > MOST:
        rows, columns = outline.shape
        panels = f"{len(outline.leads)} x " if len(outline.leads) > 1 else ""
        raise AttnError(
            f"{outline.step} has {panels}{rows} x {columns} numbers, more than the {MOST} of a "
            "heat map in JSON",
            help=f"--width 512 pools them into 512 x 512 cells; "
            f"attn compute --only {outline.step} -o {outline.step}.npy writes all",
        )
    return None


def render(heat: HeatMap, style: Style) -> str:
    """Return the document; a hidden number is null, and `hidden` has the code of the reason."""
    return written(
        {
            "format": FORMAT,
            "command": heat.command,
            "step": heat.step,
            "formula": heat.formula,
            "role": heat.role,
            "queries": _axis(heat.queries),
            "keys": _axis(heat.keys),
            "cross": heat.cross,
            "scale": {
                "kind": heat.scale,
                "low": heat.low,
                "high": heat.high,
                "diverging": heat.diverging,
            },
            "pool": heat.pool,
            "legend": {str(code): why for code, why in enumerate(heat.legend)},
            "panels": [_panel(panel, style.digits) for panel in heat.panels],
            "settings": heat.settings,
            "warnings": list(heat.warnings),
        }
    )


def _axis(axis: Axis) -> dict[str, object]:
    return {
        "name": axis.name,
        "count": axis.count,
        "block": axis.block,
        "stride": axis.stride,
        "starts": list(axis.starts),
        "labels": list(axis.labels),
    }


def _panel(panel: Panel, digits: int | None) -> dict[str, object]:
    values = [
        [None if code else value for value, code in zip(row, codes, strict=True)]
        for row, codes in zip(panel.values.tolist(), panel.hidden.tolist(), strict=True)
    ]
    return {
        "title": panel.title,
        "values": rounded(values, digits),
        "hidden": panel.hidden.tolist() if panel.hidden.any() else None,
    }
