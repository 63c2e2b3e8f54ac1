"""Script and style without what only their readers need: comments, indentation, blanks."""

from __future__ import annotations

import re
from collections import Counter
from itertools import product
from string import ascii_letters

# Text that stays as it is: strings, templates, and regular expressions, which follow one of ( , =.
_TEXT = r""""(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`"""
_CLASS = r"\\.|\[(?:\\.|[^\]\\\n])*\]"
_PATTERN = rf"(?<=[(,=])\s*/(?:{_CLASS}|[^/\\\n*\[])(?:{_CLASS}|[^/\\\n\[])*/"
_PIECE = re.compile(rf"//[^\n]*|{_PATTERN}|{_TEXT}|[ \t]+|\n+|[\w$]+|\.\.\.|[^\s]", re.DOTALL)
_INSIDE = re.compile(r"\$\{([^}]*)\}")
ENDS = "\n;{,("  # a line that ends so goes on in the next one, or is a statement of its own
_WORD = re.compile(r"[\w$]")


def small_script(source: str) -> str:
    r"""Return a script without comments and blanks, its own names shortened, in few lines.

    >>> small_script("const name = b + 'x  y'; // why\n\n  f(name, `${name} name`);\n")
    "const a=b+'x  y';f(a,`${a} name`);"
    """
    pieces = _pieces(source)
    return _joined(_renamed(pieces, _names(source, "".join(pieces))))


def _pieces(source: str) -> list[str]:
    return [found[0] for found in _PIECE.finditer(source) if not found[0].startswith("//")]


def _joined(pieces: list[str]) -> str:
    """Return the pieces in one, with the blanks that are needed."""
    kept: list[str] = []
    for at, piece in enumerate(pieces):
        if not piece.isspace():
            kept.append(piece.strip(" "))
            continue
        before = kept[-1][-1:] if kept else "\n"
        after = pieces[at + 1][:1] if at + 1 < len(pieces) else "\n"
        if "\n" in piece and before not in ENDS:
            kept.append("\n")
        elif "\n" not in piece and before != "\n" and _needed(before, after):
            kept.append(" ")
    return "".join(kept).strip()


def _needed(before: str, after: str) -> bool:
    """Return whether a blank is needed between two characters."""
    words = _WORD.match(before) is not None and _WORD.match(after) is not None
    return words or (before == after and after in "+-")


def _names(source: str, code: str) -> dict[str, str]:
    """Return name -> a short one, for variables, functions and parameters of the code.

    Not for names that members have too, or keys of objects: they may be read from data.
    """
    declared = re.findall(r"\b(?:function|const|let) (\w+)|(\w+) =>", code)
    listed = re.findall(
        r"function \w*\(([\w, ]*)\)|\(([\w, ]*)\) =>|(?:const|let) \[([\w, ]*)\]", code
    )
    ours = [name for found in declared for name in found if name]
    ours += re.findall(r"\w+", " ".join(name for found in listed for name in found))
    members = set(re.findall(r"(?<!\.\.)\.(\w+)|(\w+)\s*:", code))
    members |= {(name, "") for group in re.findall(r"(?<!\$)\{([^{};()=]*)\}", code)
                for name in re.findall(r"\w+", group)}  # fmt: skip
    members |= {
        (name, "")
        for name in re.findall(r"^\s+(?!if|for|while|switch)(\w+)\(.*\) \{$", code, re.MULTILINE)
    }
    taken = {name for found in members for name in found}
    count = Counter(re.findall(r"[\w$]+", source))
    letters = [*ascii_letters, *map("".join, product(ascii_letters, repeat=2))]
    free = (name for name in letters if name not in count)
    often = sorted(set(ours), key=lambda name: (-count[name], name))
    return {name: next(free) for name in often if name not in taken and len(name) > 1}


def _renamed(pieces: list[str], names: dict[str, str]) -> list[str]:
    """Return the pieces with short names, also those within templates."""
    found, before = [], ""
    for piece in pieces:
        if piece.startswith("`"):
            found.append(_INSIDE.sub(lambda m: f"${{{_within(m[1], names)}}}", piece))
        else:
            found.append(piece if before == "." else names.get(piece, piece))
        before = piece if not piece.isspace() else before
    return found


def _within(source: str, names: dict[str, str]) -> str:
    return _joined(_renamed(_pieces(source), names))


def small_style(source: str) -> str:
    """Return a style without the blanks around its signs.

    >>> small_style("a > b {\\n  color: red; top: calc(1px + 2px);\\n}\\n")
    'a>b{color:red;top:calc(1px + 2px)}'
    """
    text = re.sub(r"\s+", " ", source)
    text = re.sub(r" ?([{};,>]) ?|: (?=[^{}]*[;}])", lambda m: m[1] or ":", text)
    return text.replace(";}", "}").strip()
