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


class Output:
    """Where bytes are written."""

    anywhere = False  # whether bytes can be written at any offset

    def write(self, data: bytes | memoryview) -> None:
        """Write bytes after those written before."""
        raise NotImplementedError

    def write_at(self, offset: int, data: bytes | memoryview) -> None:
        """Write bytes at an offset."""
        raise NotImplementedError


@contextmanager
def opened(name: str | None) -> Iterator[Output]:
    """Yield a file, or standard output (None or `-`), to write to as `write_file` does.

    The file is complete when the block ends; if an error ends the block, it is unchanged.
    """
    if name is None or name == "-":
        yield _Stdout()
        return
    with _told(name):
        mode, target = _destination(name)
        if mode is None or stat.S_ISREG(mode):
            with _replacing(target, _permissions(mode)) as descriptor:
                yield _Descriptor(descriptor, anywhere=True)
        else:
            with open(name, "wb", buffering=0) as special:
                yield _Descriptor(special.fileno(), anywhere=False)


class _Stdout(Output):
    """Standard output; each write is flushed, so that it fails here and not at exit."""

    def __init__(self) -> None:
        if sys.stdout is None:
            raise AttnError("standard output is closed", help="write to a file with -o FILE")

    def write(self, data: bytes | memoryview | str) -> None:
        """Write, and flush."""
        try:
            if isinstance(data, str):
                sys.stdout.write(data)
            else:
                sys.stdout.buffer.write(data)
            sys.stdout.flush()
        except BrokenPipeError:
            abandon_stdout()
            raise PipeClosed from None
        except OSError as error:
            abandon_stdout()
            raise AttnError(f"standard output cannot be written: {error.strerror}") from None


class _Descriptor(Output):
    """A file without a buffer: closing it writes nothing, and cannot fail."""

    def __init__(self, descriptor: int, *, anywhere: bool) -> None:
        self._descriptor, self.anywhere = descriptor, anywhere

    def write(self, data: bytes | memoryview) -> None:
        """Write all of it."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def write_at(self, offset: int, data: bytes | memoryview) -> None:
        """Write all of it, at an offset."""
        rest, at = memoryview(data), offset
        while rest:
            written = os.pwrite(self._descriptor, rest, at)
            rest, at = rest[written:], at + written


def write_stdout(data: Data) -> None:
    """Write to standard output."""
    out = _Stdout()
    for chunk in (data,) if isinstance(data, str | bytes) else data:
        out.write(chunk)


def abandon_stdout() -> None:
    """Discard the buffer of standard output."""
    abandon(sys.stdout.fileno())


def write_file(name: str, data: Data) -> None:
    """Write a file atomically: a new file next to it replaces it and keeps its mode.

    A device or a named pipe is written to directly. Raises PipeClosed if the reader of a pipe
    closed it, and AttnError for any other failure to write.
    """
    chunks = (
        (data.encode(),) if isinstance(data, str) else (data,) if isinstance(data, bytes) else data
    )
    with opened(name) as out:
        for chunk in chunks:
            out.write(chunk)


def check_file(name: str) -> None:
    """Raise the error of `write_file`, as far as it is known before anything is written.

    Otherwise the result of a long computation could be lost.
    """
    with _told(name):
        mode, target = _destination(name)
        folder = os.path.dirname(target)
        if (mode is None or stat.S_ISREG(mode)) and not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Turn a failure to write a file into AttnError with its name and advice."""
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
    """Return the mode of the file that a name leads to, None if it is new, and its real path.

    Raises FileNotFoundError if a folder of the name is missing: `realpath` accepts a missing folder
    as in `missing/../problem.yaml`, and a file could be replaced that is also an input.
    """
    mode = os.stat(name).st_mode if os.path.exists(name) else None
    if mode is not None and stat.S_ISDIR(mode):
        raise IsADirectoryError(0, "it is a folder")
    target = os.path.realpath(name)
    missing = not os.path.islink(name) and not os.path.isdir(os.path.dirname(name) or ".")
    if mode is None and (missing or os.path.lexists(target)):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    return mode, target


@contextmanager
def _replacing(target: str, permissions: int) -> Iterator[int]:
    """Yield a new file next to the target, which then replaces it; on an error it is removed."""
    temporary = os.path.join(os.path.dirname(target), f".attn-{os.urandom(8).hex()}")

    def remove() -> None:
        with suppress(FileNotFoundError):  # it does not exist yet, or is renamed already
            os.unlink(temporary)

    with undone_by_signals(remove):
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
            with open(os.open(temporary, flags, 0o600), "wb", buffering=0) as file:
                yield file.fileno()
            os.chmod(temporary, permissions)
            os.replace(temporary, target)
        finally:
            remove()


def _permissions(mode: int | None) -> int:
    """Return the permissions of the file that is replaced, or those of a new file."""
    if mode is not None:
        return stat.S_IMODE(mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
