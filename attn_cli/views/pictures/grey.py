"""PNG whose pixels are numbers: one byte each, of which 255 is transparent."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

from attn_cli.views.pictures.palette import png

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLEAR = 255


def grey_png(levels: NDArray[np.uint8]) -> bytes:
    """Return rows x columns of grey levels as PNG; those of `CLEAR` are transparent."""
    rows, columns = levels.shape
    lines = np.zeros((rows, columns + 1), np.uint8)  # the first byte of a row: it is not filtered
    lines[:, 1:] = levels
    return png(
        (b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)),
        (b"tRNS", struct.pack(">H", CLEAR)),
        (b"IDAT", zlib.compress(lines.tobytes(), 9)),
    )
