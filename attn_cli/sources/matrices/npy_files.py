"""NPY and NPZ files -> arrays of numbers. The header is read and checked before any data.

Pickled objects are refused: reading them would run code. So are structured, complex, text and time
types, which are not real numbers.
"""

from __future__ import annotations

import os
import tokenize
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from math import prod
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from attn_cli.arrays import AnyArray
from attn_cli.errors import AttnError, Path, did_you_mean, printable
from attn_cli.sources.matrices.files import Stamp, unchanged
from attn_cli.sources.matrices.foreign import foreign_archive

if TYPE_CHECKING:
    import zipfile

NPY_MAGIC = b"\x93NUMPY"
ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
MAX_AXES = 32  # the limit of older versions of NumPy
MAX_CELLS = 1 << 48
BOMB_BYTES = 64 << 20  # a smaller member is harmless at any packing ratio
BOMB_RATIO = 200
LOCAL_HEADER = 30  # bytes before a member's name in a ZIP file; the last four are lengths


class Header(NamedTuple):
    """The header of an NPY, and the offset of its data in the stream."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    start: int

    @property
    def size(self) -> int:
        """The bytes of data."""
        return prod(self.shape) * self.dtype.itemsize


def read_npy(stream: BinaryIO, name: str, path: Path, *, size: int | None = None) -> AnyArray:
    """Return the array in a stream that begins with an NPY header.

    `size` is the number of bytes in the stream, found by seeking if it is not given.
    """
    header = read_header(stream, name, path, size=size)
    data = stream.read(header.size)
    if len(data) < header.size:
        raise _cut_short(name, path, header, len(data))
    array = np.frombuffer(data, dtype=header.dtype)
    return array.reshape(header.shape, order="F" if header.fortran else "C")


def read_header(stream: BinaryIO, name: str, path: Path, *, size: int | None = None) -> Header:
    """Return the next header in a stream; raise AttnError if its array cannot follow.

    `size` is the number of bytes in the stream up to the end of the array's file.
    """
    header = _header(stream, name, path)
    _refuse_type(header.dtype, header.shape, name, path)
    if size is None:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(header.start)
    if header.size > size - header.start:
        raise _cut_short(name, path, header, size - header.start)
    return header


def _cut_short(name: str, path: Path, header: Header, size: int) -> AttnError:
    """Return the error for `size` bytes of data that are fewer than the header promises."""
    return AttnError(
        f"{name} is cut short: shape {header.shape} in {header.dtype} needs {header.size} bytes "
        f"of data, the file has {max(size, 0)}",
        path=path,
        help="write the file again; the copy or the writer was interrupted",
    )


def _header(stream: BinaryIO, name: str, path: Path) -> Header:
    begin = stream.tell()
    magic = stream.read(len(NPY_MAGIC))
    stream.seek(begin)
    if magic != NPY_MAGIC:
        if not magic:
            raise AttnError(f"{name} is empty", path=path)
        raise AttnError(
            f"{name} is not an NPY file: it begins with {magic!r}",
            path=path,
            help="write it with numpy.save, or name the file after the format it has",
        )
    try:
        version = np.lib.format.read_magic(stream)
        with warnings.catch_warnings():  # NumPy warns of a Python 2 header, which is fine
            warnings.simplefilter("ignore")
            return Header(*_header_of(stream, version), stream.tell())
    except _BROKEN as error:
        ends = "the file ends in it" if not stream.read(1) else "it describes no array"
        reason = error if isinstance(error, _NoArrayError) else ends
        raise AttnError(
            f"{name} has a broken NPY header: {reason}",
            path=path,
            help="write the file again with numpy.save",
        ) from None


class _NoArrayError(ValueError):
    """A readable header of an impossible array, with our own message instead of NumPy's."""


_BROKEN = (
    ValueError, TypeError, EOFError, OverflowError, MemoryError, SyntaxError, RecursionError,
    tokenize.TokenError,
)  # fmt: skip


def _header_of(stream: BinaryIO, version: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, order and type; raise ValueError if no array can have them."""
    if version == (1, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    elif version == (2, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(stream)
    else:
        raise _NoArrayError(f"format version {version[0]}.{version[1]}")
    if any(not isinstance(n, int) or isinstance(n, bool) or n < 0 for n in shape):
        raise _NoArrayError(f"shape {printable(str(shape))}")
    if len(shape) > MAX_AXES or prod(max(n, 1) for n in shape) > MAX_CELLS or dtype.itemsize == 0:
        cells = f"{prod(shape):.3g} cells of {dtype.itemsize} bytes"
        raise _NoArrayError(f"{len(shape)} axes of {cells}")
    return tuple(shape), bool(fortran), dtype


def _refuse_type(dtype: np.dtype[Any], shape: tuple[int, ...], name: str, path: Path) -> None:
    if dtype.hasobject:
        raise AttnError(
            f"{name} holds pickled Python objects, which are never loaded: they can run code",
            path=path,
            help="save it as numbers: numpy.save(file, array.astype(float))",
        )
    if dtype.kind == "V" and dtype.itemsize == 2 and dtype.names is None:
        raise AttnError(
            f"{name} holds cells of two bytes without a type, as bfloat16 is saved",
            path=path,
            help="save it as float32, which holds the same numbers: numpy.save(file, "
            "array.astype(numpy.float32)); dtype: bfloat16 computes in bfloat16",
        )
    if dtype.kind != "U" or len(shape) > 1:  # tokens and names in an NPZ
        refuse_no_numbers(dtype, name, path)


def refuse_no_numbers(dtype: np.dtype[Any], name: str, path: Path) -> None:
    """Raise AttnError for a type that is not real numbers, or differs between machines."""
    if dtype.kind not in "biuf" or (dtype.kind == "f" and dtype.itemsize > 8):
        raise AttnError(
            f"{name} holds {_called(dtype)}",
            path=path,
            help="give one real number per cell: float16, float32, float64 or integers",
        )


def _called(dtype: np.dtype[Any]) -> str:
    if dtype.names is not None:
        return f"records with the fields {', '.join(dtype.names)}, not real numbers"
    if dtype.kind == "f":
        return f"{dtype}, a type that differs from machine to machine"
    kinds = {
        "O": "Python objects",
        "c": "complex numbers",
        "U": "text",
        "S": "bytes",
        "M": "dates",
        "m": "time spans",
    }
    return f"{kinds.get(dtype.kind, str(dtype))}, not real numbers"


def _broken_archive(*more: type[Exception]) -> tuple[type[Exception], ...]:
    """Return the exceptions that reading a broken archive raises, and `more`."""
    import struct
    import zipfile

    found: list[type[Exception]] = [
        zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, OverflowError,
        NotImplementedError, *more,
    ]  # fmt: skip
    with suppress(ImportError):  # Python can be built without it
        from lzma import LZMAError

        found.append(LZMAError)
    return tuple(found)


def _reason(error: Exception) -> str:
    """Return our own message for a broken archive; Python's differ between versions."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "parts of it are missing or inconsistent"


def _size(archive: zipfile.ZipFile) -> int:
    """Return the bytes of an archive's file."""
    assert archive.fp is not None  # it is open
    return archive.fp.seek(0, os.SEEK_END)


class Archive:
    """An NPZ file: named arrays, each read on demand.

    `reopen` opens the file for each read, so that it is closed in between. A file that has changed
    by then is refused.
    """

    def __init__(self, reopen: Callable[[], BinaryIO], name: str, path: Path) -> None:
        self.name = name
        self.reopen = reopen
        self._stamp: Stamp | None = None
        with self._opened(name, path) as archive:
            inside = archive.namelist()
        self.names = tuple(n.removesuffix(".npy") for n in inside if n.endswith(".npy"))
        if not self.names:
            known = foreign_archive(inside)
            raise AttnError(f"{name} is {known.what}", path=path, help=known.help)

    @contextmanager
    def _opened(self, shown: str, path: Path) -> Iterator[zipfile.ZipFile]:
        import zipfile

        with self.reopen() as stream, unchanged(stream, self.name, path, self._stamp) as now:
            self._stamp = now
            try:
                archive = zipfile.ZipFile(stream)
            except _broken_archive(ValueError) as error:
                raise AttnError(
                    f"{self.name} is not an NPZ archive: {_reason(error)}",
                    path=path,
                    help="write it with numpy.savez; a copy that was cut short ends like this",
                ) from None
            try:
                with archive:
                    yield archive
            except _broken_archive() as error:
                raise AttnError(
                    f"{shown} cannot be unpacked: {_reason(error)}",
                    path=path,
                    help="write the archive again; a copy that was cut short ends like this",
                ) from None

    def size(self, member: str) -> int:
        """Return the bytes of a member, unpacked."""
        with self._opened(self.name, ()) as archive:
            return archive.getinfo(f"{member}.npy").file_size

    def read(self, member: str, path: Path) -> AnyArray:
        """Return one array; raise AttnError if there is none of that name, or it is a bomb."""
        import zipfile

        with self._found(member, path) as (archive, info, shown):
            packed = min(info.compress_size, _size(archive))  # no member is larger than its file
            if info.file_size > BOMB_BYTES and info.file_size > BOMB_RATIO * packed:
                raise AttnError(
                    f"{shown} unpacks to {info.file_size} bytes from {packed}: "
                    f"more than {BOMB_RATIO} times as many",
                    path=path,
                    help="if that is intended, unpack it and name the .npy file",
                )
            try:
                member_file = archive.open(info)
            except ValueError as error:  # a place or a name that no file can have
                raise zipfile.BadZipFile(str(error)) from None
            with member_file as stream:
                return read_npy(stream, shown, path, size=info.file_size)  # type: ignore[arg-type]

    def place(self, member: str, path: Path) -> slice | None:
        """Return the offset of a member's bytes in the file; None if they are packed.

        Bytes read from there are not compared with the archive's checksum.
        """
        import zipfile

        with self._found(member, path) as (archive, info, _):
            stream = archive.fp
            if info.compress_type != zipfile.ZIP_STORED or stream is None:
                return None
            if not 0 <= info.header_offset <= _size(archive):
                raise zipfile.BadZipFile("its directory points outside the file")
            stream.seek(info.header_offset)
            head = stream.read(LOCAL_HEADER)
            start = info.header_offset + LOCAL_HEADER
            start += sum(int.from_bytes(head[at : at + 2], "little") for at in (26, 28))
            return slice(start, start + info.file_size)

    @contextmanager
    def _found(
        self, member: str, path: Path
    ) -> Iterator[tuple[zipfile.ZipFile, zipfile.ZipInfo, str]]:
        """Yield the opened archive, a member, and its name for messages."""
        shown = f"{self.name}#{printable(member)}"
        if member not in self.names:
            raise AttnError(
                f"{self.name} has no array '{printable(member)}'",
                path=path,
                help=did_you_mean(member, map(printable, self.names), what="it has"),
            )
        with self._opened(shown, path) as archive:
            info = archive.getinfo(f"{member}.npy")
            if info.flag_bits & 1:
                raise AttnError(f"{shown} is encrypted", path=path, help="write it without")
            yield archive, info, shown
