"""A step as a heat map: one panel per batch entry and head, queries down, keys across.

A panel has one number per cell. A cell is one query and one key, or a block of them if there are
too many to be drawn (`attn_cli.lab.pooling`). All panels have one scale:

    linear   t = x / high
    log      t = log(x / low) / log(high / low), low = 1 / n_keys: all keys alike
    row      t = x / the largest |x| of the row

`high` is the largest visible finite number. A map with negative numbers, or of a step that can have
them, is diverging: t is in [-1, 1], else in [0, 1].
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log
from typing import TYPE_CHECKING, Literal

import numpy as np

from attn_cli.arrays import AnyArray, Array, Bools
from attn_cli.dataclass import dataclass, replace
from attn_cli.errors import AttnError, argument

if TYPE_CHECKING:
    from numpy.typing import NDArray

Scale = Literal["linear", "log", "row"]
LOG_FROM = 65  # keys: of so many or more, weights have a logarithmic scale unless one is chosen
# Roles whose numbers are 0 or more: one ramp of colours, from 0.
UNSIGNED = ("weight", "probability", "code")
POSITIVE = ("exp_scores",)  # steps of other roles whose numbers are, too


@dataclass(frozen=True, kw_only=True)
class Axis:
    """The rows of a heat map, or its columns.

    `block` is the number of tokens per cell; the last cell may have fewer. Of sampled rows every
    `stride`-th was computed; 1: all.
    """

    name: str  # query, key, token or dimension
    count: int  # tokens that are drawn
    block: int = 1
    stride: int = 1
    starts: tuple[int, ...]  # the position of the first token of each cell
    labels: tuple[str, ...]  # the label of that token


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One matrix: numbers, and which cells are hidden."""

    title: str  # "head 0", "batch 1, head 3"; empty if there is one panel
    values: Array  # rows x columns; 0 if hidden, NaN and infinity as they are
    hidden: NDArray[np.uint8]  # the code of the reason, 0: visible; of a block: if all is hidden
    largest: Bools  # the largest of each row, ties included; nowhere if cells are blocks


@dataclass(frozen=True, kw_only=True)
class HeatMap:
    """A step as it is drawn, in any format."""

    command: str
    step: str
    formula: str
    role: str  # of the step: weight, score, ...
    panels: tuple[Panel, ...]
    queries: Axis  # down
    keys: Axis  # across
    cross: bool  # whether keys are other tokens than queries
    legend: tuple[str, ...]  # code -> why a key is hidden
    scale: Scale
    low: float  # the number of the first colour: 0, -high, or 1 / n_keys of a logarithmic scale
    high: float  # the number of the last colour
    diverging: bool
    pool: Literal["mass", "max"] | None  # how the numbers of a block became one; None: no blocks
    settings: Mapping[str, object]
    warnings: tuple[str, ...] = ()

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why cells are hidden, in the order of the codes."""
        codes = sorted({int(code) for panel in self.panels for code in np.unique(panel.hidden)})
        return tuple(self.legend[code] for code in codes if code)

    def shades(self, panel: Panel) -> Array:
        """Return the place of each number between the first colour and the last: t.

        NaN for a hidden cell and for NaN; infinite numbers have the first or the last colour.
        """
        values = panel.values.astype(np.float64)
        values[panel.hidden != 0] = np.nan
        least = -1.0 if self.diverging else 0.0
        with np.errstate(all="ignore"):
            if self.scale == "log":
                t = np.log(values / self.low) / log(self.high / self.low)
            elif self.scale == "row":
                t = values / _largest_of_row(values)
            else:
                t = values / self.high
        shades: Array = np.clip(t, least, 1.0)
        return shades


def signed(step: str, role: str) -> bool:
    """Return whether the numbers of a step can be below 0."""
    return role not in UNSIGNED and step not in POSITIVE


def finished(drawn: HeatMap, colours: str = "auto") -> HeatMap:
    """Return a heat map with the scale that fits its numbers.

    `colours`: linear, log, row or auto: logarithmic for weights of more than 64 keys, else linear.
    Raises AttnError for log if there are negative numbers.
    """
    visible = [_visible(panel) for panel in drawn.panels]
    low = min((float(v.min()) for v in visible if v.size), default=0.0)
    high = max((float(v.max()) for v in visible if v.size), default=0.0)
    diverging = low < 0 or signed(drawn.step, drawn.role)
    high = max(-low, high) if diverging else high
    high = high if high > 0 else 1.0
    weighs = drawn.role == "weight" and drawn.keys.name == "key"
    if colours == "log" and (diverging or not weighs):
        raise AttnError(
            f"a logarithmic scale is for weights, and {drawn.step} "
            + ("has negative numbers" if weighs else f"is a {drawn.role}"),
            help=f"leave it out, or write {argument('colours', 'linear')}",
        )
    scale: Scale = "row" if colours == "row" else "linear"
    least = 1 / max(drawn.keys.count, 1)
    wanted = colours == "log" or (colours == "auto" and drawn.keys.count >= LOG_FROM)
    if wanted and weighs and not diverging and high > least:
        scale = "log"
    low = least if scale == "log" else -high if diverging else 0.0
    return replace(drawn, scale=scale, low=low, high=high, diverging=diverging)


def largest_of_rows(values: Array, hidden: NDArray[np.uint8]) -> Bools:
    """Return True at the largest visible number of each row, ties included."""
    shown = np.where((hidden != 0) | ~np.isfinite(values), -np.inf, values)
    most = shown.max(axis=1, keepdims=True, initial=-np.inf)
    largest: Bools = (shown == most) & (most > -np.inf)
    return largest


def _visible(panel: Panel) -> AnyArray:
    """Return the numbers that take part in the range: visible and finite."""
    shown: AnyArray = panel.values[(panel.hidden == 0) & np.isfinite(panel.values)]
    return shown


def _largest_of_row(values: Array) -> Array:
    """Return the largest finite |x| of each row; 1 for a row without any but 0."""
    sizes = np.where(np.isfinite(values), np.abs(values), 0.0)
    most = sizes.max(axis=1, keepdims=True, initial=0.0)
    largest: Array = np.where(most > 0, most, 1.0)
    return largest
