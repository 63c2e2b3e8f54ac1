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
    # Objects made at the start stay: the collector would visit them a hundred times.
    gc.set_threshold(100_000)
    from attn_cli.cli.signals import end_commands_by_signals

    status = main(sys.argv[1:], end_commands_by_signals)
    # At exit Python collects garbage among all imported objects, which takes as long as computing a
    # small problem. All files are written and closed, so the memory can be freed as a whole.
    gc.freeze()
    sys.exit(status)


def _hold_standard_descriptors() -> None:
    """Open /dev/null as descriptor 0, 1 or 2 if it is closed.

    Otherwise the next file that is opened would get that number, and messages would go into it.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free


def _hold_blas() -> None:
    """Limit NumPy's BLAS library to one thread: the engine `tiles` has threads of its own.

    Works only before NumPy is imported. Variables that the user has set are kept.
    """
    for library in ("OPENBLAS", "MKL", "OMP", "VECLIB_MAXIMUM"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")


def main(arguments: list[str], begin: Callable[[], None] = lambda: None) -> int:
    """Run one command line; show each failure that the user can fix, once.

    `begin` is called after the command line is parsed, before its command.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # escape characters that a terminal lacks
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
    """Print a failure to standard error; with --format json, as a document to standard output."""
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
    """Return the command that the arguments name; None if they name no command."""
    from attn_cli.cli.app import COMMANDS

    # Not the builtin `next`: here that is the module of a command, once it is imported.
    first = [argument for argument in arguments if not argument.startswith("-")][:1]
    return first[0] if first and first[0] in COMMANDS else None


def _wants_json(arguments: list[str]) -> bool:
    """Return whether --format json is in force, also if the arguments are wrong."""
    return _last(arguments, r"--format(=.*)?|-q*f(.*)") == "json"


def _last(arguments: list[str], option: str) -> str | None:
    """Return the last value of an option, None if it is not there.

    `option` is a pattern for its name; its groups match a value that is attached to the name.
    """
    wanted = None
    for argument, following in zip(arguments, [*arguments, ""][1:], strict=True):
        match = re.fullmatch(option, argument, re.DOTALL)
        if match is not None:
            attached = "".join(group or "" for group in match.groups()).removeprefix("=")
            wanted = attached or following
    return wanted
