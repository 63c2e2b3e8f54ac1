"""Tokens as labels in a picture: on one line, clipped, and how wide they can become.

The font is that of the viewer, so a width is an estimate that is rather too large.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from attn_cli.views.cells import cell_width
from attn_cli.views.invisible import drawable
from attn_cli.views.pictures import svg

COLUMNS = 24  # of a label; longer ones are clipped
IN_TITLE = 100  # columns of a label in a title
MORE = "…"
EM = 0.61  # the width of a column of the monospaced fonts, in units of their size
_WIDE = 0.65  # a column of Chinese characters, or of an emoji
MARKS = 2  # above or below a letter


def one_line(label: str) -> str:
    r"""Return a label on one line, with what cannot be seen written out.

    >>> one_line("a\n\x1b")
    'a\\n\\x1b'
    """
    return drawable(label).replace("\n", "\\n")


def width(text: str, size: float) -> float:
    """Return about how many pixels a text takes, in a font of that size."""
    if text.isascii():
        return len(text) * EM * size
    return sum(_ems(text)) * size


def _ems(text: str) -> Iterator[float]:
    """Yield the width of each character; other scripts than Latin, Greek, Cyrillic vary most.

    A font that lacks a mark draws it beside its letter, so of many marks all but two have a width.
    """
    marks = 0
    for character in text:
        columns = cell_width(character)
        marks = 0 if columns else marks + 1
        if not columns:
            yield EM if marks > MARKS else 0.0
        elif character < "\u0530" or "\u2000" <= character < "\u2c00":
            yield columns * (EM if columns < 2 else _WIDE)
        else:
            yield max(1.0, columns * _WIDE)


def clipped(text: str, columns: int = COLUMNS) -> str:
    """Return a text of at most so many columns; if it was longer, with … at its end.

    >>> clipped("abcdefgh", 5)
    'abcd…'
    """
    if width(text, 1) <= columns * EM:
        return text
    room, end = (columns - 1) * EM + 1e-9, 0
    for em in _ems(text):
        room -= em
        if room < 0:
            break
        end += 1
    return text[:end] + MORE


def shortened(label: str) -> str:
    """Return a label as it is drawn: on one line, clipped."""
    return clipped(one_line(label))


def token(label: str, x: float, y: float, **attributes: svg.Value) -> str:
    """Return the text of a token; if it is clipped, its title is the whole."""
    whole = one_line(label)
    return svg.text(clipped(whole), x, y, whole=whole, **attributes)


def names(labels: Sequence[str], positions: Sequence[int]) -> list[str]:
    """Return what titles call tokens: a word that occurs twice has its position.

    >>> names(["a", "b", "a"], [0, 1, 2])
    ['a (0)', 'b', 'a (2)']
    """
    found = [in_title(label) for label in labels]
    count = Counter(found)
    return [
        f"{name} ({position})" if count[name] > 1 else name
        for name, position in zip(found, positions, strict=True)
    ]


def in_title(label: str) -> str:
    """Return a label for a sentence: letters from right to left do not reverse the rest.

    >>> in_title("cat"), in_title("א") == "\u2068א\u2069"
    ('cat', True)
    """
    text = clipped(one_line(label), IN_TITLE)
    if text.isascii():
        return text
    from unicodedata import bidirectional

    turned = any(bidirectional(character) in {"R", "AL", "AN"} for character in text)
    return f"\u2068{text}\u2069" if turned else text
