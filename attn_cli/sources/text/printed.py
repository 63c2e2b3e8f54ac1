"""Matrices as NumPy prints them, `[[1. 0.]` newline ` [0. 1.]]`: with blanks for commas.

Nothing is guessed: brackets without any comma, with blanks between the numbers, have only one
meaning.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_GROUP = re.compile(r"\[[\s\d.+\-eEinfa\[\]]*\]")  # brackets, numbers, inf and nan, no comma
_ITEM = re.compile(r"[^\s\[\]]+")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+|inf)|nan|\.\.\.")
_BETWEEN = re.compile(r"(?<=[\w.\]])\s+(?=[\[\w.+\-])")
_WORDS = re.compile(r"(?:tokens|sequences|vocabulary)\W*$")  # keys of lists of words
NOTE = "put commas between them, or keep all digits with numpy.save"


class Printed(NamedTuple):
    """A text with commas put into matrices as NumPy prints them, and the first line of each."""

    text: str
    lines: tuple[int, ...]


def with_commas(text: str) -> Printed | None:
    """Return the text with commas in matrices as NumPy prints them, None if there are none.

    Lines and columns do not change: a comma replaces a blank, or is put at the end of a line.
    """
    parts, lines, at = [], [], 0
    for match in _GROUP.finditer(text):
        group = match[0]
        line = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
        numbers = all(map(_NUMBER.fullmatch, _ITEM.findall(group)))
        balanced = group.count("[") == group.count("]")
        if not (numbers and balanced and _BETWEEN.search(group)) or _WORDS.search(line):
            continue
        parts += [text[at : match.start()], _BETWEEN.sub(_comma, group)]
        lines.append(text.count("\n", 0, match.start()) + 1)
        at = match.end()
    return Printed("".join([*parts, text[at:]]), tuple(lines)) if lines else None


def _comma(match: re.Match[str]) -> str:
    blank = match[0]
    return f",{blank[1:]}" if blank[0] in " \t" else f",{blank}"
