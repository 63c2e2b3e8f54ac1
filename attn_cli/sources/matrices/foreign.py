"""Unsupported files of other programs, recognised by their first bytes, with advice.

None of them is read. A message claims no more about a file than its bytes and its name show.
"""

from __future__ import annotations

import os

from attn_cli.dataclass import dataclass

_TORCH = "load it with torch.load, and write the arrays with numpy.savez('q.npz', query=..., ...)"
_TENSORS = (
    "load it with safetensors.numpy.load_file, and write the arrays wanted with "
    "numpy.savez('q.npz', query=..., key=..., value=...)"
)
# The first bytes of a file -> its format, and advice.
_BEGINNINGS = {
    b"\x89HDF\r\n\x1a\n": ("an HDF5 file", "read it with h5py, and write arrays with numpy.save"),
    b"GGUF": ("a GGUF file, the weights of a model", "attn reads arrays: NPY or NPZ"),
    b"PAR1": ("a Parquet file", "write its numbers as CSV or NPY"),
    b"MATLAB 5.0": ("a file of MATLAB", "read it with scipy.io.loadmat, and write NPY"),
    b"\x1f\x8b": ("packed with gzip", "unpack it with gunzip"),
    b"BZh": ("packed with bzip2", "unpack it with bunzip2"),
    b"\xfd7zXZ": ("packed with xz", "unpack it with unxz"),
    b"%PDF": ("a PDF", "write its numbers as CSV, or as lists in YAML"),
    b"\x80\x02": ("a pickle of Python, or of an old torch.save; it could run code", _TORCH),
    b"\x80\x03": ("a pickle of Python, which could run code", "write arrays with numpy.save"),
    b"\x80\x04": ("a pickle of Python, which could run code", "write arrays with numpy.save"),
    b"\x80\x05": ("a pickle of Python, which could run code", "write arrays with numpy.save"),
}
_LONGEST_HEADER = 100 << 20  # bytes of the JSON that a safetensors file begins with
_OF_MODELS = ("config.json", "model.safetensors.index.json", "pytorch_model.bin")


@dataclass(frozen=True)
class Foreign:
    """The format of a file, and advice."""

    what: str
    help: str


def foreign(head: bytes) -> Foreign | None:
    """Return the format of a file by its first bytes, nine at least; None if it is unknown."""
    if 2 <= int.from_bytes(head[:8], "little") <= _LONGEST_HEADER and head[8:9] == b"{":
        return Foreign("a safetensors file, tensors of a model", _TENSORS)
    for beginning, (what, advice) in _BEGINNINGS.items():
        if head.startswith(beginning):
            return Foreign(what, advice)
    return None


def foreign_archive(names: list[str]) -> Foreign:
    """Return the format of a ZIP archive without an NPY, by the names in it."""
    if any(name.endswith("data.pkl") for name in names):
        return Foreign("a file of torch.save, which could run code", _TORCH)
    if any(name.startswith("xl/") for name in names):
        return Foreign("a spreadsheet", "save the sheet as CSV")
    return Foreign("a ZIP archive without any NPY file", "write it with numpy.savez")


def folder_of_a_model(name: str) -> bool:
    """Return whether a folder looks like a Hugging Face model."""
    try:
        inside = os.listdir(name)
    except (OSError, ValueError):
        return False
    return any(file in _OF_MODELS or file.endswith(".safetensors") for file in inside)
