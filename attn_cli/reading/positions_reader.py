"""The positions that are added to embeddings, read."""

from __future__ import annotations

from typing import Any

import numpy as np

from attn_cli.arrays import Array
from attn_cli.errors import AttnError, Path
from attn_cli.maths.positions import Positions, learned, sinusoidal
from attn_cli.reading.keys import KEYS
from attn_cli.reading.sources import Sources
from attn_cli.sources.text.mappings import mapping
from attn_cli.sources.text.scalars import choice, positive

BASE = 10000.0
_FORMS = "write positions: sinusoidal, or positions: {learned: [[...], ...]}"


def read_positions(sources: Sources, X: Array | None) -> Positions | None:
    """Return the positions for the embeddings X; None if there are none to add."""
    node, path = sources.document.tree.get("positions"), ("positions",)
    if node is None:
        return None
    if X is None:
        raise AttnError(
            "positions are added to embeddings, and there are none",
            path=path,
            at_key=True,
            help="give embeddings, or leave positions out",
        )
    keys = (
        mapping(node, path, KEYS["positions"].inner)
        if isinstance(node, dict)
        else {"function": node}
    )
    if ("learned" in keys) == ("function" in keys):
        problem = "both learned and function" if "learned" in keys else "no function"
        raise AttnError(f"positions has {problem}", path=path, help=_FORMS)
    if "learned" in keys:
        return _learned(sources, keys, len(X))
    choice(keys["function"], (*path, "function") if isinstance(node, dict) else path, NAMES)
    layout = str(sources.conventions.read("positions.layout"))
    base = positive(keys["base"], (*path, "base")) if "base" in keys else BASE
    with np.errstate(all="ignore"):
        table = sinusoidal(len(X), X.shape[1], base, layout, sources.dtype)
    if not np.isfinite(table.values).all():
        raise AttnError(
            f"positions.base is {base:g}, of which the powers overflow",
            path=(*path, "base"),
            help=f"leave it out for {BASE:g}, or choose one nearer to 1",
        )
    return table


NAMES = ("sinusoidal",)


def _learned(sources: Sources, keys: Any, n: int) -> Positions:
    path: Path = ("positions", "learned")
    for name in ("layout", "base"):
        if name in keys:
            raise AttnError(
                f"positions.{name} belongs to sinusoidal positions",
                path=("positions", name),
                at_key=True,
                help=f"leave it out: learned positions have no {name}",
            )
    table = sources.matrix(keys["learned"], path, ("positions", "d_model"))
    if len(table) < n:
        raise AttnError(
            f"positions.learned has {len(table)} {'row' if len(table) == 1 else 'rows'}, but there "
            f"are {n} tokens",
            path=path,
            help="a learned table needs one row for each position of a token",
        )
    return learned(table, n)
