"""Whole numbers as arrays: positions, cumulative lengths, one number per batch entry."""

from __future__ import annotations

from typing import Any

import numpy as np

from attn_cli.arrays import Integers
from attn_cli.errors import AttnError, Path, dotted
from attn_cli.sources.matrices.document import Document
from attn_cli.sources.matrices.matrix import SUFFIXES, read_array
from attn_cli.sources.matrices.spread import first
from attn_cli.sources.text.scalars import integer

LARGEST = 2**53


def whole_numbers(document: Document, node: Any, path: Path) -> Integers:
    """Return an array of whole numbers with any axes, from nested lists or a file.

    Raises AttnError, with its place, for a number that is not whole, or beyond 2^53.
    """
    if isinstance(node, str) and "," in node:  # the form of options: --key-lengths 2,3
        node = [part.strip() for part in node.split(",")]
    array = read_array(document, node, path)
    if array.dtype.kind == "b" or not array.size:
        what = "true and false" if array.size else "no numbers"
        raise AttnError(f"{dotted(path)} holds {what}", path=path, help="write whole numbers")
    with np.errstate(invalid="ignore"):
        wrong = (array != np.floor(array)) | (np.abs(array) > LARGEST)
    if wrong.any():
        at = first(wrong)
        raise AttnError(
            f"{dotted((*path, *at))} must be a whole number, not {array[at]:g}", path=(*path, *at)
        )
    return array.astype(np.intp)


def per_entry(
    document: Document, node: Any, path: Path, entries: int, minimum: int
) -> tuple[tuple[int, ...], bool]:
    """Return one whole number per batch entry, and whether they were written as a list.

    One number serves all entries.
    """
    lists = isinstance(node, list | tuple | dict) or (isinstance(node, np.ndarray) and node.ndim)
    named = isinstance(node, str) and ("," in node or node.lower().endswith(SUFFIXES))
    if not (lists or named):
        return (integer(node, path, minimum),) * entries, False
    found = whole_numbers(document, node, path)
    if found.ndim != 1:
        raise AttnError(
            f"{dotted(path)} has {found.ndim} axes, expected 1",
            path=path,
            help="write one number for each batch entry, or one for all",
        )
    numbers = tuple(integer(n, (*path, at), minimum) for at, n in enumerate(found.tolist()))
    if len(numbers) != entries:
        raise AttnError(
            f"{dotted(path)} has {len(numbers)} {'number' if len(numbers) == 1 else 'numbers'}, "
            f"but there {'is 1 batch entry' if entries == 1 else f'are {entries} batch entries'}",
            path=path,
            help="write one number for each batch entry, or one for all",
        )
    return numbers, True
