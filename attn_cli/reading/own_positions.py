"""Positions written inside one key of a problem: rope, alibi, relative_bias."""

from __future__ import annotations

from typing import Any

import numpy as np

from attn_cli.arrays import Integers
from attn_cli.errors import AttnError, Path, dotted
from attn_cli.maths.token_positions import TokenPositions
from attn_cli.reading.extent import Extent
from attn_cli.reading.whole_numbers import whole_numbers
from attn_cli.sources.matrices.document import Document
from attn_cli.sources.matrices.shapes import shape_text
from attn_cli.sources.text.mappings import mapping

SIDES = ("query", "key")
ROWS = ("temporal", "height", "width")


def read_own_positions(
    document: Document,
    node: Any,
    path: Path,
    extent: Extent,
    *,
    new_keys: bool = False,
    rows: bool = False,
) -> TokenPositions:
    """Return written positions: {query:, key:}, or one list for both.

    Each side is (n), or (batch, n); with three `rows` (temporal, height, width) of positions it is
    (3, n), and with a batch axis (batch, 3, n) or (3, batch, n). `new_keys`: those of a past have
    no positions here. Raises AttnError, with its place, for other shapes.
    """
    counts = (extent.n_q, extent.n_k - (extent.past or 0) if new_keys else extent.n_k)
    if isinstance(node, dict) and (set(SIDES) & set(node) or not {"file", *ROWS} & set(node)):
        keys = mapping(node, path, SIDES)
        for side in SIDES:
            if side not in keys:
                raise AttnError(
                    f"{dotted(path)} has no {side}",
                    path=path,
                    help="write {query: [...], key: [...]}",
                )
        places = [(keys[side], (*path, side)) for side in SIDES]
    elif counts[0] != counts[1]:
        raise AttnError(
            f"{dotted(path)} is one list, but there are {counts[0]} queries and {counts[1]} keys",
            path=path,
            help="write {query: [...], key: [...]}",
        )
    else:
        places = [(node, path)] * 2
    symbols = ("n_q", "n_new" if new_keys and extent.past else "n_k")
    read = _three if rows else _plain
    query, key = (
        read(document, written, place, extent, (symbol, count))
        for (written, place), symbol, count in zip(places, symbols, counts, strict=True)
    )
    return TokenPositions(query=query, key=key)


def _plain(
    document: Document, node: Any, path: Path, extent: Extent, axis: tuple[str, int]
) -> Integers:
    """Return positions (1, n) or (batch, n)."""
    if isinstance(node, dict) and set(ROWS) & set(node):
        raise AttnError(
            f"{dotted(path)} is a mapping of rows, expected one list of positions",
            path=path,
            help=_SECTIONS if path[0] == "rope" else _ONE,
        )
    array = whole_numbers(document, node, path)
    symbol, count = axis
    if array.shape == (count,):
        return array[None]
    if extent.batch is not None and array.shape == (extent.batch, count):
        return array
    sections = 3 in array.shape[:-1] and path[0] == "rope"
    raise _misshapen(
        path,
        array,
        _expected(extent, (symbol,), (count,), both=False),
        _SECTIONS if sections else _ONE,
    )


def _three(
    document: Document, node: Any, path: Path, extent: Extent, axis: tuple[str, int]
) -> Integers:
    """Return positions (1, 3, n) or (batch, 3, n)."""
    if isinstance(node, dict) and "file" not in node:
        keys = mapping(node, path, ROWS)
        for row in ROWS:
            if row not in keys:
                raise AttnError(f"{dotted(path)} has no {row}", path=path, help=_NAMED)
        found = [_plain(document, keys[row], (*path, row), extent, axis) for row in ROWS]
        entries = max(len(row) for row in found)
        return np.stack([np.broadcast_to(row, (entries, axis[1])) for row in found], axis=1)
    array = whole_numbers(document, node, path)
    (symbol, count), batch = axis, extent.batch
    if array.shape == (3, count):
        return array[None]
    if batch == 3 and array.shape == (3, 3, count):
        swapped = array.swapaxes(0, 1)
        if (array != swapped).any():
            raise AttnError(
                f"{dotted(path)} has shape (3, 3, {count}), which can be (batch, 3, {symbol}) or "
                f"(3, batch, {symbol})",
                path=path,
                help=_NAMED,
            )
        return array
    if batch is not None and array.shape == (batch, 3, count):
        return array
    if batch is not None and array.shape == (3, batch, count):
        return array.swapaxes(0, 1)
    raise _misshapen(path, array, _expected(extent, (3, symbol), (3, count), both=True), _NAMED)


_ONE = "write one position for each, or one list per batch entry"
_SECTIONS = "three rows of positions go with sections and sections_layout"
_NAMED = (
    "write {temporal: [...], height: [...], width: [...]}, each one list or one per batch entry"
)


def _expected(
    extent: Extent, symbols: tuple[object, ...], sizes: tuple[int, ...], *, both: bool
) -> str:
    """Return the allowed shapes of positions, with their sizes, as text."""
    forms = [(symbols, sizes)]
    if extent.batch is not None:
        forms.append((("batch", *symbols), (extent.batch, *sizes)))
        if both:
            forms.append(((3, "batch", symbols[-1]), (3, extent.batch, sizes[-1])))
    return " or ".join(f"{shape_text(names)} = {shape_text(numbers)}" for names, numbers in forms)


def _misshapen(path: Path, array: Integers, expected: str, help: str) -> AttnError:
    return AttnError(
        f"{dotted(path)} has shape {shape_text(array.shape)}, expected {expected}",
        path=path,
        help=help,
    )
