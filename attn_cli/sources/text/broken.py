"""Text that is not YAML: the fault in it, in our own words.

The messages and the limits of a YAML library change with its version. Only the place where it stops
is taken from it; the fault follows from the text and from the collections that are open there.
"""

from __future__ import annotations

import re
from typing import Any

from attn_cli.dataclass import dataclass

LONGEST_KEY = 1024  # YAML 1.2, section 7.4.2
GENERAL = "check brackets, quotes, colons and indentation at and before this place"
LINE_ENDS = "\r\n|[\n\r\x85\u2028\u2029]"  # those of YAML 1.1
MARK = "\ufeff"  # of byte order
# The following are compiled for texts that are broken: the first takes 5 ms.
# Characters that YAML 1.1 does not allow (section 5.1).
_FOREIGN = "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
# A parser may skip it at the beginning of a line, and then miscounts the rest.
_LATE_MARK = f"(?:^|[\n\r\x85\u2028\u2029]){MARK}"


@dataclass(frozen=True)
class Mark:
    """A place in a text, counted from 0 as in the library."""

    index: int
    line: int
    column: int


@dataclass(frozen=True)
class Fault:
    """A fault: a message, its place, and advice."""

    message: str
    mark: Any
    help: str = GENERAL


def foreign(text: str) -> Fault:
    """Return the fault of a text with a character that YAML does not have."""
    match = re.search(_FOREIGN, text)
    return Fault(
        "control characters are not allowed",
        _mark(text, match.start() if match else 0),
        "remove the character, or write it as an escape in double quotes",
    )


def late_mark(text: str) -> Fault | None:
    """Return the fault of a byte order mark that is not at the start of the file, or None."""
    match = re.search(_LATE_MARK, text) if MARK in text else None
    if match is None:
        return None
    return Fault(
        "a byte order mark (U+FEFF) begins this line",
        _mark(text, match.end() - 1),
        "remove it; one is allowed only at the very beginning of a file",
    )


def _mark(text: str, index: int) -> Mark:
    before = re.split(LINE_ENDS, text[:index])
    return Mark(index, len(before) - 1, len(before[-1]))


def readable(text: str, mark: Any, context: Any) -> int:
    """Return the number of readable characters: up to `mark`, or to the quotes around it."""
    return int(context.index if _quoting(text, mark, context) else mark.index)


def _quoting(text: str, mark: Any, context: Any) -> bool:
    """Whether the current token is in quotes."""
    if context is None or context.index >= mark.index:
        return False
    return text[context.index] in {"'", '"'}


def fault(text: str, mark: Any, context: Any, opened: list[Any]) -> Fault:
    """Return the fault of a text that cannot be read beyond `mark`.

    `context` is the start of the current token, or None; `opened` are the events of the open
    collections, the innermost last, or of the whole if it has ended.
    """
    return (
        _in_a_token(text, mark, context)
        or _without_colon(text, mark, context, opened)
        or _between_tokens(text, mark, opened)
    )


def _without_colon(text: str, mark: Any, context: Any, opened: list[Any]) -> Fault | None:
    """Return the fault of a line of a block mapping that has no colon; it is found on the next."""
    flow = bool(opened) and opened[-1].flow_style
    if context is None or context.line >= mark.line or flow:
        return None
    line = re.split(LINE_ENDS, text[context.index : mark.index])[0]
    if not line.strip() or re.search(r":(\s|$)", line) or line.startswith(("- ", "? ", "[", "{")):
        return None
    return Fault(
        "this line has no ':'", context, "write 'key: value', with a blank after the colon"
    )


def _in_a_token(text: str, mark: Any, context: Any) -> Fault | None:
    """Return the fault of an invalid token, or None for a valid one in the wrong place."""
    rest = text[mark.index :]
    began = text[context.index : context.index + 1] if context is not None else ""
    found = None
    if _quoting(text, mark, context):
        found = _in_quotes(rest, mark, context)
    elif began in ("*", "&", "!"):
        found = Fault("anchors, aliases and tags are not read", context, "write the plain value")
    elif (began == "%" and context.column == 0) or (rest.startswith("%") and mark.column == 0):
        found = Fault("this directive with '%' is not read", mark, "remove the line")
    elif rest.startswith("\t"):
        found = Fault("a tab is not allowed here, only blanks", mark, "indent with blanks")
    elif rest.startswith(("@", "`", "%")):
        found = Fault(f"a word cannot begin with '{rest[0]}'", mark, "put the word in quotes")
    elif began in ("|", ">") and context.line == mark.line:
        found = Fault(f"only the end of the line may follow '{began}'", mark)
    return found


def _in_quotes(rest: str, mark: Any, context: Any) -> Fault:
    """Return the fault inside quotes: they are not closed, or hold an unknown escape."""
    if not rest.strip() or (mark.column == 0 and rest.startswith(("---", "..."))):
        return Fault("the quotes that open here are not closed", context, "close the quotes")
    return Fault(
        "YAML has no such escape", mark, r"write a backslash as '\\', or use single quotes"
    )


def _between_tokens(text: str, mark: Any, opened: list[Any]) -> Fault:
    """Return the fault of a valid token in the wrong place."""
    rest = text[mark.index :]
    inner = opened[-1] if opened else None
    if rest.startswith(":") and _long_key(text[: mark.index]):
        found = Fault(f"a key has at most {LONGEST_KEY} characters", mark, "shorten the key")
    elif inner is not None and inner.flow_style and rest.startswith(";"):
        found = Fault(
            "';' does not separate rows", mark, "write ',' between them: [[1, 0], [0, 1]]"
        )
    elif inner is not None and inner.flow_style:
        found = Fault(_in_brackets(rest, inner), mark)
    elif rest.startswith(("]", "}")):
        found = Fault(f"'{rest[0]}' closes nothing", mark)
    elif rest.startswith(":"):
        advice = "indent all keys of a mapping alike; put a value that holds ': ' in quotes"
        found = Fault("a key with ':' is not allowed here", mark, advice)
    elif inner is None:
        found = Fault("this cannot be read here", mark)
    elif rest.strip() and re.split(LINE_ENDS, text[: mark.index])[-1].strip():
        advice = "remove what follows, or put the whole value in quotes"
        found = Fault("the value ends before this place", mark, advice)
    elif type(inner).__name__ == "SequenceStartEvent":
        found = Fault("an item that begins with '- ' is expected here", mark)
    else:
        found = Fault("a key is expected here, as in 'key: value'", mark)
    return found


def _long_key(before: str) -> bool:
    """Whether a text ends in a key that is too long without '? ' before it."""
    return len(re.split(r"[\n,{\[]", before[-2 * LONGEST_KEY :])[-1]) > LONGEST_KEY


def _in_brackets(rest: str, inner: Any) -> str:
    """Return the message for a fault between the brackets or braces of a list or mapping."""
    listed = type(inner).__name__ == "SequenceStartEvent"
    what, end = ("list", "]") if listed else ("mapping", "}")
    if rest.startswith(","):
        return "a value is missing before ','"
    at = inner.start_mark
    begun = f"the {what} that begins at line {at.line + 1}, column {at.column + 1}"
    if not rest.strip():
        return f"{begun} is not closed: '{end}' is missing"
    return f"{begun} needs ',' or '{end}' here"
