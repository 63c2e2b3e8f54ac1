"""The one exception for wrong usage or bad input, and the exit statuses.

Code that finds a fault raises `AttnError` with a message, the key path, and advice. The reader of
the document adds file, line and column; the command line prints it, once. Options of the command
line are arguments in Python: texts name both (`argument`), and each surface shows its own.
Any other exception is a bug of ours and stays a traceback.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum, unique

from attn_cli.dataclass import dataclass

Path = tuple[str | int, ...]


@unique
class ExitStatus(IntEnum):
    """The exit status of the process."""

    DONE = 0
    NO = 1  # the answer is no: values differ from the expected ones
    BAD = 2  # wrong usage or bad input
    UNDECIDED = 3  # no verdict is possible
    HUNG_UP = 129  # 128 + SIGHUP: the terminal went away
    INTERRUPTED = 130  # 128 + SIGINT
    TERMINATED = 143  # 128 + SIGTERM
    PIPE_CLOSED = 141  # 128 + SIGPIPE: the reader went away


@dataclass(frozen=True)
class Where:
    """The place of a fault: a file or option, line and column (both from 1), the quoted line."""

    file: str | None = None
    line: int | None = None
    column: int | None = None
    text: str | None = None


class PipeClosed(Exception):  # noqa: N818
    """The reader of standard output closed it: not a failure, so nothing is printed."""


class AttnError(Exception):
    """Wrong usage or bad input.

    `message` describes the fault and what was expected, `path` is the key path in the problem
    (`at_key`: the key itself is at fault, not its value), `help` is advice.
    """

    def __init__(
        self,
        message: str,
        *,
        path: Path = (),
        at_key: bool = False,
        where: Where | None = None,
        help: str | None = None,
    ) -> None:
        self.message = in_python(message)
        super().__init__(self.message)
        self.path = path
        self.at_key = at_key
        self.where = where
        self.help = None if help is None else in_python(help)

    def __str__(self) -> str:
        return self._lines(self.message, self.help)

    def report(self, columns: int | None = None) -> str:
        """Return the lines for a terminal: error, place, quoted line with caret, help.

        The quoted line is cut to the terminal's columns. Arguments are written as options.
        """
        advice = None if self.help is None else on_the_command_line(self.help)
        return f"error: {self._lines(on_the_command_line(self.message), advice, columns)}"

    def _lines(self, message: str, advice: str | None, columns: int | None = None) -> str:
        parts = (_cut(printable(message)), self._place(columns), _advice(advice))
        return "\n".join(part for part in parts if part)

    def as_document(self) -> dict[str, object]:
        """Return the value of `error` in a JSON document of the command line."""
        where = self.where or Where()
        return {
            "message": on_the_command_line(self.message),
            "file": where.file,
            "line": where.line,
            "column": where.column,
            "path": dotted(self.path) or None,
            "help": None if self.help is None else on_the_command_line(self.help),
        }

    def _place(self, columns: int | None = None) -> str:
        where = self.where
        if where is None or where.file is None:
            return ""
        place = (_cut(printable(where.file)), where.line, where.column)
        head = ":".join(str(part) for part in place if part is not None)
        if where.text is None or where.line is None or where.column is None:
            return f"  --> {head}"
        margin = len(str(where.line)) + 1
        room = _WIDTH if columns is None else min(_WIDTH, max(columns - margin - 3, _LEAST))
        text, column = _window(where.text, where.column, room)
        blank = f"{'':{margin}} |"
        return "\n".join(
            (
                f"{'':{margin}}--> {head}",
                blank,
                f"{where.line:>{margin}} | {text}",
                f"{blank} {_indent(text, column)}^",
            )
        )


def _advice(text: str | None) -> str:
    if not text:
        return ""
    return "help: " + "\n".join(_cut(printable(line)) for line in text.split("\n"))


def argument(name: str, value: str = "") -> str:
    """Return a mention of an argument: `--batch 5` on the command line, `batch=5` in Python.

    `name` is the option's, and `value` is written as a shell needs it.

    >>> str(AttnError(f"{argument('query-token')} 7 is too large"))
    'query_token 7 is too large'
    >>> AttnError(f"write {argument('memory', '2G')}").report()
    'error: write --memory 2G'
    """
    plain = name.replace("-", "_")
    python = _IN_PYTHON.get(plain, plain)
    bare = value.strip("'")
    quoted = bare if bare.isdecimal() else f"'{bare}'"
    return either(f"--{name} {value}".rstrip(), f"{python}={quoted}" if value else python)


def either(command_line: str, python: str) -> str:
    """Return a part of a text that differs between the command line and Python."""
    return f"{_BEGIN}{command_line}{_OR}{python}{_END}"


class Text(str):
    """A text as Python shows it, which also holds the text for the command line."""

    marked: str


def in_python(text: str) -> str:
    """Return a text in which arguments have their names in Python."""
    if _BEGIN not in text:
        return text
    joined = Text(_chosen(text, 1))
    joined.marked = text
    return joined


def for_both(text: str) -> str:
    """Return the message or help of an error for use in another's, in both forms."""
    return text.marked if isinstance(text, Text) else text


def on_the_command_line(text: str) -> str:
    """Return the message or help of an error with options in place of arguments."""
    return _chosen(for_both(text), 0)


def _chosen(text: str, which: int) -> str:
    first, *others = text.split(_BEGIN)
    for other in others:
        names, end, rest = other.partition(_END)
        both = names.split(_OR)
        # A name that the text quotes may contain such a character.
        first += f"{both[which]}{rest}" if end and len(both) == 2 else other
    return first


_IN_PYTHON = {"memory": "memory_limit", "only": "steps", "show": "steps"}
_BEGIN, _OR, _END = "\ue000", "\ue001", "\ue002"  # for private use: no text has them


def dotted(path: Path) -> str:
    """Return a key path as text for messages.

    >>> dotted(("weights", "key", 2, 0))
    'weights.key[2][0]'
    """
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{printable(part)}" if text else part
    return text


def nearest(word: str, known: Iterable[str], *, cutoff: float = 0.7) -> str | None:
    """Return the known word that is meant by `word`, or None if none is near.

    That is the only one that begins with `word`, or the only one that contains it, if `word` has
    three letters or more; or else the one with the closest spelling. Case is ignored, and `-`
    equals `_`.
    """
    import difflib

    names = {folded(name): name for name in reversed(list(known))}
    wanted = folded(word)
    if len(wanted) >= 3:
        for matches in (
            [name for name in names if name.startswith(wanted)],
            [name for name in names if wanted in name],
        ):
            if len(matches) == 1:
                return names[matches[0]]
    matches = difflib.get_close_matches(wanted, names, 1, cutoff)
    return names[matches[0]] if matches else None


def folded(name: str) -> str:
    """Return a name in the form in which names are compared.

    >>> folded("Attention-Mask")
    'attention_mask'
    """
    return name.casefold().replace("-", "_")


def did_you_mean(
    word: str,
    known: Iterable[str],
    *,
    what: str,
    meant: Mapping[str, str] | None = None,
    listed: bool = False,
) -> str:
    """Return the advice for an unknown name: the likely name, or else the list of all.

    `meant` maps other names, in the form of `folded`, to the right ones; its values may be more
    than a name. With `listed`, the list follows even if a likely name is found.
    """
    names = list(known)
    near = (meant or {}).get(folded(word)) or nearest(word, names)
    everything = f"{what}: {', '.join(names)}"
    if not near:
        return everything
    return f"did you mean '{near}'? {everything}" if listed else f"did you mean '{near}'?"


def printable(text: str) -> str:
    r"""Return text in which no character can move the cursor or colour a terminal.

    >>> printable("a\x1b[31m\n")
    'a\\x1b[31m\\n'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _cut(text: str) -> str:
    """Return a text that may quote user input, cut to a readable length."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


_LONGEST = 2000  # characters
_WIDTH = 76  # characters of a quoted line that are shown
_LEAST = 24  # of those, on the narrowest terminal


def _window(line: str, column: int, room: int = _WIDTH) -> tuple[str, int]:
    """Cut a long line around the column; return it and the column within it.

    Two fifths of the `room` characters are before the fault.
    """
    line = "".join(" " if c == "\t" else c if c.isprintable() else "?" for c in line)
    start = 0
    if column > room - 8:
        start = column - 1 - 2 * room // 5
        line, column = "..." + line[start:], column - start + 3
    if len(line) > room:
        line = line[: room - 3] + "..."
    return line, column


def _indent(text: str, column: int) -> str:
    """Return blanks as wide as the text before the column: wide characters take two cells."""
    if text.isascii():
        return " " * (column - 1)
    import unicodedata

    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text[: column - 1])
    none = sum(unicodedata.combining(c) > 0 for c in text[: column - 1])
    return " " * (column - 1 + wide - none)
