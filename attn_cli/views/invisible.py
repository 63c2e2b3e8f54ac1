"""Invisible characters that act on the program that shows them: a terminal, a picture, an editor.

Control characters (ESC begins sequences that move the cursor or set the title), marks of
direction, joiners of zero width, separators of lines and halves of surrogate pairs: the Unicode
categories Cc, Cf, Zl, Zp and Cs.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_SUSPECT = re.compile(r"[^\x20-\x7e]")  # other texts are not examined: most are numbers
# Joiners: without them, some scripts and emoji are drawn differently.
_JOINED = re.compile("(?<=[^\0-\x7f\u200b-\u200f])([\u200c\u200d])(?=[^\0-\x7f\u200b-\u200f])")
_CATEGORIES = ("Cc", "Cf", "Zl", "Zp", "Cs")


def backslashed(character: str) -> str:
    r"""Return a character as an escape of Python.

    >>> backslashed("\x1b"), backslashed("\u202e")
    ('\\x1b', '\\u202e')
    """
    return character.encode("unicode_escape").decode()


def made_visible(
    text: str, *, kept: str = "\n\t", escape: Callable[[str], str] = backslashed
) -> str:
    r"""Return text with escapes for what is invisible, except for the characters that are kept.

    >>> made_visible("caf\u00e9\x1b]0;title\x07\u200b\n")
    'café\\x1b]0;title\\x07\\u200b\n'
    """
    from unicodedata import category

    def shown(match: re.Match[str]) -> str:
        character = match[0]
        harmless = character in kept or category(character) not in _CATEGORIES
        return character if harmless else escape(character)

    return _SUSPECT.sub(shown, text)


def drawable(label: str) -> str:
    r"""Return a label with escapes for characters that no picture can show; line ends stay.

    >>> drawable("a\x1b")
    'a\\x1b'
    """
    parts = _JOINED.split(label.replace("\r\n", "\n"))  # every second one is a joiner
    text = "".join(
        part if at % 2 else made_visible(part, kept="\n") for at, part in enumerate(parts)
    )
    return "".join(backslashed(c) if ord(c) & 0xFFFE == 0xFFFE else c for c in text)  # not XML
