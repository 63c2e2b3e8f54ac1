"""Bytes to standard output, or to a file that is written whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from attn_cli.cli.signals import undone_by_signals
from attn_cli.cli.talk import abandon
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
    """Send what is still buffered for standard output nowhere."""
    abandon(sys.stdout.fileno())


def write_file(name: str, data: Data) -> None:
    """Write a file whole: beside it first, then in its place, with the mode it had.

    A device or a named pipe cannot be replaced, and is written to. Raises PipeClosed if the reader
    of a pipe went away, and AttnError for any other failure to write.
    """
    chunks = (
        (data.encode(),) if isinstance(data, str) else (data,) if isinstance(data, bytes) else data
    )
    with _told(name):
        mode, target = _destination(name)
        if mode is None or stat.S_ISREG(mode):
            _replace(target, chunks, _permissions(mode))
        else:
            with open(name, "wb", buffering=0) as special:
                _write_all(special.fileno(), chunks)


def check_file(name: str) -> None:
    """Raise the error of `write_file`, as far as it can be known before there is anything to write.

    What is computed for an hour and cannot be written is lost.
    """
    with _told(name):
        mode, target = _destination(name)
        folder = os.path.dirname(target)
        if (mode is None or stat.S_ISREG(mode)) and not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Give a failure to write a file its name and what to do."""
    try:
        yield
    except BrokenPipeError:
        raise PipeClosed from None
    except (OSError, ValueError) as error:
        if not name:
            hint = "write -o FILE, or -o - for standard output"
            raise AttnError("-o names no file", help=hint) from None
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise AttnError(
            f"{printable(name)} cannot be written: {reason}",
            help="name a file in a folder that exists and that you may write to",
        ) from None


def _destination(name: str) -> tuple[int | None, str]:
    """Return the mode of what a name leads to, None if it is new, and its path; raise OSError.

    It is FileNotFoundError if a folder of the name is missing. `realpath` crosses a folder that is
    not there, as in `missing/../problem.yaml`: what looked like a new file would replace one that
    nobody compared with what is read.
    """
    mode = os.stat(name).st_mode if os.path.exists(name) else None
    if mode is not None and stat.S_ISDIR(mode):
        raise IsADirectoryError(0, "it is a folder")
    target = os.path.realpath(name)
    missing = not os.path.islink(name) and not os.path.isdir(os.path.dirname(name) or ".")
    if mode is None and (missing or os.path.lexists(target)):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    return mode, target


def _replace(target: str, chunks: Iterable[bytes], permissions: int) -> None:
    """Write a file beside the target and put it in its place; whatever ends that, it goes."""
    temporary = os.path.join(os.path.dirname(target), f".attn-{os.urandom(8).hex()}")

    def remove() -> None:
        with suppress(FileNotFoundError):  # it is not there yet, or has its name already
            os.unlink(temporary)

    with undone_by_signals(remove):
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
            with open(os.open(temporary, flags, 0o600), "wb") as stream:
                stream.writelines(chunks)
            os.chmod(temporary, permissions)
            os.replace(temporary, target)
        finally:
            remove()


def _write_all(descriptor: int, chunks: Iterable[bytes]) -> None:
    """Write without a buffer: nothing is left to be written, and to fail, when the file closes."""
    for chunk in chunks:
        rest = memoryview(chunk)
        while rest:
            rest = rest[os.write(descriptor, rest) :]


def _permissions(mode: int | None) -> int:
    """Return the permissions of the file that is replaced, or what a new file gets."""
    if mode is not None:
        return stat.S_IMODE(mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
