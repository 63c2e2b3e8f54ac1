"""A node -> an array: nested lists, a path, an archive's member, a table, a Python array."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Sized
from itertools import chain
from typing import Any, BinaryIO, TypeVar

import numpy as np

from attn_cli.arrays import AnyArray, Tensor
from attn_cli.errors import AttnError, Path, did_you_mean, dotted, folded, printable
from attn_cli.sources.matrices.document import Document, Member
from attn_cli.sources.matrices.files import ReadSizes, unchanged
from attn_cli.sources.matrices.foreign import foreign
from attn_cli.sources.matrices.npy_files import (
    NPY_MAGIC,
    ZIP_MAGIC,
    Archive,
    read_npy,
    refuse_no_numbers,
)
from attn_cli.sources.matrices.shapes import shape_text
from attn_cli.sources.matrices.tables import DELIMITERS, read_table
from attn_cli.sources.text.depth import MAX_DEPTH, too_deep
from attn_cli.sources.text.events import Quoted
from attn_cli.sources.text.scalars import flag, kind_of, numbers, shown, whole, word

SUFFIXES = (".npy", ".npz", *DELIMITERS)
FILE_KEYS = ("file", "name", "transpose")

S = TypeVar("S", bound=Tensor)


def read_array(document: Document, node: Any, path: Path) -> AnyArray:
    """Return the array as written: booleans, whole numbers or floats, with any axes."""
    array = _written(document, node, path, whole=True)
    assert isinstance(array, np.ndarray)  # read as a whole
    return array


def read_array_by_rows(document: Document, node: Any, path: Path) -> Tensor:
    """Return the array as `read_array` does, or a large one in its file, to be read by rows."""
    return _written(document, node, path, whole=False)


def _written(document: Document, node: Any, path: Path, *, whole: bool) -> Tensor:
    if document.held is None:
        return _read(document, node, path, whole=whole)
    found: Tensor = document.held.once(
        ("whole" if whole else "rows", *path),
        node,
        lambda: _read(document, node, path, whole=whole),
    )
    return found


def _read(document: Document, node: Any, path: Path, *, whole: bool) -> Tensor:
    if isinstance(node, Member):
        return _from_archive(document, node.archive, node.name, path, whole=whole)
    if isinstance(node, dict):
        return _from_mapping(document, node, path, whole=whole)
    if isinstance(node, str):
        return _from_file(document, node, None, path, whole=whole)
    if isinstance(node, list | tuple):
        return _nested(list(node), path)
    if isinstance(node, np.ndarray):
        return _real(node, dotted(path), path)
    raise AttnError(f"{dotted(path)} must be a matrix, not {kind_of(node)}", path=path, help=_FORMS)


_FORMS = "write nested lists, or the path of a .npy, .npz, .csv or .tsv file"


def names_file(node: Any) -> bool:
    """Return whether a node names the file of an array, by its suffix or as {file: ...}."""
    if isinstance(node, dict):
        return "file" in node
    if not isinstance(node, str):
        return False
    base, mark, _ = node.rpartition("#")
    return os.path.splitext(base if mark else node)[1].lower() in SUFFIXES


_SHORT = 40  # characters of numbers that advice repeats
_CALL = r"(?:\w+\.)*(?:array|asarray|matrix|tensor|Tensor|Array|Parameter)\s*\("
_ORDERS = ("causal", "lower", "tril", "triangular", "subsequent", "look_ahead", "autoregressive")


def _meant(text: str, path: Path) -> str:
    """Return the advice for a text that is neither a matrix nor a file."""
    if re.match(_CALL, text):
        return f"write the brackets alone, without '{text.partition('(')[0]}(' and ')'"
    if path == ("mask",) and folded(text) in _ORDERS:
        return "write causal: true, which hides the keys behind each query, and no mask"
    needed = path[0] in ("query", "key", "value", "embeddings")
    if folded(text) in ("none", "null", "~", "false") and not needed:
        return f"leave {dotted(path)} out"
    if text.lstrip().startswith("["):
        return "remove the quotes"
    return _bracketed(text) or _FORMS


def _bracketed(text: str) -> str:
    """Return the advice for rows of numbers without square brackets; empty for other texts.

    >>> _bracketed("1 0; 0 1")
    'write it with brackets: [[1, 0], [0, 1]]'
    """
    if text.startswith("("):
        return "write square brackets, [[1, 0], [0, 1]], not round ones"
    if len(text) > _SHORT or not re.fullmatch(r"-?[\d.]+(\s*[,;\s]\s*-?[\d.]+)+", text):
        return ""
    rows = (", ".join(row.replace(",", " ").split()) for row in text.split(";"))
    return f"write it with brackets: [{', '.join(f'[{row}]' for row in rows)}]"


def is_one_value(node: Any) -> bool:
    """Return whether a node is one value: not a list, an array or a file."""
    if isinstance(node, str):
        return not node.lower().endswith(SUFFIXES)
    return isinstance(node, int | float | np.generic)


def is_table_file(node: Any) -> bool:
    """Return whether a node names a CSV or TSV file, which has no other form for a vector."""
    name = node.get("file") if isinstance(node, dict) else node
    return isinstance(name, str) and os.path.splitext(name)[1].lower() in DELIMITERS


def _real(array: S, name: str, path: Path) -> S:
    refuse_no_numbers(array.dtype, name, path)
    return array


def _from_mapping(document: Document, node: dict[str, Any], path: Path, *, whole: bool) -> Tensor:
    if list(node) == ["shape"]:
        raise AttnError(
            f"{dotted(path)} has a shape and no numbers",
            path=path,
            help="attn train FILE -o trained.yaml learns them from train.examples",
        )
    for key in node:
        if key not in FILE_KEYS:
            raise AttnError(
                f"{dotted((*path, str(key)))} is not a key of a matrix",
                path=(*path, str(key)),
                at_key=True,
                help=did_you_mean(str(key), FILE_KEYS, what="a matrix in a file has"),
            )
    if "file" not in node:
        raise AttnError(f"{dotted(path)} names no file", path=path, help="write {file: w.npy}")
    file = word(node["file"], (*path, "file"))
    name = word(node["name"], (*path, "name")) if "name" in node else None
    array = _from_file(document, file, name, (*path, "file"), whole=whole)
    if "transpose" in node and flag(node["transpose"], (*path, "transpose")):
        if array.ndim < 2:
            raise AttnError(
                f"{dotted(path)} has {array.ndim} axis, so it has no transpose",
                path=(*path, "transpose"),
            )
        return array.swapaxes(-1, -2)
    return array


def _from_file(
    document: Document, file: str, name: str | None, path: Path, *, whole: bool
) -> Tensor:
    """Return the array of a file; `archive.npz#name` names a member.

    The suffix determines the format; without one (standard input, the pipe of a process) the
    first bytes do.
    """
    base, mark, member = file.rpartition("#")
    if mark and name is None and base.lower().endswith(".npz"):
        file, name = base, member
    located = file if file == "-" else os.path.join(document.folder_of(path), file)
    label = "standard input" if file == "-" else printable(located)
    suffix = os.path.splitext(file)[1].lower()
    if file != "-" and suffix not in SUFFIXES and not os.path.exists(located):
        raise AttnError(
            f"{dotted(path)} must be a matrix, not {shown(file)}",
            path=path,
            help=_meant(file, path),
        )
    stream = document.inputs.open(located, dotted(path), path)
    if suffix not in SUFFIXES:
        suffix = _sniffed(stream, label, path)
    if suffix == ".npz":
        archive = Archive(
            document.inputs.reopener(stream, located, dotted(path), path), label, path
        )
        name = name or _only_name(archive, file, path)
        return _from_archive(document, archive, name, path, whole=whole)
    with stream, unchanged(stream, label, path):
        if name is not None:
            raise AttnError(
                f"{label} holds one array, so '{printable(name)}' names nothing in it",
                path=path,
                help="leave out the name; only an NPZ archive holds several arrays",
            )
        if suffix in DELIMITERS:
            rows = read_table(
                stream, label, DELIMITERS[suffix], path, lambda row: _row(row, (), ratios=False)
            )
            return _stacked(rows, path)
        array = None if whole else _by_rows(stream, label, path, document.inputs.sizes)
        return _real(read_npy(stream, label, path), label, path) if array is None else array


def _from_archive(
    document: Document, archive: Archive, name: str, path: Path, *, whole: bool
) -> Tensor:
    """Return a member of an archive."""
    label = f"{archive.name}#{printable(name)}"
    if not whole and (place := archive.place(name, path)) is not None:
        with archive.reopen() as stream:
            array = _by_rows(stream, label, path, document.inputs.sizes, place)
            if array is not None:
                return array
    return _real(archive.read(name, path), label, path)


def _by_rows(
    stream: BinaryIO, label: str, path: Path, sizes: ReadSizes, place: slice | None = None
) -> Tensor | None:
    """Return the large array of an NPY, to be read by rows; None if it is better read whole.

    `place` is the offset of the NPY in the stream, if that holds others too.
    """
    if not isinstance(stream, io.BufferedReader):  # a pipe: it is in memory
        return None
    size = os.fstat(stream.fileno()).st_size
    place = place or slice(0, size)
    if place.stop - place.start < sizes.by_rows_from:
        return None
    from attn_cli.sources.matrices.stored import open_stored

    return open_stored(stream, label, path, place, sizes)


def _sniffed(stream: BinaryIO, label: str, path: Path) -> str:
    """Return the suffix that belongs to the first bytes of a stream.

    Raises AttnError for those of a format that is not supported.
    """
    head = stream.read(4096)
    stream.seek(0)
    if (known := foreign(head)) is not None:
        stream.close()
        raise AttnError(f"{label} is {known.what}", path=path, help=known.help)
    if head.startswith(ZIP_MAGIC):
        return ".npz"
    if head.startswith(NPY_MAGIC) or b"\0" in head:
        return ".npy"
    return ".tsv" if b"\t" in head.partition(b"\n")[0] else ".csv"


def _only_name(archive: Archive, file: str, path: Path) -> str:
    """Return the name of an archive's only array; raise AttnError if there are several."""
    if len(archive.names) != 1:
        raise AttnError(
            f"{archive.name} holds {len(archive.names)} arrays: name one",
            path=path,
            help=f"write {file}#NAME; it has: {', '.join(map(printable, archive.names))}",
        )
    return archive.names[0]


def _nested(items: list[Any], path: Path) -> AnyArray:
    """Return nested lists as an array; raise AttnError with the path of the first odd item."""
    regular = _regular(items)
    if regular is not None:
        cells, shape = regular
        try:
            return _row(cells, path).reshape(shape)
        except AttnError:
            pass  # read item by item, below, for the path of the first fault
    if len(path) >= MAX_DEPTH:
        raise too_deep(path)
    if not items:
        raise AttnError(f"{dotted(path)} is empty", path=path, help="write at least one number")
    if set(map(type, items)) <= {str, Quoted}:
        return _row(items, path)
    lists = [isinstance(item, list | tuple | np.ndarray) for item in items]
    if not any(lists):
        return _row(items, path)
    if not all(lists):
        at = lists.index(not lists[0])
        raise AttnError(
            f"{dotted((*path, at))} is {kind_of(items[at])}, but {dotted((*path, 0))} is "
            f"{kind_of(items[0])}",
            path=(*path, at),
            help="all rows of a matrix are lists of the same length",
        )
    rows = [
        _real(item, dotted((*path, at)), (*path, at))
        if isinstance(item, np.ndarray)
        else _nested(list(item), (*path, at))
        for at, item in enumerate(items)
    ]
    return _stacked(rows, path)


_CELLS = {str, Quoted, float, int, bool}  # cells of other types, such as arrays, are not joined
_MOST_AXES = 4


def _regular(items: list[Any]) -> tuple[list[Any], tuple[int, ...]] | None:
    """Return the cells of nested lists of equal lengths, in order, and their shape; else None.

    >>> _regular([["1", "2", "3"], ["4", "5", "6"]])
    (['1', '2', '3', '4', '5', '6'], (2, 3))
    """
    shape = [len(items)]
    while set(map(type, items)) == {list}:
        lengths = set(map(len, items))
        if len(lengths) > 1 or len(shape) == _MOST_AXES:
            return None
        shape += lengths
        items = list(chain.from_iterable(items))
    return (items, tuple(shape)) if items and set(map(type, items)) <= _CELLS else None


def _stacked(rows: list[AnyArray], path: Path) -> AnyArray:
    """Return rows of the same shape and kind as one array."""
    for at, row in enumerate(rows):
        if row.shape != rows[0].shape:
            raise AttnError(
                f"{dotted((*path, at))} has {_size(row)}, but {dotted((*path, 0))} has "
                f"{_size(rows[0])}",
                path=(*path, at),
                help="all rows of a matrix have the same length",
            )
        if (row.dtype.kind == "b") != (rows[0].dtype.kind == "b"):
            raise AttnError(
                f"{dotted(path)} mixes booleans and numbers",
                path=(*path, at),
                help="write all of it one way",
            )
    return np.stack(rows)


def _count(cells: Sized) -> str:
    return f"{len(cells)} {'number' if len(cells) == 1 else 'numbers'}"


def _size(row: AnyArray) -> str:
    return _count(row) if row.ndim == 1 else f"shape {shape_text(row.shape)}"


def _row(items: list[Any], path: Path, *, ratios: bool = True) -> AnyArray:
    """Return one row: booleans if all cells are, integers if all cells are, else floats."""
    if all(map(_is_flag, items)):
        return np.array([flag(item, path) for item in items], dtype=np.bool_)
    values = np.array(numbers(items, path, ratios=ratios), dtype=np.float64)
    exact = whole(items) and np.abs(values).max() < 2**53
    return values.astype(np.int64) if exact else values


def _is_flag(item: Any) -> bool:
    if isinstance(item, str):
        return item in ("true", "false") and not isinstance(item, Quoted)
    return isinstance(item, bool | np.bool_)
