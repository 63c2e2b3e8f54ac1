"""Characters that nobody sees and that act on what shows them: a terminal, a picture, an editor.

Those of control (ESC begins what moves the cursor or sets the title), marks of direction and what
joins or parts letters without a width, separators of lines, halves of surrogate pairs: the Unicode
categories Cc, Cf, Zl, Zp and Cs.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_SUSPECT = re.compile(r"[^\x20-\x7e]")  # others are never looked at: most text is numbers
_CATEGORIES = ("Cc", "Cf", "Zl", "Zp", "Cs")


def backslashed(character: str) -> str:
    r"""Return a character as an escape of Python's.

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
