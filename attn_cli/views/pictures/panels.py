"""Panels of one size, side by side, with a new row if one is full."""

from __future__ import annotations

from typing import NamedTuple

MARGIN = 8  # around the drawing, in pixels
BETWEEN = 32  # between two panels, across and down
ACROSS = 1300  # no panel ends beyond it, except if it is the first of its row


class Placed(NamedTuple):
    """Where panels are, and how much room they take with a margin on each side."""

    corners: list[tuple[float, float]]  # left, top
    width: float
    height: float


def placed(count: int, width: float, height: float) -> Placed:
    """Return the places of so many panels, in rows of the same length except the last.

    >>> placed(3, 600, 100)
    Placed(corners=[(8, 8), (640, 8), (8, 140)], width=1248, height=248)
    """
    fit = max(1, int((ACROSS - 2 * MARGIN + BETWEEN) // (width + BETWEEN)))
    rows = -(-count // fit)
    columns = -(-count // rows)  # as even as can be: 4 and 4, not 5 and 3
    right, down = width + BETWEEN, height + BETWEEN
    corners = [
        (MARGIN + at % columns * right, MARGIN + at // columns * down) for at in range(count)
    ]
    outside = 2 * MARGIN - BETWEEN
    return Placed(corners, columns * right + outside, rows * down + outside)
