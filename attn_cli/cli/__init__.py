"""The command line: joins reading, computing and showing, and turns failures into exit statuses."""

from __future__ import annotations

import gc
import os
import re
import sys
from collections.abc import Callable
from typing import NoReturn

from attn_cli.cli.talk import say, set_colour, terminal_columns
from attn_cli.errors import AttnError, ExitStatus, PipeClosed


def entry() -> NoReturn:
    """Run the command line of this process and leave it with the exit status."""
    _hold_standard_descriptors()
    _hold_blas()
    # What a start makes stays: Python would look for garbage in it a hundred times.
    gc.set_threshold(100_000)
    from attn_cli.cli.signals import end_commands_by_signals

    status = main(sys.argv[1:], end_commands_by_signals)
    # At exit Python looks for garbage among all that was ever imported, which takes as long as the
    # computation of a small problem. Everything is written and closed; the memory goes as a whole.
    gc.freeze()
    sys.exit(status)


def _hold_standard_descriptors() -> None:
    """Have 0, 1 and 2 stand for nothing if they are closed.

    A file that we open would get such a number, and with it whatever is said on standard error.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free


def _hold_blas() -> None:
    """Have NumPy's library for products use one thread, as our own tiles bring theirs.

    Works before NumPy is imported, and leaves alone what the user has set.
    """
    for library in ("OPENBLAS", "MKL", "OMP", "VECLIB_MAXIMUM"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")


def main(arguments: list[str], begin: Callable[[], None] = lambda: None) -> int:
    """Run one command line; every failure that is the user's to mend is shown here, once.

    `begin` is called when the command line has been understood, before its command.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal may lack a character: show its number
            stream.reconfigure(errors="backslashreplace")
    set_colour(_last(arguments, r"--color(=.*)?") or "auto")
    try:
        from attn_cli.cli.app import run

        return run(arguments, begin)
    except AttnError as error:
        return _report(error, arguments)
    except MemoryError as error:
        return _report(_no_memory(error), arguments)
    except KeyboardInterrupt:
        return ExitStatus.INTERRUPTED
    except PipeClosed:
        return ExitStatus.PIPE_CLOSED


def _no_memory(error: MemoryError) -> AttnError:
    what = str(error).rstrip(".") or "an array cannot be made"
    return AttnError(
        f"there is not enough memory: {what[0].lower()}{what[1:]}",
        help="request fewer steps (--only output) or rows (--query-token), or set --memory",
    )


def _report(error: AttnError, arguments: list[str]) -> int:
    """Show a failure on standard error; as a document on standard output with --format json."""
    if not _wants_json(arguments):
        say(error.report(terminal_columns()))
        return ExitStatus.BAD
    from attn_cli.cli.write import write_stdout
    from attn_cli.views.json import render_error

    try:
        write_stdout(render_error(error, _command(arguments)))
    except AttnError as unwritable:
        say(unwritable.report())
    except PipeClosed:
        return ExitStatus.PIPE_CLOSED
    return ExitStatus.BAD


def _command(arguments: list[str]) -> str | None:
    """Return the command that the arguments name; None if they name none that there is."""
    from attn_cli.cli.app import COMMANDS

    # Not the builtin `next`: here that is the module of a command, once it is imported.
    first = [argument for argument in arguments if not argument.startswith("-")][:1]
    return first[0] if first and first[0] in COMMANDS else None


def _wants_json(arguments: list[str]) -> bool:
    """Return whether --format json is in force, also if the arguments are wrong."""
    return _last(arguments, r"--format(=.*)?|-q*f(.*)") == "json"


def _last(arguments: list[str], option: str) -> str | None:
    """Return the last value of an option, None if it is not there.

    `option` is a pattern whose groups are what is attached to its name.
    """
    wanted = None
    for argument, following in zip(arguments, [*arguments, ""][1:], strict=True):
        match = re.fullmatch(option, argument, re.DOTALL)
        if match is not None:
            attached = "".join(group or "" for group in match.groups()).removeprefix("=")
            wanted = attached or following
    return wanted
