"""PNG whose pixels are numbers from 0 to 1, one byte each; NaN is transparent."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from attn_cli.views.pictures.palette import png

if TYPE_CHECKING:
    from numpy.typing import NDArray

WHITE = 255  # the level of 1


def grey_png(numbers: NDArray[np.floating[Any]]) -> bytes:
    """Return rows x columns of numbers as grey levels: 255 t.

    One level says that a pixel is transparent: that which the fewest pixels have. These get the
    nearest other level.
    """
    rows, columns = numbers.shape
    nothing = np.isnan(numbers)
    exact = np.where(nothing, 0, numbers) * WHITE
    levels = np.rint(exact).astype(np.uint8)
    parts = [(b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0))]
    if nothing.any():
        clear = int(np.bincount(levels[~nothing], minlength=WHITE + 1)[1:WHITE].argmin()) + 1
        beside = np.where(exact < clear, clear - 1, clear + 1).astype(np.uint8)
        levels = np.where(levels == clear, beside, levels)
        levels[nothing] = clear
        parts.append((b"tRNS", struct.pack(">H", clear)))
    lines = np.zeros((rows, columns + 1), np.uint8)  # the first byte of a row: it is not filtered
    lines[:, 1:] = levels
    return png(*parts, (b"IDAT", zlib.compress(lines.tobytes(), 9)))
