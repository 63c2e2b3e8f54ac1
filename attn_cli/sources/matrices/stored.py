"""Arrays that stay in their files: an NPY of which rows are read on demand.

A view is an offset, a shape and strides, as in NumPy: interleaved heads, layout columns and
Fortran order differ only in these. Reading goes through the file in ascending order, a chunk at a
time, and casts and checks each chunk while it is in the processor's cache. Several threads may read
at once.

Files are not memory-mapped: if one is truncated meanwhile, that is an error instead of a signal.

A view can be pickled: it opens its file again, by path, and refuses one that has changed.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from math import prod
from typing import Any, BinaryIO

import numpy as np

from attn_cli.arrays import AnyArray, Array, consecutive
from attn_cli.dataclass import dataclass, replace
from attn_cli.errors import AttnError, Path
from attn_cli.floats import FloatType
from attn_cli.sources.matrices.casting import unfit
from attn_cli.sources.matrices.files import READ_SIZES, ReadSizes, Stamp, refuse_changed
from attn_cli.sources.matrices.npy_files import read_header

MOST_OPEN = 64  # the most files that stay open; systems allow a process some hundreds

_open: weakref.WeakSet[File] = weakref.WeakSet()


class File:
    """A regular file that stays open while a view of it is held.

    A read raises AttnError if the file has changed since it was opened.
    """

    def __init__(
        self,
        descriptor: int,
        name: str,
        path: Path,
        part: slice,
        filename: str | None = None,
        sizes: ReadSizes = READ_SIZES,
    ) -> None:
        """`part` are the bytes of the array; `filename` is None for standard input."""
        self._descriptor = os.dup(descriptor)
        self._closed = weakref.finalize(self, os.close, self._descriptor)
        self.name, self.path, self.sizes = name, path, sizes
        self._filename = filename
        self._start, self._size = part.start, part.stop - part.start
        self._stamp = Stamp.of(self._descriptor)
        self._lock = threading.Lock()
        self._spent = 0  # bytes of the parts that were read, and of the gaps between them
        self._whole: AnyArray | None = None
        _open.add(self)

    def __reduce__(self) -> tuple[Callable[..., File], tuple[object, ...]]:
        """Pickle as the path and the stamp; raise AttnError for standard input."""
        if self._filename is None:
            raise AttnError(
                f"{self.name} cannot be opened again in another process",
                path=self.path,
                help="name a file instead of standard input",
            )
        part = self._start, self._start + self._size
        return _reopened, (self._filename, self.name, self.path, *part, self._stamp, self.sizes)

    def close(self) -> None:
        """Close the file; later reads fail."""
        self._descriptor = -1  # its number may soon be another file's
        self._closed()

    def fill(self, target: AnyArray, offset: int) -> None:
        """Read the bytes at an offset into a contiguous array."""
        bytes_ = target.reshape(-1).view(np.uint8).data
        done = 0
        while done < len(bytes_):
            try:
                got = os.preadv(self._descriptor, [bytes_[done:]], offset + done)
            except OSError as error:
                reason = f"{self.name} cannot be read: {error.strerror}"
                raise AttnError(reason, path=self.path) from None
            if got == 0:
                self.refuse_changed()
                raise AttnError(f"{self.name} ends before its end", path=self.path)
            done += got

    def read(self, offset: int, size: int) -> AnyArray:
        """Return a range of bytes that is read once."""
        found = np.empty(size, dtype=np.uint8)
        self.fill(found, offset)
        return found

    def part(self, offset: int, size: int) -> AnyArray:
        """Return a small range of bytes, or one of several with gaps between them.

        Interleaved heads are often all read, one after the other. Once their ranges exceed the
        bytes of the array, the whole array is read and held, which is cheaper for the rest.
        """
        with self._lock:
            self._spent += max(size, self.sizes.gap)
            if self._whole is None and self.sizes.most_held >= self._size < self._spent:
                whole = self.read(self._start, self._size)
                self.refuse_changed()
                self._whole = whole
        if self._whole is None:
            return self.read(offset, size)
        at = offset - self._start
        return self._whole[at : at + size]

    def refuse_changed(self) -> None:
        """Raise AttnError if the file has changed since it was opened."""
        refuse_changed(self._descriptor, self._stamp, self.name, self.path)


def _reopened(
    filename: str, name: str, path: Path, start: int, stop: int, stamp: Stamp, sizes: ReadSizes
) -> File:
    """Open the file of a pickled view; raise AttnError if it has changed."""
    try:
        descriptor = os.open(filename, os.O_RDONLY)
    except OSError as error:
        raise AttnError(f"{name} cannot be opened again: {error.strerror}", path=path) from None
    try:
        if Stamp.of(descriptor) != stamp:
            raise AttnError(
                f"{name} has changed since the problem was read",
                path=path,
                help="read the problem again",
            )
        return File(descriptor, name, path, slice(start, stop), filename, sizes)
    finally:
        os.close(descriptor)


@dataclass(frozen=True)
class Casting:
    """The type that a problem needs, and its name of the array."""

    type_: FloatType
    finite: bool  # whether NaN and infinity are refused
    path: Path
    located: Callable[[AttnError], AttnError]  # adds the place in the problem's own text
    written: Stored  # the array as the problem has it: messages count in it

    def __reduce__(self) -> tuple[type[Casting], tuple[object, ...]]:
        """Pickle without the problem's text: an error then has the path of the key alone."""
        return Casting, (self.type_, self.finite, self.path, _as_it_is, self.written)

    def unfit(self, offset: int, value: Any) -> AttnError:
        """Return the error for a value at an offset in the file."""
        offset -= self.written.offset
        sizes = zip(self.written.strides, self.written.shape, strict=True)
        index = tuple(offset // stride % size for stride, size in sizes)
        return unfit((*self.path, *index), value, self.type_.name)


def _as_it_is(error: AttnError) -> AttnError:
    return error


@dataclass(frozen=True)
class Stored:
    """A view of an array in a file. Integers give a smaller view; slices and positions read it.

    Positions are of the first axis, none of them negative. The result of a read is in C order.
    """

    file: File
    stored: np.dtype[Any]  # the type in the file
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    casting: Casting | None = None  # None: numbers as they are stored

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the numbers that a read returns."""
        return self.stored if self.casting is None else self.casting.type_.carrier

    def cast(
        self,
        path: Path,
        type_: FloatType,
        located: Callable[[AttnError], AttnError],
        *,
        finite: bool,
    ) -> Stored:
        """Return the view that reads numbers as a type, and refuses as `casting.cast` does."""
        return replace(self, casting=Casting(type_, finite, path, located, self))

    def close(self) -> None:
        """Close the file, for all views of it."""
        self.file.close()

    def swapaxes(self, first: int, second: int) -> Stored:
        """Return the view with two axes swapped."""
        shape, strides = list(self.shape), list(self.strides)
        for of in (shape, strides):
            of[first], of[second] = of[second], of[first]
        return replace(self, shape=tuple(shape), strides=tuple(strides))

    def reshape(self, shape: tuple[int, ...]) -> Stored:
        """Return the view with its last axis split into heads and features."""
        *before, count, width = shape
        if (*before, count * width) != self.shape:
            raise ValueError(f"{self.shape} does not become {shape} by splitting its last axis")
        *outer, last = self.strides
        return replace(self, shape=shape, strides=(*outer, width * last, last))

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, tuple | int | np.integer):
            return self._entry(index if isinstance(index, tuple) else (index,))
        if isinstance(index, slice):
            rows = range(*index.indices(self.shape[0]))
            runs = (
                [(rows.start, rows.stop)]
                if rows.step == 1
                else consecutive(np.array(rows, np.intp))
            )
        else:
            runs = consecutive(np.asarray(index))
        runs = [(start, stop) for start, stop in runs if start < stop]
        result = np.empty((sum(b - a for a, b in runs), *self.shape[1:]), dtype=self.dtype)
        at = 0
        try:
            for start, stop in runs:
                self._read(start, result[at : at + stop - start])
                at += stop - start
            self.file.refuse_changed()
        except AttnError as error:
            raise (error if self.casting is None else self.casting.located(error)) from None
        return result

    def _entry(self, lead: tuple[int, ...]) -> Stored:
        """Return the view of one entry of the leading axes."""
        if any(not 0 <= i < n for i, n in zip(lead, self.shape, strict=False)):
            raise IndexError(f"{lead} in {self.shape}")
        offset = self.offset + sum(
            int(i) * stride for i, stride in zip(lead, self.strides, strict=False)
        )
        return replace(
            self, offset=offset, shape=self.shape[len(lead) :], strides=self.strides[len(lead) :]
        )

    def _read(self, start: int, target: AnyArray) -> None:
        """Read rows from `start` on into `target`, as many as it has."""
        if not 0 <= start <= start + len(target) <= self.shape[0]:
            raise IndexError(f"rows {start} to {start + len(target)} in {self.shape}")
        if self.casting is None and target.strides == self.strides:  # bytes as they are stored
            self.file.fill(target, self.offset + start * self.strides[0])
            return
        axes = [axis for axis, size in enumerate(target.shape) if size > 1]  # others have no order
        in_order = sorted(range(len(axes)), key=lambda at: -self.strides[axes[at]])
        strides = tuple(self.strides[axes[at]] for at in in_order)
        offset = self.offset + start * self.strides[0]
        self._chunks(offset, strides, target.squeeze().transpose(in_order))

    def _chunks(self, offset: int, strides: tuple[int, ...], target: AnyArray) -> None:
        """Read cells whose axes are in the order of the file, a chunk at a time."""
        item, shape, sizes = self.stored.itemsize, target.shape, self.file.sizes
        joined = _joined(shape, strides, item, sizes.gap)
        if not shape or (_extent(shape, strides, item) <= sizes.chunk and joined):
            self._chunk(offset, strides, target)
            return
        inner = shape[1:], strides[1:], item
        step = 1
        if joined:
            step = max(1, (sizes.chunk - _extent(*inner)) // strides[0] + 1)
        for at in range(0, shape[0], step):
            part = target[at : at + step] if step > 1 else target[at, ...]
            self._chunks(offset + at * strides[0], strides[-part.ndim :] if part.ndim else (), part)

    def _chunk(self, offset: int, strides: tuple[int, ...], target: AnyArray) -> None:
        """Read one chunk, cast it, check it, and put it into the target."""
        size = _extent(target.shape, strides, self.stored.itemsize)
        gap = self.file.sizes.gap
        alone = size == prod(target.shape) * self.stored.itemsize and size >= gap
        straight = target.flags.c_contiguous
        type_ = None if self.casting is None else self.casting.type_
        if alone and straight and (type_ is None or self.stored == type_.read_as == type_.carrier):
            self.file.fill(target, offset)
            self._check(target, target, offset, strides)
            return
        raw = self.file.read(offset, size) if alone else self.file.part(offset, size)
        cells: AnyArray = np.ndarray(target.shape, self.stored, raw, 0, strides)
        with np.errstate(over="ignore", invalid="ignore"):  # a signalling NaN is invalid
            if type_ is None or (straight and type_.read_as == type_.carrier):
                target[...] = cells
                self._check(cells, target, offset, strides)
                return
            rounded = type_.round(cells.astype(type_.read_as, order="C"))
        self._check(cells, rounded, offset, strides)
        target[...] = rounded

    def _check(self, cells: AnyArray, made: Array, offset: int, strides: tuple[int, ...]) -> None:
        """Raise AttnError for the first cell, in the order of the file, that is not finite.

        `made` are the cells in the target type.
        """
        if self.casting is None or not self.casting.finite or np.isfinite(made).all():
            return
        self.file.refuse_changed()  # a change explains the value better
        bad = int(np.argmin(np.isfinite(made)))  # of a contiguous array, so in the file's order
        at = tuple(int(i) for i in np.unravel_index(bad, made.shape))
        offset += sum(i * stride for i, stride in zip(at, strides, strict=True))
        raise self.casting.unfit(offset, cells[at])


def open_stored(
    stream: BinaryIO, name: str, path: Path, place: slice, sizes: ReadSizes = READ_SIZES
) -> Stored | None:
    """Return the array of an NPY in a regular file, its data unread.

    None if it is to be read whole: if it has no numbers, or too many files are open.
    """
    if not hasattr(os, "preadv") or len(_open) >= MOST_OPEN:
        return None
    stream.seek(place.start)
    header = read_header(stream, name, path, size=place.stop)
    stream.seek(place.start)
    if header.dtype.kind not in "iuf" or header.size == 0 or not header.shape:
        return None
    shape, item = header.shape, header.dtype.itemsize
    axes = range(len(shape))
    inner = [shape[:axis] if header.fortran else shape[axis + 1 :] for axis in axes]
    strides = tuple(prod(sizes) * item for sizes in inner)
    part = slice(header.start, header.start + header.size)
    file = File(stream.fileno(), name, path, part, _filename(stream), sizes)
    return Stored(file, header.dtype, header.start, shape, strides)


def _filename(stream: BinaryIO) -> str | None:
    """Return the path of an open file; None for standard input, which has a number for a name."""
    written: object = getattr(stream, "name", None)
    if not isinstance(written, str) or not os.path.exists(written):
        return None
    return os.path.abspath(written)


def _extent(shape: tuple[int, ...], strides: tuple[int, ...], item: int) -> int:
    """Return the bytes from the first cell to the end of the last."""
    return item + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))


def _joined(shape: tuple[int, ...], strides: tuple[int, ...], item: int, gap: int) -> bool:
    """Return whether the gaps between the cells are too small to skip."""
    inside = [_extent(shape[at:], strides[at:], item) for at in range(1, len(shape) + 1)]
    return all(stride - size <= gap for stride, size in zip(strides, inside, strict=True))
