"""Bytes to standard output, or to a file that is written whole or not at all."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable

from attn_cli.errors import AttnError, PipeClosed, printable

Data = str | bytes | Iterable[bytes]


def write_stdout(data: Data) -> None:
    """Write to standard output, and flush, so that a failure is seen here and not at exit."""
    if sys.stdout is None:
        raise AttnError("standard output is closed", help="write to a file with -o FILE")
    chunks = (data,) if isinstance(data, str | bytes) else data
    for chunk in chunks:
        try:
            if isinstance(chunk, bytes):
                sys.stdout.buffer.write(chunk)
            else:
                sys.stdout.write(chunk)
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


def write_file(name: str, data: Data) -> None:
    """Write a file whole: beside it first, then in its place, with the mode it had."""
    chunks = (
        (data.encode(),) if isinstance(data, str) else (data,) if isinstance(data, bytes) else data
    )
    import tempfile

    target = os.path.realpath(name)
    temporary = None
    try:
        if os.path.isdir(target):
            raise IsADirectoryError(0, "it is a folder")
        if os.path.exists(target) and not stat.S_ISREG(os.stat(target).st_mode):
            with open(target, "wb") as device:  # a device or a named pipe cannot be replaced
                device.writelines(chunks)
            return
        descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(target), prefix=".attn-")
        with os.fdopen(descriptor, "wb") as stream:
            stream.writelines(chunks)
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
