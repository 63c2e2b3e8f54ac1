r"""LaTeX of formulas between dollars in Markdown.

Jupyter keeps what is between dollars as it is. GitHub first reads it as Markdown, which removes the
backslash before a punctuation character, takes `}_{` for the beginning of emphasis, and does not
know `\operatorname`. So only commands of letters are written, and no `_` can begin emphasis:

    \,                   \thinspace
    \\                   \cr
    x_{q}                x_ {q}
    present\_key         present\underline{\ }key
    \operatorname{f}     \mathop{\mathrm{f}}

Inside `\text` only the characters of a token need an escape; they are written in full width.
"""

from __future__ import annotations

import re

_IN_MATH = {
    r"\\": r"\cr",
    r"\,": r"\thinspace",
    r"\;": r"\thickspace",
    r"\!": r"\negthinspace",
    r"\_": r"\underline{\ }",
    r"\{": r"\lbrace",
    r"\}": r"\rbrace",
    "_": "_ ",
    "*": r"\ast",
    "](": "] (",
}
_TEXT = re.compile(r"\\text\{((?:[^{}\\]|\\[^a-z]|\\text[a-z]+\{\})*)\}")
_ESCAPES = re.compile(r"\\\\|\\[,;!_{}]|_|\*|\]\(")
_OPERATOR = re.compile(r"\\operatorname\{([^{}]+)\}")
_NAMED = {r"\textbackslash{}": "\\", r"\textasciitilde{}": "~", r"\textasciicircum{}": "^"}
_IN_TEXT = re.compile(r"\\text[a-z]+\{\}|\\?[\\{}$&#_%~^*`\[\]<>|]")
_FULL_WIDTH = 0xFEE0  # from a character to its form in full width


def between_dollars(latex: str) -> str:
    r"""Return the LaTeX of a formula for Markdown, with its dollars.

    >>> between_dollars(r"K_{\mathrm{new}}^{\top} \, V")
    '$K_ {\\mathrm{new}}^{\\top} \\thinspace V$'
    >>> between_dollars(r"\text{row 1 ('a\_b') of }Q")
    "$\\text{row 1 ('a＿b') of }Q$"
    """
    pieces = _TEXT.split(latex)
    for at, piece in enumerate(pieces):
        pieces[at] = rf"\text{{{_IN_TEXT.sub(_wide, piece)}}}" if at % 2 else _math(piece)
    return f"${''.join(pieces)}$"


def _math(latex: str) -> str:
    """Return a part in math mode."""
    plain = _OPERATOR.sub(r"\\mathop{\\mathrm{\1}}", latex)
    return _ESCAPES.sub(lambda found: _command(found, plain), plain)


def _command(found: re.Match[str], latex: str) -> str:
    """Return what is written in place of a character; a letter after a command needs a blank."""
    written = _IN_MATH[found[0]]
    behind = latex[found.end() : found.end() + 1]
    return f"{written} " if written[-1].isalpha() and behind.isalpha() else written


def _wide(found: re.Match[str]) -> str:
    """Return a character of a token in full width."""
    character = _NAMED.get(found[0], found[0][-1])
    return chr(ord(character) + _FULL_WIDTH)
