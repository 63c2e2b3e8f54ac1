"""Colours of values: ramps, levels, the colour of text on them, and the codes of a terminal.

A value in a range is a level from 0 to `LEVELS`; the level is the same in every format. Black or
white text, whichever has the larger contrast, has a contrast of at least 4.58 on any colour (WCAG
2.2): the contrasts with black and with white multiply to 21.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from attn_cli.views import ramps
from attn_cli.views.view import PALETTE, TRUECOLOR

if TYPE_CHECKING:
    from numpy.typing import NDArray

RGB = tuple[int, int, int]
LEVELS = 32  # the last level: a ramp has 33 colours
BLACK: RGB = (0, 0, 0)
WHITE: RGB = (255, 255, 255)
RESET = "\x1b[0m"
_CUBE = (0, 95, 135, 175, 215, 255)  # red, green and blue of the indices 16 to 231 (xterm)


class Ramp(NamedTuple):
    """The colours of the levels, from the smallest value to the largest."""

    colours: tuple[RGB, ...]
    indices: tuple[int, ...]  # of the 256 colours of a terminal, evenly over the levels


@cache
def ramp(*, diverging: bool, light: bool) -> Ramp:
    """Return the ramp for values from 0 up, or of both signs, on a light or a dark ground."""
    name = f"{'DIVERGING' if diverging else 'SEQUENTIAL'}_{'LIGHT' if light else 'DARK'}"
    written, indices = getattr(ramps, name), getattr(ramps, f"{name}_256")
    return Ramp(tuple(map(_rgb, written.split())), tuple(map(int, indices.split())))


def levels(shares: NDArray[np.floating[Any]]) -> NDArray[np.intp]:
    """Return the level of each share of a range: 0 is its low end, 1 its high end.

    level = round(32 share), ties to even; shares beyond the ends are at the ends, NaN at 0.
    """
    within = np.clip(np.nan_to_num(np.asarray(shares, dtype=np.float64), nan=0.0), 0.0, 1.0)
    return np.rint(within * LEVELS).astype(np.intp)


def text_on(colour: RGB) -> RGB:
    """Return black or white, whichever has the larger contrast on a colour."""
    return BLACK if contrast(BLACK, colour) >= contrast(WHITE, colour) else WHITE


def contrast(one: RGB, other: RGB) -> float:
    """Return the contrast ratio of two colours, from 1 to 21, as WCAG 2.2 defines it."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def hex_of(colour: RGB) -> str:
    """Return a colour as `#rrggbb`."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def xterm(index: int) -> RGB:
    """Return a colour of the 256 of a terminal, from index 16 on; users choose those below."""
    if not 16 <= index < PALETTE:
        raise ValueError(f"index {index} has no fixed colour")
    if index >= 232:
        grey = 8 + 10 * (index - 232)
        return grey, grey, grey
    red, green, blue = (index - 16) // 36, (index - 16) // 6 % 6, (index - 16) % 6
    return _CUBE[red], _CUBE[green], _CUBE[blue]


class Shades:
    """The codes of a terminal for the levels of a ramp; `colours` is 256 or `TRUECOLOR`."""

    def __init__(self, chosen: Ramp, colours: int) -> None:
        if colours >= TRUECOLOR:
            self.shown = chosen.colours
            codes = [f"{red};{green};{blue}" for red, green, blue in self.shown]
            space, ink = "2", {BLACK: "0;0;0", WHITE: "255;255;255"}
        else:
            last = len(chosen.indices) - 1
            picked = [chosen.indices[round(level * last / LEVELS)] for level in range(LEVELS + 1)]
            self.shown = tuple(map(xterm, picked))
            codes = [str(index) for index in picked]
            space, ink = "5", {BLACK: "16", WHITE: "231"}
        self.background = tuple(f"\x1b[48;{space};{code}m" for code in codes)
        self.foreground = tuple(f"\x1b[38;{space};{code}m" for code in codes)
        self.cell = tuple(  # the background of a level, and text that can be read on it
            f"\x1b[38;{space};{ink[text_on(colour)]};48;{space};{code}m"
            for colour, code in zip(self.shown, codes, strict=True)
        )


@cache
def shades(*, diverging: bool, light: bool, colours: int) -> Shades | None:
    """Return the codes of a terminal with so many colours; None below 256: it has no shades."""
    if colours < PALETTE:
        return None
    return Shades(ramp(diverging=diverging, light=light), colours)


def _rgb(written: str) -> RGB:
    return int(written[1:3], 16), int(written[3:5], 16), int(written[5:7], 16)


def _luminance(colour: RGB) -> float:
    """Return the relative luminance of an sRGB colour, from 0 to 1."""
    parts = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (value / 255 for value in colour)
    ]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
