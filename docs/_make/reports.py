"""The pages of the gallery: the report of each sample, as `attn compute -o NAME.html` writes it.

On another machine the last bits of numbers, and the bytes of compressed pictures, may differ. So
pages are compared by their numbers and pixels, and all else as text.
"""

from __future__ import annotations

import re
import struct
import zlib
from base64 import b64decode
from collections.abc import Callable
from functools import partial
from itertools import zip_longest
from math import isclose

from docs._make.shell import run
from docs._make.tables import samples

FOLDER = "docs/gallery/pages"
TOLERANCE = 1e-9  # of a number, relative to it, or to 1 if it is smaller
SHADES = 2  # of 255, by which pixels may differ
_PICTURE = r"data:image/png;base64,[A-Za-z0-9+/=]+"
_NUMBER = r"(?<![\w.])[-\u2212]?\d+(?:\.\d+)?(?:e[-+]?\d+| e\u2212?\d+)?"
_PARTS = re.compile(f"({_PICTURE}|{_NUMBER})")
# Dictionaries are not problems: their look-up is, of words that attn translate makes vectors of.
_LOOK_UPS = {
    "french_english": "attn translate le chat est sous la table",
    "tennis": 'attn translate --context "I love tennis"',
}
_KEYS = {
    "french_english": "[le, chat, est, sous, la, table]",
    "tennis": "[I, I (before a vowel), love, play, tennis, tennis (loved), tennis (played)]",
}


def command(name: str) -> str:
    """Return the command that writes the page of a sample, without its output."""
    if name not in _LOOK_UPS:
        return f"attn compute samples/{name}.yaml"
    look_up = _LOOK_UPS[name].replace("translate", f"translate --dictionary samples/{name}.yaml", 1)
    words = _LOOK_UPS[name].partition("translate ")[2].removeprefix("--context ").strip('"')
    return (
        f"{look_up} --show q,k,v -f npz | attn compute - --score dot "
        f'--tokens "{words}" --set "key_tokens={_KEYS[name]}"'
    )


def _page(name: str) -> str:
    line = f"{command(name)} -f html"
    ran = run(line)
    if ran.status or not ran.output.startswith("<!doctype html>"):
        raise RuntimeError(f"{line}\nended with status {ran.status}:\n{ran.output}")
    return ran.output


def same(one: str, other: str) -> bool:
    """Return whether two pages show the same: the same text, near numbers and pixels."""
    pairs = zip_longest(_PARTS.split(one), _PARTS.split(other))
    return all(a == b or (a and b and _near(a, b)) for a, b in pairs)


def _near(one: str, other: str) -> bool:
    """Return whether two parts of pages are pictures, or numbers, that are nearly the same."""
    if re.fullmatch(_PICTURE, one) and re.fullmatch(_PICTURE, other):
        (shape, clear, pixels), (as_shape, as_clear, as_pixels) = _pixels(one), _pixels(other)
        return shape == as_shape and all(
            (a == clear) == (b == as_clear) and (a == clear or abs(a - b) <= SHADES)
            for a, b in zip(pixels, as_pixels, strict=True)
        )
    if re.fullmatch(_NUMBER, one) and re.fullmatch(_NUMBER, other):
        return isclose(_number(one), _number(other), rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return False


def _number(text: str) -> float:
    return float(text.replace("\u2212", "-").replace(" ", ""))


def _pixels(address: str) -> tuple[tuple[int, int], int | None, bytes]:
    """Return rows and columns, the level that is transparent, and the levels of a grey picture."""
    data, at, parts = b64decode(address.partition(",")[2]), 8, {}
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        parts[data[at + 4 : at + 8]] = data[at + 8 : at + 8 + length]
        at += 12 + length
    columns, rows = struct.unpack_from(">II", parts[b"IHDR"])
    lines = zlib.decompress(parts[b"IDAT"])
    clear = struct.unpack(">H", parts[b"tRNS"])[0] if b"tRNS" in parts else None
    levels = b"".join(
        lines[row * (columns + 1) + 1 : (row + 1) * (columns + 1)] for row in range(rows)
    )
    return (rows, columns), clear, levels


REPORTS: dict[str, Callable[[], str]] = {
    f"{FOLDER}/{name}.html": partial(_page, name) for name in samples()
}
