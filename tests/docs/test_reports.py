"""The pages of the gallery are compared by their numbers and pixels, and all else as text."""

from __future__ import annotations

import re
import struct
import zlib
from base64 import b64decode, b64encode
from pathlib import Path

import pytest

from docs._make.reports import FOLDER, REPORTS, SHADES, same
from docs._make.shell import ROOT
from docs._make.tables import samples

PAGE = (ROOT / FOLDER / "two_heads.html").read_text(encoding="utf-8")
PICTURE = r"data:image/png;base64,([A-Za-z0-9+/=]+)"


def test_every_sample_has_a_page_to_which_its_page_of_the_gallery_leads() -> None:
    assert {Path(name).stem for name in REPORTS} == set(samples())
    assert {path.stem for path in (ROOT / FOLDER).iterdir()} == set(samples())
    for name in samples():
        text = (ROOT / "docs/gallery" / f"{name}.md").read_text(encoding="utf-8")
        assert f"(pages/{name}.html)" in text
        page = (ROOT / FOLDER / f"{name}.html").read_text(encoding="utf-8")
        assert str(ROOT) not in page


def changed(pattern: str, new: str) -> str:
    """The page with the first text that a pattern finds replaced."""
    found, count = re.subn(pattern, lambda _: new, PAGE, count=1)
    assert count == 1
    assert found != PAGE
    return found


@pytest.mark.parametrize(
    ("pattern", "new"),
    [
        (r"\b0.47209639\d+", "0.4720964"),
        (">0.4721<", ">0.4722<"),
        ("<bdi>cat</bdi>", "<bdi>bat</bdi>"),
        ('"cat"', '"cat "'),
        ("sha256-", "sha256-A"),
        (r"#16181d", "#16181e"),
        ("head 1", "head 2"),
        ("</html>", "</html><p>"),
    ],
)
def test_pages_that_show_something_else_are_not_the_same(pattern: str, new: str) -> None:
    assert not same(PAGE, changed(pattern, new))


def test_the_last_bit_of_a_number_may_differ() -> None:
    numbers = re.findall(r"\b0\.\d{15,17}\b", PAGE)
    assert len(numbers) > 20
    other = PAGE
    for number in set(numbers):
        other = other.replace(number, repr(float(number) * (1 + 1e-14)))
    assert other != PAGE
    assert same(PAGE, other)
    assert same("x 1.30 e\u221217<", "x 0<")
    assert same(": -1.5e-17,", ": 0,")
    assert not same("x 1.30 e\u22127<", "x 0<")


def test_pictures_are_their_pixels() -> None:
    encoded = re.findall(PICTURE, PAGE)[0]
    data = b64decode(encoded)
    at = data.index(b"IDAT")
    (length,) = struct.unpack(">I", data[at - 4 : at])
    lines = zlib.decompress(data[at + 4 : at + 4 + length])

    def drawn(pixels: bytes) -> str:
        packed = zlib.compress(pixels, 0)
        body = struct.pack(">I", len(packed)) + b"IDAT" + packed
        body += struct.pack(">I", zlib.crc32(b"IDAT" + packed))
        found = data[: at - 4] + body + data[at + 8 + length :]
        return PAGE.replace(encoded, b64encode(found).decode())

    assert drawn(lines) != PAGE
    assert same(PAGE, drawn(lines))
    for by, alike in ((SHADES, True), (SHADES + 1, False)):
        other = bytearray(lines)
        other[1] = lines[1] - by if lines[1] > 9 else lines[1] + by
        assert same(PAGE, drawn(bytes(other))) is alike
