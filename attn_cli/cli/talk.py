"""Messages on standard error: errors, warnings and notes."""

from __future__ import annotations

import sys

# What lines of talk begin with, and its colour on a terminal: of the first 16, which every terminal
# has, and whose users choose what can be read on their ground.
BOLD, RED, MAGENTA, RESET = "\x1b[1m", "\x1b[1;31m", "\x1b[1;35m", "\x1b[0m"
HEADS = {"error": RED, "help": BOLD, "warning": MAGENTA, "note": BOLD}


def say(text: str) -> None:
    """Print a message; do nothing if standard error is closed or cannot be written.

    The exit status does not depend on whether the message was printed.
    """
    if sys.stderr is None:
        return
    try:
        columns = terminal_columns()
        shown = text if columns is None else wrapped(text, columns)
        print(_coloured(shown), file=sys.stderr, flush=True)
    except (OSError, ValueError):
        abandon(sys.stderr.fileno())


class _Colour:
    """Whether talk has colours: `when` is what --color says."""

    when = "auto"


def set_colour(when: str) -> None:
    """Set when talk has colours: `auto`, `always` or `never`."""
    _Colour.when = when if when in {"always", "never"} else "auto"


def _coloured(text: str) -> str:
    """Return talk in the colours of a terminal, if standard error has any."""
    import os

    from attn_cli.cli.terminal import wants_colour

    if not wants_colour(_Colour.when, os.environ, terminal=sys.stderr.isatty()):
        return text
    return "\n".join(map(_coloured_line, text.split("\n")))


def _coloured_line(line: str) -> str:
    """Return a line with its head in colour; the caret below a quoted line, and a failed check too.

    >>> _coloured_line("error: no")
    '\\x1b[1;31merror:\\x1b[0m no'
    """
    head, colon, rest = line.partition(": ")
    if colon and head in HEADS:
        return f"{HEADS[head]}{head}:{RESET} {rest}"
    if colon and head.startswith("check ") and rest.startswith("no, "):
        return f"{RED}{line}{RESET}"
    margin, bar, caret = line.partition("|")
    if bar and not margin.strip() and caret.strip() == "^":
        return f"{margin}|{caret[:-1]}{RED}^{RESET}"
    return line


def terminal_columns() -> int | None:
    """Return the width of standard error in columns; None if it is not a terminal."""
    import os

    if sys.stderr is None or not sys.stderr.isatty():
        return None
    try:
        named = int(os.environ.get("COLUMNS", "0"))
        return named or os.get_terminal_size(sys.stderr.fileno()).columns or None
    except (OSError, ValueError):
        return None


def wrapped(text: str, columns: int) -> str:
    """Return a text with long lines broken at blanks and indented by the width of `error: `.

    Indented lines, such as a quoted line with its caret, stay as they are; but not the place of an
    error, which can repeat a long option.
    """
    import textwrap

    lines = []
    for line in text.split("\n"):
        margin, arrow, _ = line.partition("--> ")
        is_place = bool(arrow) and not margin.strip()
        if len(line) <= columns or (line.startswith(" ") and not is_place):
            lines.append(line)
            continue
        head, colon, _ = line.partition(": ")
        indent = " " * (len(head) + 2) if colon and head in HEADS else ""
        if is_place:
            indent = " " * len(margin + arrow)
        lines += textwrap.wrap(
            line,
            columns,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "\n".join(lines)


def abandon(descriptor: int) -> None:
    """Redirect a descriptor to /dev/null: Python would flush its buffer at exit, and fail."""
    import os

    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
