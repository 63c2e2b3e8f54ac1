"""Arrays that a program wrote: NPZ, JSON of attn, a folder of NPY files, or one NPY.

Names are those of the writer. What they mean is decided in `attn_cli.lab.matching`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from attn_cli.arrays import Tensor
from attn_cli.dataclass import dataclass
from attn_cli.errors import AttnError, Where, printable
from attn_cli.maths.pipeline import names
from attn_cli.reading.keys import KEYS
from attn_cli.reading.results import document_of, has_results, numbers_of
from attn_cli.sources.matrices.document import Document, Member
from attn_cli.sources.matrices.files import Inputs, name_of
from attn_cli.sources.matrices.foreign import foreign
from attn_cli.sources.matrices.matrix import read_array_by_rows
from attn_cli.sources.matrices.npy_files import NPY_MAGIC, ZIP_MAGIC, Archive
from attn_cli.sources.text.meant import SYNONYMS

if TYPE_CHECKING:
    from typing import BinaryIO

# What attn writes into an NPZ beside steps; none of them is an array of numbers.
_ASIDE = ("layout", "tokens", "key_tokens")


@dataclass(frozen=True, kw_only=True)
class Dump:
    """Named arrays. `axes` has the names of their axes, of those for which the file says them."""

    name: str
    arrays: Mapping[str, Tensor]
    axes: Mapping[str, tuple[str, ...]]
    left_out: tuple[str, ...] = ()  # members that are not arrays of numbers


def read_dump(file: str, inputs: Inputs, mapped: frozenset[str] = frozenset()) -> Dump | None:
    """Return the arrays of a file or folder; None for a problem, which is still unread.

    An archive with an array that `mapped` names is a dump. Large arrays are read by rows when
    they are needed. Raises AttnError for files of other programs.
    """
    name = printable(name_of(file))
    if file != "-" and os.path.isdir(file):
        return _of_folder(file, name, inputs)
    stream = inputs.open(file, "the steps")
    head = stream.read(16)
    stream.seek(0)
    if head.startswith(NPY_MAGIC):
        inputs.put_back(file, stream)
        step = os.path.splitext(os.path.basename(file))[0]
        array = read_array_by_rows(Document({}, inputs=inputs), {"file": file}, ())
        return Dump(name=name, arrays={printable(step): array}, axes={})
    if head.startswith(ZIP_MAGIC):
        return _of_archive(file, name, stream, inputs, mapped)
    other = foreign(head)
    if other is not None:
        stream.close()
        raise AttnError(f"{name} is {other.what}", where=Where(name), help=other.help)
    data = stream.read() if head.lstrip()[:1] == b"{" else b""
    inputs.put_back(file, stream)
    document = document_of(data, name)
    return None if document is None else _of_document(document, name)


def _of_folder(folder: str, name: str, inputs: Inputs) -> Dump:
    """Return the arrays of the NPY files in a folder, each named after its file."""
    files = sorted(os.listdir(folder))
    found = [file for file in files if file.lower().endswith(".npy")]
    if not found:
        tensors = [file for file in files if file.lower().endswith(".safetensors")]
        raise AttnError(
            f"{name} is a folder without NPY files",
            where=Where(name),
            help="safetensors files cannot be read yet: load them with "
            "safetensors.numpy.load_file, and write the arrays with numpy.savez"
            if tensors
            else "write one file per step, such as weights.npy, or all into one NPZ",
        )
    arrays = {}
    for file in found:
        path = os.path.join(folder, file)
        array = read_array_by_rows(Document({}, inputs=inputs), {"file": path}, (file,))
        arrays[printable(file[: -len(".npy")])] = array
    return Dump(name=name, arrays=arrays, axes={})


def _of_archive(
    file: str, name: str, stream: BinaryIO, inputs: Inputs, mapped: frozenset[str]
) -> Dump | None:
    """Return the arrays of an NPZ; None if they are the keys of a problem."""
    archive = Archive(inputs.reopener(stream, file, "the steps"), name, ())
    inputs.put_back(file, stream)
    inside = set(archive.names)
    if not inside & mapped and not has_results(inside) and _is_problem(inside):
        return None
    document = Document({}, inputs=inputs)
    arrays: dict[str, Tensor] = {}
    left_out = []
    for member in archive.names:
        array = read_array_by_rows(document, Member(archive, member), (member,))
        if member in _ASIDE or array.dtype.kind not in "biuf" or array.ndim == 0:
            if member not in _ASIDE:
                left_out.append(printable(member))
        else:
            arrays[printable(member)] = array
    return Dump(name=name, arrays=arrays, axes={}, left_out=tuple(left_out))


def _is_problem(inside: set[str]) -> bool:
    """Return whether all arrays of an archive are keys of a problem."""
    first = {member.partition(".")[0] for member in inside}
    inputs = {"embeddings", "value", "v", "values"}
    return first <= {*KEYS, *SYNONYMS, *names()} and bool(first & inputs)


def _of_document(document: Mapping[str, Any], name: str) -> Dump:
    """Return the steps of a JSON document of attn."""
    arrays: dict[str, Tensor] = {}
    axes = {}
    for step, made in document["steps"].items():
        own = tuple(map(str, made.get("axes", ())))
        arrays[str(step)] = numbers_of(made["values"], f"{name}: {printable(str(step))}", len(own))
        axes[str(step)] = own
    if not arrays:
        raise AttnError(f"{name} has no steps", where=Where(name))
    return Dump(name=name, arrays=arrays, axes=axes)


def refuse_all_nan(array: np.ndarray[Any, Any], what: str) -> None:
    """Raise AttnError for an array without a number."""
    if array.size == 0 or np.isnan(array).all():
        raise AttnError(
            f"{what} is all NaN" if array.size else f"{what} is empty",
            help="nothing can be compared with it: write the file again, or leave the array out",
        )
