"""What the legend of a heat map says, in any format: the same words, from its numbers."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from attn_cli.errors import printable
from attn_cli.views.cells import ordinal

if TYPE_CHECKING:
    from attn_cli.lab.heat_map import Axis, HeatMap

TICKS = 4  # numbers along a logarithmic scale


def title(heat: HeatMap) -> str:
    """Return the name of the step and its formula: `weights = softmax(scores)`."""
    if heat.formula == heat.step or heat.formula.startswith(f"{heat.step} = "):
        return printable(heat.formula)
    return printable(f"{heat.step}: {heat.formula}")


def number(value: float) -> str:
    """Return a number of the scale.

    >>> number(0.50522), number(0.0), number(-12.4)
    ('0.5052', '0', '-12.4')
    """
    return f"{value:.4g}"


def ticks(heat: HeatMap) -> list[str]:
    """Return the numbers along the ramp, evenly: its ends, and what is between."""
    if heat.scale == "row":
        return [*(["-largest"] if heat.diverging else []), "0", "largest"]
    if heat.scale == "log":
        ratio = heat.high / heat.low
        return [number(heat.low * ratio ** (at / (TICKS - 1))) for at in range(TICKS)]
    return [number(heat.low), *(["0"] if heat.diverging else []), number(heat.high)]


def hidden_by(heat: HeatMap) -> str:
    """Return why cells are hidden."""
    return f"hidden by: {', '.join(map(printable, heat.reasons))}"


def notes(heat: HeatMap, *, hidden: str = "") -> list[str]:
    """Return the notes of the legend; `hidden` is the text of a hidden cell, if there is one."""
    found = []
    if heat.scale == "row":
        found.append("each row by its own largest")
    elif len(heat.panels) > 1:
        found.append(f"one scale for all {_panels(heat)}")
    if heat.scale == "log":
        found.append(f"log scale from 1/{heat.keys.count}")
    if heat.reasons and hidden:
        found.append(f"{hidden} {hidden_by(heat)}")
    if heat.pool is not None:
        found.append(_block(heat))
    if heat.queries.stride > 1:
        found.append(f"every {ordinal(heat.queries.stride)} {heat.queries.name}")
    return found


def _panels(heat: HeatMap) -> str:
    """Return what panels differ in: heads, batch entries, or both."""
    count = Counter(part for panel in heat.panels for part in panel.title.split(", "))
    names = {part.split()[0] for part, times in count.items() if times < len(heat.panels)}
    return "heads" if names == {"head"} else "entries" if names == {"batch"} else "panels"


def _block(heat: HeatMap) -> str:
    """Return how many tokens a cell is, and how they became one number."""
    rows, columns = heat.queries, heat.keys
    size = f"{rows.block} x {columns.block} {_unit(columns)}"
    if _unit(rows) != _unit(columns):
        size = f"{rows.block} {_unit(rows)} x {columns.block} {_unit(columns)}"
    rule = "keys summed, mean of queries" if heat.pool == "mass" else "the largest of them"
    return f"one cell is {size}: {rule}"


def _unit(axis: Axis) -> str:
    return f"{axis.name}s" if axis.name in {"dimension", "unit"} else "tokens"
