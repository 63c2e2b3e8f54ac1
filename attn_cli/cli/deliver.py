"""Where a rendered record goes: standard output, or a file that is written whole or not at all."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from dataclasses import replace
from typing import TextIO

from attn_cli.cli.options import OutputOptions
from attn_cli.cli.talk import say
from attn_cli.errors import AttnError, ExitStatus, PipeClosed, printable
from attn_cli.record import Record
from attn_cli.views import BOX, FORMATS, RENDERERS, Style


def check_target(output: OutputOptions) -> None:
    """Raise AttnError, before anything is computed, where the output cannot go there."""
    to_terminal = output.output in {None, "-"} and _is_terminal(sys.stdout)
    if FORMATS[output.name].binary and to_terminal:
        raise AttnError(
            f"{output.name} is binary and standard output is a terminal",
            help=f"write it to a file: -o out.{output.name}",
        )


def deliver(record: Record, output: OutputOptions) -> ExitStatus:
    """Render the record, warn on standard error, write to standard output or the file."""
    to_file = output.output is not None and output.output != "-"
    terminal = not to_file and _is_terminal(sys.stdout)
    style = Style(
        digits=4 if output.digits is None else output.digits,
        labels=output.labels,
        width=shutil.get_terminal_size().columns if terminal else None,
        colour=terminal and _wants_colour(),
        ascii=not to_file and not _can_show(BOX),
    )
    if output.quiet:
        record = replace(record, warnings=())
    rendered = RENDERERS.get(output.name)(record, style)
    if to_file:
        write_file(str(output.output), rendered)
    elif isinstance(rendered, str) and output.name != "table":
        write_stdout(rendered.encode())  # data is UTF-8, whatever the terminal is
    else:
        write_stdout(rendered)
    for warning in record.warnings:
        say(f"warning: {printable(warning)}")
    if record.comparisons and not FORMATS[output.name].verdicts:
        from attn_cli.views.cells import verdict

        for comparison in record.comparisons:
            say(verdict(comparison))
    return ExitStatus.DONE if record.agrees else ExitStatus.NO


def write_stdout(data: str | bytes) -> None:
    """Write to standard output, and flush, so that a failure is seen here and not at exit."""
    if sys.stdout is None:
        raise AttnError("standard output is closed", help="write to a file with -o FILE")
    try:
        if isinstance(data, bytes):
            sys.stdout.buffer.write(data)
        else:
            sys.stdout.write(data)
        sys.stdout.flush()
    except BrokenPipeError:
        abandon_stdout()
        raise PipeClosed from None
    except OSError as error:
        abandon_stdout()
        raise AttnError(f"standard output cannot be written: {error.strerror}") from None


def abandon_stdout() -> None:
    """Send what is still buffered nowhere: the interpreter would try again, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def write_file(name: str, data: str | bytes) -> None:
    """Write a file whole: beside it first, then in its place, with the mode it had."""
    payload = data.encode() if isinstance(data, str) else data
    target = os.path.realpath(name)
    temporary = None
    try:
        if os.path.exists(target) and not stat.S_ISREG(os.stat(target).st_mode):
            if os.path.isdir(target):
                raise IsADirectoryError(0, "it is a folder")
            with open(target, "wb") as device:  # a device or a named pipe cannot be replaced
                device.write(payload)
            return
        descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(target), prefix=".attn-")
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(payload)
        os.chmod(temporary, _mode_for(target))
        os.replace(temporary, target)
        temporary = None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise AttnError(
            f"{printable(name)} cannot be written: {reason}",
            help="name a file in a folder that exists and that you may write to",
        ) from None
    finally:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)


def _mode_for(target: str) -> int:
    """Return the mode of the file that is replaced, or what a new file gets."""
    if os.path.exists(target):
        return stat.S_IMODE(os.stat(target).st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def _can_show(text: str) -> bool:
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _wants_colour() -> bool:
    """Return whether the terminal is one for colours: see no-color.org."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") not in {"dumb", "unknown"}
