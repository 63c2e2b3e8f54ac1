"""Text -> words, by one simple rule.

The text is normalised to Unicode form NFC. A word is a run of letters, digits, marks and
underscores, with single apostrophes or hyphens allowed inside it: `ci-dessous`, `l'eau`, `___`.
All other characters - blanks, full stops, commas, quotation marks - separate words.
"""

from __future__ import annotations

INSIDE = "'’-‐‑"  # apostrophes and hyphens, straight and typographic
JOINERS = "\u200c\u200d"  # the zero-width (non-)joiner, a part of words in some scripts


def words_of(text: str, *, lower: bool = False) -> tuple[str, ...]:
    """Return the words of a text, in lower case if `lower` is set.

    >>> words_of("Qu'est-ce? L'eau, ___ 'ici'.")
    ("Qu'est-ce", "L'eau", '___', 'ici')
    """
    text = nfc(text.lower() if lower else text)
    words, start = [], None
    for at, character in enumerate(text):
        if _in_word(text, at, character):
            start = at if start is None else start
        elif start is not None:
            words.append(text[start:at])
            start = None
    if start is not None:
        words.append(text[start:])
    return tuple(words)


def nfc(text: str) -> str:
    """Return a text in the form in which one letter has one spelling."""
    if text.isascii():  # ASCII has one form, and needs no tables
        return text
    import unicodedata

    return unicodedata.normalize("NFC", text)


def _in_word(text: str, at: int, character: str) -> bool:
    if _of_word(character):
        return True
    between = character in INSIDE or character in JOINERS
    return between and 0 < at < len(text) - 1 and _of_word(text[at - 1]) and _of_word(text[at + 1])


def _of_word(character: str) -> bool:
    if character.isascii():
        return character.isalnum() or character == "_"
    import unicodedata

    return character.isalnum() or unicodedata.category(character).startswith("M")
