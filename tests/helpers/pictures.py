"""SVG as a tree, and PNG as pixels."""

from __future__ import annotations

import struct
import zlib
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

SPACE = "{http://www.w3.org/2000/svg}"


class Drawing(NamedTuple):
    """An SVG that has been parsed."""

    source: str
    root: ElementTree.Element

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return int(self.root.attrib["width"]), int(self.root.attrib["height"])

    @property
    def description(self) -> str:
        return self.root.findtext(f"{SPACE}desc") or ""

    def all(self, name: str) -> list[ElementTree.Element]:
        """Every element of a name, in order."""
        return list(self.root.iter(f"{SPACE}{name}"))

    def titled(self, name: str) -> dict[str, dict[str, str]]:
        """Title -> attributes, of the elements of a name that have a title."""
        found = {}
        for element in self.all(name):
            title = element.findtext(f"{SPACE}title")
            if title is not None:
                assert title not in found
                found[title] = dict(element.attrib)
        return found

    @property
    def texts(self) -> list[str]:
        """What is written, without titles."""
        return [
            (element.text or "") + "".join(child.tail or "" for child in element)
            for element in self.all("text")
        ]


def drawing(source: Any) -> Drawing:
    """Return an SVG, which must be ASCII with LF at the ends of lines."""
    assert isinstance(source, str)
    assert source.isascii()
    assert "\r" not in source
    assert source.endswith("</svg>\n")
    root = ElementTree.fromstring(source)
    assert root.tag == f"{SPACE}svg"
    assert root.attrib["role"] == "img"
    assert root.attrib["viewBox"] == f"0 0 {root.attrib['width']} {root.attrib['height']}"
    return Drawing(source, root)


def pixels(png: bytes) -> NDArray[np.uint8]:
    """Return rows x columns x channels of a PNG of 8 bits without interlacing (PNG 1.2)."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    chunks, at = {b"IDAT": b""}, 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        kind, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert struct.unpack(">I", png[at + 8 + length : at + 12 + length])[0] == zlib.crc32(
            kind + data
        )
        chunks[kind] = chunks.get(kind, b"") + data
        at += 12 + length
    width, height, depth, colour, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (depth, rest) == (8, [0, 0, 0])
    channels = {0: 1, 2: 3, 3: 1, 6: 4}[colour]
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, -1)
    found = np.zeros((height, width, channels), np.uint8)
    above = np.zeros(width * channels, np.uint8)
    for row, filtered in enumerate(rows):
        above = _unfiltered(int(filtered[0]), filtered[1:], above, channels)
        found[row] = above.reshape(width, channels)
    if colour == 3:
        return np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(-1, 3)[found[..., 0]]
    return found


def _unfiltered(
    kind: int, line: NDArray[np.uint8], above: NDArray[np.uint8], channels: int
) -> NDArray[np.uint8]:
    if kind == 0:
        return line.copy()
    if kind == 2:
        return line + above
    done = bytearray(line.tobytes())
    up = above.tobytes()
    for at in range(len(done)):
        left = done[at - channels] if at >= channels else 0
        corner = up[at - channels] if at >= channels else 0
        if kind == 1:
            guess = left
        elif kind == 3:
            guess = (left + up[at]) // 2
        else:
            near = left + up[at] - corner
            sizes = (abs(near - left), abs(near - up[at]), abs(near - corner))
            guess = (left, up[at], corner)[sizes.index(min(sizes))]
        done[at] = (done[at] + guess) & 255
    return np.frombuffer(bytes(done), np.uint8)
