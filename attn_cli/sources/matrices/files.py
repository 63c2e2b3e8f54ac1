"""Files and standard input, opened for reading; standard input can be read once."""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO
from typing import cast as cast_type

from attn_cli import samples
from attn_cli.dataclass import dataclass
from attn_cli.errors import AttnError, Path, argument, either, nearest, printable
from attn_cli.sources.matrices.foreign import folder_of_a_model

Progress = Callable[[int, int], None]  # bytes read so far, bytes of the whole file


CHUNK = 1 << 20  # bytes that are read at once from a pipe or a device


@dataclass(frozen=True)
class Target:
    """A regular file that an output will replace; `option` names it, if that is not `-o`."""

    name: str
    device: int
    number: int
    option: str = ""

    @classmethod
    def of(cls, output: str | None, option: str = "") -> Target | None:
        """Return the file of an output; None for standard output, new files and devices."""
        if output is None or output == "-":
            return None
        try:
            found = os.stat(output)
        except (OSError, ValueError):
            return None
        if not stat.S_ISREG(found.st_mode):
            return None
        return cls(output, found.st_dev, found.st_ino, option)

    def refuse(self, found: os.stat_result, name: str, path: Path) -> None:
        """Raise AttnError for an input that is this file, by this or another name."""
        if (found.st_dev, found.st_ino) == (self.device, self.number):
            force = f", or add {argument('force')} if it is to be replaced"
            raise AttnError(
                f"{self.option or either('-o', 'output')} {printable(self.name)} would replace a "
                f"file that is read: {printable(name_of(name))}",
                path=path,
                help=f"write to another file{'' if self.option else force}",
            )


@dataclass(frozen=True)
class ReadSizes:
    """How large files are read. All sizes are in bytes; they change the speed, not the result.

    `chunk` must be larger than `gap`: a read of fewer bytes than `gap` counts as one of scattered
    parts, after some of which the whole array is read and held (`File.part`).
    """

    by_rows_from: int = 8 << 20  # a smaller array is read whole, even if only rows of it are used
    chunk: int = 1 << 20  # of an array, read at once: it stays in the cache until it is checked
    gap: int = 16 << 10  # unused bytes up to this number are read: cheaper than a system call
    most_held: int = 1 << 30  # a larger array is not held if its parts are read again and again
    block: int = 1 << 16  # of a text, read at once: larger ones miss the caches


READ_SIZES = ReadSizes()


class Inputs:
    """Opens the files that a problem names. `-` is standard input, which only one key can name.

    `limit` is the most bytes that a pipe or device may give, by default half of the machine's
    memory; a file that is one of the `targets` of outputs is refused.
    """

    def __init__(
        self,
        progress: Progress | None = None,
        *,
        limit: int | None = None,
        targets: tuple[Target, ...] = (),
        sizes: ReadSizes = READ_SIZES,
    ) -> None:
        self._stdin_for: str | None = None
        self._put_back: dict[str, io.BytesIO] = {}
        self.progress = progress  # called with the bytes read of a large file
        self.sizes = sizes
        self._limit = limit
        self._targets = targets

    def open(self, name: str, wanted_for: str, path: Path = ()) -> BinaryIO:
        """Return a seekable stream; raise AttnError if the file cannot be read."""
        if name in self._put_back:
            return self._put_back.pop(name)
        if name == "-":
            return self._stdin(wanted_for)
        try:
            stream = open(name, "rb")  # noqa: SIM115  (the caller closes it)
            if self._is_regular(stream, name, path):
                return stream
            with stream:
                return self._up_to_limit(stream, name, path)
        except (OSError, ValueError) as error:
            raise _cannot_read(name, error, path) from None

    def put_back(self, name: str, stream: BinaryIO) -> None:
        """Put back a stream that was examined: `open` reads it from its beginning, even a pipe."""
        if isinstance(stream, io.BytesIO):
            stream.seek(0)
            self._put_back[name] = stream
        else:
            stream.close()

    def open_again(self, name: str, path: Path = ()) -> io.BufferedReader:
        """Return a stream of a regular file, which later calls can open again.

        Raise AttnError for standard input and for pipes, which can be read only once.
        """
        if name == "-" or _runs_dry(name):
            raise AttnError(
                f"{printable(name_of(name))} cannot be read twice, and that may be needed here",
                path=path,
                help="put it into a file, and name the file",
            )
        try:
            stream = open(name, "rb")  # noqa: SIM115  (the caller closes it)
        except (OSError, ValueError) as error:
            raise _cannot_read(name, error, path) from None
        self._is_regular(stream, name, path)
        return stream

    def reopener(
        self, stream: BinaryIO, name: str, wanted_for: str, path: Path = ()
    ) -> Callable[[], BinaryIO]:
        """Close a stream of `open`, and return a function that opens it again, also stdin."""
        if isinstance(stream, io.BytesIO):
            data = stream.getvalue()
            return lambda: io.BytesIO(data)
        stream.close()
        return lambda: self.open(name, wanted_for, path)

    def arriving(self, wanted_for: str) -> Iterator[bytes]:
        """Yield the bytes of standard input, as many as have arrived each time."""
        stream = self._claimed(wanted_for)
        try:
            self._is_regular(stream, "-", ())
            while data := stream.read1(CHUNK):
                yield data
        except (AttributeError, OSError):
            raise _no_stdin(wanted_for) from None

    def _claimed(self, wanted_for: str) -> io.BufferedReader:
        """Return standard input; raise AttnError if it has another reader already."""
        if self._stdin_for is not None:
            raise twice_from_stdin(self._stdin_for, wanted_for)
        self._stdin_for = wanted_for
        try:
            return cast_type(io.BufferedReader, sys.stdin.buffer)
        except AttributeError:  # it was closed
            raise _no_stdin(wanted_for) from None

    def _stdin(self, wanted_for: str) -> BinaryIO:
        stream = self._claimed(wanted_for)
        try:
            if self._is_regular(stream, "-", ()):
                return io.BytesIO(stream.read())
            return self._up_to_limit(stream, "-", ())
        except (AttributeError, OSError):  # it was closed, or opened for writing
            raise _no_stdin(wanted_for) from None

    def _is_regular(self, stream: BinaryIO, name: str, path: Path) -> bool:
        """Return whether a stream is of a regular file; refuse the one that will be replaced."""
        try:
            found = os.fstat(stream.fileno())
        except io.UnsupportedOperation:  # a stream of Python's own
            return False
        for target in self._targets:
            try:
                target.refuse(found, name, path)
            except AttnError:
                if name != "-":
                    stream.close()
                raise
        return stat.S_ISREG(found.st_mode)

    def _up_to_limit(self, stream: BinaryIO, name: str, path: Path) -> io.BytesIO:
        """Return all bytes of a pipe or a device; raise AttnError if there are too many."""
        from attn_cli.memory import half_of_the_machine, in_units

        limit = half_of_the_machine() if self._limit is None else self._limit
        found = io.BytesIO()
        while chunk := stream.read(CHUNK):
            found.write(chunk)
            if found.tell() > limit:
                raise AttnError(
                    f"{printable(name_of(name))} has more than {in_units(limit)}, and is not "
                    "a file of known size",
                    path=path,
                    help="put it into a file, or allow more memory: "
                    + either(
                        "--memory SIZE, or ATTN_MEMORY in the environment", "memory_limit=BYTES"
                    ),
                )
        found.seek(0)
        return found


def _no_stdin(wanted_for: str) -> AttnError:
    return AttnError(
        f"standard input cannot be read, and {wanted_for} is to come from it",
        help="pipe or redirect something into it, or name a file",
    )


@dataclass(frozen=True)
class Stamp:
    """The size and modification time of a file, which show that it was written to."""

    size: int
    modified: int  # nanoseconds

    @classmethod
    def of(cls, descriptor: int) -> Stamp:
        """Return the stamp of an open file."""
        found = os.fstat(descriptor)
        return cls(found.st_size, found.st_mtime_ns)


@contextmanager
def unchanged(
    stream: BinaryIO, name: str, path: Path, before: Stamp | None = None
) -> Iterator[Stamp | None]:
    """Raise AttnError if a file has changed by the end of the block, or since `before`.

    Streams that are not files are not checked: bytes from a pipe cannot change.
    """
    if not isinstance(stream, io.BufferedReader):
        yield None
        return
    first = before or Stamp.of(stream.fileno())
    refuse_changed(stream.fileno(), first, name, path)
    yield first
    refuse_changed(stream.fileno(), first, name, path)


def refuse_changed(descriptor: int, before: Stamp, name: str, path: Path) -> None:
    """Raise AttnError if an open file has changed since `before`."""
    now = Stamp.of(descriptor)
    if now == before:
        return
    what = f"had {before.size} bytes and now has {now.size}"
    if now.size == before.size:
        what = "was written to"
    raise AttnError(
        f"{name} changed while it was read: it {what}",
        path=path,
        help="wait until its writer has finished, or read a copy",
    )


def twice_from_stdin(first: str, second: str) -> AttnError:
    """Return the error for two keys that would read standard input."""
    return AttnError(
        f"both {first} and {second} would be read from standard input",
        help="standard input can be read once: put one of the two into a file",
    )


def name_of(file: str) -> str:
    """Return a file name as messages show it."""
    return "standard input" if file == "-" else file


def _runs_dry(name: str) -> bool:
    """Return whether a name is that of a pipe, a socket or a device."""
    try:
        mode = os.stat(name).st_mode
    except (OSError, ValueError):
        return False  # opening it gives the reason
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _cannot_read(name: str, error: Exception, path: Path) -> AttnError:
    shown = printable(name) or "''"
    if isinstance(error, FileNotFoundError):
        return AttnError(f"{shown}: there is no such file", path=path, help=_instead(name))
    if isinstance(error, IsADirectoryError):
        if folder_of_a_model(name):
            return AttnError(
                f"{shown} is the folder of a model",
                path=path,
                help="attn reads arrays: run the model, write its Q, K and V with "
                "numpy.savez('q.npz', query=..., key=..., value=...), and name that file",
            )
        return AttnError(f"{shown} is a folder", path=path, help="name a file in it")
    if isinstance(error, PermissionError):
        advice = "you may not read it: check its permissions"
        return AttnError(f"{shown} cannot be opened", path=path, help=advice)
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return AttnError(f"{shown} cannot be read: {reason}", path=path)


def _instead(name: str) -> str:
    """Return the advice for a file that does not exist."""
    stem = os.path.splitext(os.path.basename(name))[0]
    if stem in samples.names():
        printed = either(f"attn samples {stem} | attn compute -", f"attn samples {stem} prints it")
        return f"it is a sample that is shipped: {printed}"
    if name.startswith("[") or name.endswith("]"):
        return either(
            "put a list in quotes, which keep it together: --query '[[1, 0]]'",
            "a text names a file: give the list itself",
        )
    near = _neighbour(name)
    return f"did you mean '{near}'?" if near else "check the name and the folder"


def _neighbour(name: str) -> str | None:
    """Return the file of the same folder with the closest name."""
    folder, base = os.path.split(name)
    try:
        found = nearest(base, os.listdir(folder or "."), cutoff=0.75)
    except (OSError, ValueError):
        return None
    return None if found is None else printable(os.path.join(folder, found))
