"""Numbers that are one for all query heads, or one per query head: `scale`, `temperature`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from attn_cli.errors import AttnError, Path, dotted
from attn_cli.maths.heads import PerHead
from attn_cli.reading.sources import Sources
from attn_cli.sources.matrices.casting import cast
from attn_cli.sources.matrices.document import Member
from attn_cli.sources.matrices.matrix import is_table_file, names_file

Read = Callable[[Any, Path], float]  # reads one number; raises AttnError with its place


def is_list(node: Any) -> bool:
    """Return whether a node has several values: a list, an array or the file of one."""
    return isinstance(node, list | tuple | np.ndarray | Member) or names_file(node)


def read_per_head(
    sources: Sources, node: Any, path: Path, heads: int | None, read: Read
) -> PerHead:
    """Return the number for all query heads, or those of each head, in float64.

    Without heads a list has one number.
    """
    if not is_list(node):
        return read(node, path)
    array = cast(sources.read_array(node, path), path, np.dtype(np.float64), finite=False)
    if array.ndim == 2 and 1 in array.shape and is_table_file(node):
        array = array.ravel()  # one line, or one column, of a table
    if array.ndim != 1:
        raise AttnError(
            f"{dotted(path)} has {array.ndim} axes, expected 1",
            path=path,
            help="write one number for all query heads, or a list of one per query head",
        )
    refuse_wrong_count(len(array), "number", path, heads)
    return tuple(read(number, (*path, at)) for at, number in enumerate(array.tolist()))


def refuse_wrong_count(
    count: int, what: str, path: Path, heads: int | None, help: str | None = None
) -> None:
    """Raise AttnError unless `count` is the number of query heads, or 1 without heads."""
    if count == (heads or 1):
        return
    there = "there are no heads" if heads is None else f"there are {heads} query heads"
    raise AttnError(
        f"{dotted(path)} has {count} {what if count == 1 else what + 's'}, but "
        f"{'there is 1 query head' if heads == 1 else there}",
        path=path,
        help=help
        or f"write one {what} for all"
        + (", or add heads" if heads is None else f" heads, or a list of {heads}"),
    )
