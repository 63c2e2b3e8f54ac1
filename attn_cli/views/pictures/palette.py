"""PNG of a few colours: one byte per pixel, its index (Portable Network Graphics, 3rd edition)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RGB = tuple[int, int, int]


def palette_png(indices: NDArray[np.uint8], colours: Sequence[RGB], clear: int) -> bytes:
    """Return rows x columns of indices as PNG; pixels of the colour `clear` are transparent."""
    rows, columns = indices.shape
    lines = np.zeros((rows, columns + 1), np.uint8)  # the first byte of a row: it is not filtered
    lines[:, 1:] = indices
    alpha = bytes(0 if at == clear else 255 for at in range(len(colours)))
    return png(
        (b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)),
        (b"PLTE", bytes(part for colour in colours for part in colour)),
        (b"tRNS", alpha),
        (b"IDAT", zlib.compress(lines.tobytes(), 9)),
    )


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    """Return a file of these parts, each a kind and its data, without the last one."""
    parts = (*chunks, (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    """Return a part of the file: its length, its kind, the data, and their checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
