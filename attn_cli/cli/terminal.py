"""What a terminal can show, from its environment: how many colours, on a light or a dark ground."""

from __future__ import annotations

from collections.abc import Mapping

from attn_cli.views.view import PALETTE, TRUECOLOR

FEWEST = 16  # of a terminal that does not say how many

# What the name of a terminal says, if COLORTERM says nothing: over ssh that is not passed on.
_NAMED = {
    "alacritty": TRUECOLOR,
    "contour": TRUECOLOR,
    "direct": TRUECOLOR,
    "foot": TRUECOLOR,
    "ghostty": TRUECOLOR,
    "kitty": TRUECOLOR,
    "wezterm": TRUECOLOR,
    "256color": PALETTE,
}
_LIGHT = {"7", "15"}  # the white ones of the first 16 colours


def colours_of(environment: Mapping[str, str]) -> int:
    """Return how many colours a terminal has: 16, 256 or 1 << 24."""
    if environment.get("COLORTERM", "").strip().lower() in {"truecolor", "24bit"}:
        return TRUECOLOR
    name = environment.get("TERM", "").strip().lower()
    return _NAMED.get(name.rpartition("-")[2], FEWEST)


def has_light_ground(environment: Mapping[str, str]) -> bool:
    """Return whether text is on a light ground: as COLORFGBG says (`0;15`), dark if it is unset."""
    return environment.get("COLORFGBG", "").rpartition(";")[2] in _LIGHT


def wants_colour(
    when: str, environment: Mapping[str, str], *, terminal: bool, to_file: bool = False
) -> bool:
    """Return whether a stream has colours: as --color says, else as the environment says.

    NO_COLOR (no-color.org) goes before FORCE_COLOR (force-color.org), which is for standard output
    and standard error, and not for files.
    """
    if when != "auto":
        return when == "always"
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR") and not to_file:
        return True
    return terminal and environment.get("TERM") not in {"dumb", "unknown"}
