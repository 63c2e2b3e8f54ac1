"""Typing errors that change the meaning of a text to YAML, reported at their own place.

A key without a blank after its colon, or with `=` for it, is a word to YAML, which reports an
error further down, or none.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

from attn_cli.sources.text.meant import SYNONYMS

_ALWAYS = (*SYNONYMS, "function", "output", "pairs", "file")
_GLUED = re.compile(r"^([ ]*(?:- )?)(\w+):(?=[^\s:/\\])", re.MULTILINE)
_EQUALS = re.compile(r"^([ ]*)(\w+) *=(?!=) *(?=\S)", re.MULTILINE)


class Slip(NamedTuple):
    """A typing error: a message, its offset in the text, and advice."""

    message: str
    offset: int
    help: str


def slip(text: str, keys: Collection[str]) -> Slip | None:
    """Return the first slip in a text that could not be read as a mapping, None if none is found.

    Counted are only words that are among `keys`, or that precede a bracket or a number.
    """
    found = []
    known = {*keys, *_ALWAYS}
    for match in _GLUED.finditer(text):
        following = text[match.end()]
        if match[2] in known or following in "[{" or following.isdigit():
            found.append(glued(match[2], match.end(2), text[match.end() :]))
    for match in _EQUALS.finditer(text):
        if match[2] in known:
            value = _start(text[match.end() :])
            found.append(
                Slip(
                    f"'{match[2]}' has '=' and no colon",
                    text.index("=", match.end(2)),
                    f"write '{match[2]}: {value}'",
                )
            )
    return min(found, key=lambda each: each.offset, default=None)


def glued(key: str, offset: int, value: str) -> Slip:
    """Return the slip of a key whose value follows its colon without a blank."""
    message = f"a space is missing after the colon of '{key}'"
    return Slip(message, offset, f"write '{key}: {_start(value)}'")


def _start(value: str) -> str:
    """Return the beginning of a value, for an example."""
    line = value.partition("\n")[0].rstrip()
    return line if len(line) <= 30 else f"{line[:27]}..."
