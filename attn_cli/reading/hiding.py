"""Schemes that hide keys by their positions, read: causal order, window, lengths, documents."""

from __future__ import annotations

from typing import Any

from attn_cli.errors import AttnError
from attn_cli.maths.visible.base import Scheme
from attn_cli.reading.extent import Extent
from attn_cli.reading.sources import Sources
from attn_cli.reading.token_positions_reader import Placed
from attn_cli.reading.window_reader import read_window
from attn_cli.sources.text.scalars import integer


def read_schemes(
    sources: Sources, heads: int | None, extent: Extent, placed: Placed
) -> tuple[Scheme, ...]:
    """Return the schemes that hide keys by position, in the order of their codes."""
    tree, causal, token_positions = sources.document.tree, placed.causal, placed.token_positions
    prefix = _count(tree, "prefix", extent.n_k)
    sinks = _count(tree, "sink_tokens", extent.n_k)
    schemes: list[Scheme] = []
    if causal:
        from attn_cli.maths.visible.causal import Causal

        schemes.append(Causal(prefix, token_positions))
    if "window" in tree:
        from attn_cli.maths.visible.window import Window, Windows

        bounds = read_window(sources, heads)
        listed = bounds if isinstance(bounds, list) else [bounds]
        windows = [Window(left, right, prefix, sinks, token_positions) for left, right in listed]
        schemes.append(Windows(tuple(windows)) if isinstance(bounds, list) else windows[0])
    if extent.key_lengths is not None:
        from attn_cli.maths.visible.length import KeyLengths

        schemes.append(KeyLengths(extent.key_lengths))
    if placed.documents is not None and placed.documents.query is not None:
        from attn_cli.maths.visible.document import Documents

        schemes.append(Documents(placed.documents.query, placed.documents.key))
    if extent.key_start is not None:
        from attn_cli.maths.visible.start import KeyStart

        schemes.append(KeyStart(extent.key_start))
    return tuple(schemes)


def _count(tree: Any, key: str, n_k: int) -> int:
    """Return a number of first keys, 0 if it is not given."""
    if key not in tree:
        return 0
    count = integer(tree[key], (key,), 0)
    if count > n_k:
        raise AttnError(f"{key} is {count}, but there are {n_k} keys", path=(key,))
    return count
