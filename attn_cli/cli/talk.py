"""Talk: warnings and errors, on standard error and nowhere else."""

from __future__ import annotations

import sys

HEADS = ("error", "help", "warning", "note")  # what lines of talk begin with


def say(text: str) -> None:
    """Print a line of talk; if standard error is closed or cannot be written it goes unsaid.

    The exit status is that of the answer, whether or not somebody listens.
    """
    if sys.stderr is None:
        return
    try:
        columns = terminal_columns()
        shown = text if columns is None else wrapped(text, columns)
        print(shown, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        abandon(sys.stderr.fileno())


def terminal_columns() -> int | None:
    """Return how wide standard error is, None if it is no terminal."""
    import os

    if sys.stderr is None or not sys.stderr.isatty():
        return None
    try:
        named = int(os.environ.get("COLUMNS", "0"))
        return named or os.get_terminal_size(sys.stderr.fileno()).columns or None
    except (OSError, ValueError):
        return None


def wrapped(text: str, columns: int) -> str:
    """Return a text whose long lines are parted at blanks, behind the width of `error: `.

    Lines that are indented are drawn as they are: a quoted line with its caret, a picture; not the
    place of an error, which may repeat an option.
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
    """Send what is still buffered nowhere: Python would try again at exit, and complain."""
    import os

    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
