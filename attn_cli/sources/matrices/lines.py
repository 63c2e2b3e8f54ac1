"""The lines of a large text file, plain or packed with gzip, one after the other, as bytes.

At most a block and a line are in memory. Lines are not decoded.
"""

from __future__ import annotations

import codecs
import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from attn_cli.errors import AttnError, Path, printable
from attn_cli.sources.matrices.files import Inputs, Progress
from attn_cli.sources.matrices.npy_files import BOMB_RATIO, NPY_MAGIC, ZIP_MAGIC
from attn_cli.sources.matrices.tables import two_marks

STEP = 4 << 20  # bytes between two calls of a Progress
LONGEST = 4 << 20  # bytes of one line: enough for 400 000 numbers
GZIP_MAGIC = b"\x1f\x8b"
MOST_BLANK = 1 << 20  # bytes of blanks and line ends without a word between them
UNPACKED = 16 << 20  # bytes unpacked before the ratio is checked; for text it is two to five


@contextmanager
def open_lines(
    inputs: Inputs, file: str, path: Path = (), progress: Progress | None = None
) -> Iterator[Iterator[tuple[bytes, int]]]:
    """Yield the lines of a file without their line feeds, each with the number of its blanks.

    The file is read only as far as lines are taken. A byte order mark is left out.

    Raises AttnError for a file that cannot be read twice, is archived or binary, cannot be
    unpacked or unpacks to far more than it is, has a line of more than `LONGEST` bytes, or more
    than `MOST_BLANK` bytes of blank lines in a row.
    """
    name = printable(file)
    with inputs.open_again(file, path) as raw:
        yield _lines(_blocks(raw, name, path, inputs.sizes.block, progress), name, path)


def _blocks(
    raw: io.BufferedReader, name: str, path: Path, most: int, progress: Progress | None
) -> Iterator[bytes]:
    """Yield the text of a file in blocks of at most `most` bytes, and report progress."""
    try:
        magic = raw.read(len(NPY_MAGIC))
        raw.seek(0)
        _refuse_archive(magic, name, path)
        stream = gzip.GzipFile(fileobj=raw) if magic.startswith(GZIP_MAGIC) else raw
        total, reported = os.fstat(raw.fileno()).st_size, 0
        # read1 returns the bytes at hand: a fault further on is found only if it is reached
        block = stream.read1(most)
        if block.startswith(2 * codecs.BOM_UTF8):
            raise two_marks(name)
        block = block.removeprefix(codecs.BOM_UTF8)
        size = blank = 0
        while block:
            size += len(block)
            blank = 0 if block.strip() else blank + len(block)
            _refuse_endless(size, blank, raw, name, path)
            yield block
            done = raw.tell()
            if progress is not None and done >= reported + STEP:
                reported = done
                progress(done, max(done, total))
            block = stream.read1(most)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise AttnError(
            f"{name} cannot be unpacked: {printable(str(error)).rstrip('.')}",
            path=path,
            help="fetch the file again; a copy that was cut short ends like this",
        ) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise AttnError(f"{name} cannot be read: {reason}", path=path) from None
    if progress is not None:
        progress(total, total)


def _refuse_endless(size: int, blank: int, raw: io.BufferedReader, name: str, path: Path) -> None:
    """Raise AttnError for too many blank lines, or a packing ratio that text cannot have."""
    if blank > MOST_BLANK:
        raise AttnError(
            f"{name} has more than {MOST_BLANK} bytes of blank lines without a word between them",
            path=path,
            help="remove the blank lines",
        )
    if size > UNPACKED and size > BOMB_RATIO * raw.tell():
        raise AttnError(
            f"{name} unpacks to {size} bytes from its first {raw.tell()}: more than "
            f"{BOMB_RATIO} times as many",
            path=path,
            help="if that is intended, unpack it and name the text file",
        )


def _refuse_archive(magic: bytes, name: str, path: Path) -> None:
    if magic.startswith(ZIP_MAGIC):
        raise AttnError(
            f"{name} is a ZIP archive, not text", path=path, help="unzip it, and name the text file"
        )
    if magic == NPY_MAGIC:
        raise AttnError(
            f"{name} is an NPY file, which holds numbers and no words",
            path=path,
            help="name the text file that lists the words of its rows as well, one per line",
        )


def _lines(blocks: Iterator[bytes], name: str, path: Path) -> Iterator[tuple[bytes, int]]:
    rest = b""
    for block in blocks:
        data = rest + block
        codes = np.frombuffer(data, np.uint8)
        ends = np.flatnonzero(codes == ord("\n"))
        if len(ends):
            # for all lines at once: find and count per line take twice the time for short lines
            starts = np.append(0, ends[:-1] + 1)
            is_blank = (codes[: ends[-1] + 1] == ord(" ")).view(np.uint8)
            blanks = np.add.reduceat(is_blank, starts, dtype=np.intp)
            spans = zip(starts.tolist(), ends.tolist(), blanks.tolist(), strict=True)
            for start, end, count in spans:
                yield data[start:end], count
            rest = data[end + 1 :]
        else:
            rest = data
        if len(rest) > LONGEST:
            raise AttnError(
                f"{name} has a line of more than {LONGEST} bytes, so it is not a list of words",
                path=path,
                help="expected text in UTF-8, with one word per line",
            )
    if rest:
        yield rest, rest.count(b" ")
