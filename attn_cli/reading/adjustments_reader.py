"""The adjustments between scores and weights: softcap, biases, mask, in the problem's order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from attn_cli.arrays import Array
from attn_cli.conventions.knobs import KNOBS
from attn_cli.errors import AttnError, Path, did_you_mean, dotted, printable
from attn_cli.maths.adjustments import Adjustment, Biases, Masking, Softcap
from attn_cli.maths.bias.base import Bias
from attn_cli.maths.token_positions import TokenPositions
from attn_cli.maths.visible.base import Scheme
from attn_cli.maths.visible.user import Mask
from attn_cli.reading.conventions_reader import Conventions
from attn_cli.reading.extent import Extent
from attn_cli.reading.keys import KEYS
from attn_cli.reading.mask import read_fill
from attn_cli.reading.sources import Sources
from attn_cli.reading.spreading import axes_of, unwrapped
from attn_cli.sources.matrices.document import Member
from attn_cli.sources.matrices.matrix import names_file
from attn_cli.sources.matrices.spread import ScoresShape, first
from attn_cli.sources.text.mappings import mapping
from attn_cli.sources.text.scalars import flag, integer, narrowed, positive, word


def read_adjustments(
    sources: Sources,
    shape: ScoresShape,
    extent: Extent,
    token_positions: TokenPositions,
    schemes: tuple[Scheme, ...],
    mask: Mask | None,
) -> tuple[Adjustment, ...]:
    """Return the adjustments that the problem has, in the order computed."""
    tree, conventions = sources.document.tree, sources.conventions
    made: dict[str, Adjustment] = {}
    if "softcap" in tree:
        cap = positive(tree["softcap"], ("softcap",))
        made["softcap"] = Softcap(narrowed(cap, ("softcap",), sources.dtype))
    biases = _biases(sources, shape, extent, token_positions)
    if biases:
        made["bias"] = Biases(biases)
    hides = (*schemes, mask) if mask is not None and mask.hides else schemes
    masked = mask is not None or bool(hides)
    if masked or "mask_fill" in tree:  # a fill that is not used is checked too
        fill, adds, named = read_fill(sources.precision, conventions)
        if masked:
            made["mask"] = Masking(mask, hides, fill, adds, named)
    return tuple(made[name] for name in _order(conventions) if name in made)


def _order(conventions: Conventions) -> tuple[str, ...]:
    """Return the names of all adjustments in order."""
    return tuple(conventions.read("order", _written_order))


def _written_order(node: Any, path: Path) -> list[str]:
    parts = list(KNOBS["order"].default or ())
    if isinstance(node, str):
        node = [part.strip() for part in node.strip("[]").split(",")]
    if not isinstance(node, list | tuple):
        raise AttnError(
            "order must be a list", path=path, help=f"write order: [{', '.join(parts)}]"
        )
    names = [word(item, (*path, at)) for at, item in enumerate(node)]
    for at, name in enumerate(names):
        if name not in parts:
            raise AttnError(
                f"unknown stage '{printable(name)}' in order",
                path=(*path, at),
                help=did_you_mean(name, parts, what="there are"),
            )
    if sorted(names) != sorted(parts):
        raise AttnError(
            f"order has {', '.join(names) or 'nothing'}, and needs each of {', '.join(parts)} once",
            path=path,
            help=f"write order: [{', '.join(parts)}], in the order in which they happen",
        )
    return names


def _biases(
    sources: Sources, shape: ScoresShape, extent: Extent, token_positions: TokenPositions
) -> tuple[Bias, ...]:
    tree = sources.document.tree
    found: list[Bias] = []
    if "score_bias" in tree:
        from attn_cli.maths.bias.given import ScoreBias

        root: Path = ("score_bias",)
        node, path, keys = unwrapped(tree["score_bias"], root)
        written = sources.read_array(node, path)
        if written.dtype.kind == "f" and not np.isfinite(written).all():
            at = (*path, *first(~np.isfinite(written)))
            raise AttnError(
                f"{dotted(at)} is not finite, and a bias hides nothing",
                path=at,
                help="hide keys with a mask"
                + ("" if sources.finite else "; nonfinite: allow is for Q, K, V and weights"),
            )
        matrix = sources.numbers(node, path)
        axes, _ = axes_of(keys, root, matrix, shape, sources.conventions)
        found.append(ScoreBias(shape.spread(matrix, path, axes)))
    if "alibi" in tree:
        alibi = _alibi(sources, tree["alibi"], shape, extent, token_positions)
        found += [] if alibi is None else [alibi]
    if "relative_bias" in tree:
        found.append(_relative(sources, tree["relative_bias"], shape, extent, token_positions))
    return tuple(found)


def _alibi(
    sources: Sources, node: Any, shape: ScoresShape, extent: Extent, token_positions: TokenPositions
) -> Bias | None:
    """Return ALiBi: true, the slopes, or {slopes:, form:, positions:}."""
    from attn_cli.maths.bias.alibi import Alibi, slopes

    path: Path = ("alibi",)
    conventions = sources.conventions
    if isinstance(node, list | tuple | np.ndarray | Member) or names_file(node):
        keys: Any = {"slopes": node}
    elif isinstance(node, dict):
        keys = mapping(node, path, KEYS["alibi"].inner)
    elif flag(node, path, help="or write the slopes as a list, or {slopes: ..., form: ...}"):
        keys = {}
    else:
        return None
    form = str(conventions.read("alibi.form"))
    given = keys.get("slopes", "")
    if isinstance(given, str) and not names_file(given):
        values: Array = slopes(shape.heads or 1, str(conventions.read("alibi.slopes")))
    else:
        at = (*path, "slopes") if isinstance(node, dict) else path
        values = sources.of_heads(given, at, (), shape.heads)
    return Alibi(values, form, shape.n_k, token_positions, _own(sources, keys, path, extent))


def _own(
    sources: Sources, keys: Mapping[str, Any], path: Path, extent: Extent
) -> TokenPositions | None:
    """Return the positions written for this bias; None: those of the problem."""
    if "positions" not in keys:
        return None
    from attn_cli.reading.own_positions import read_own_positions

    return read_own_positions(sources.document, keys["positions"], (*path, "positions"), extent)


def _relative(
    sources: Sources, node: Any, shape: ScoresShape, extent: Extent, token_positions: TokenPositions
) -> Bias:
    """Return T5's bias: {table:, bidirectional:, max_distance:, positions:}."""
    from attn_cli.maths.bias.relative import RelativeBias

    path: Path = ("relative_bias",)
    keys = mapping(node, path, KEYS["relative_bias"].inner)
    if "table" not in keys:
        raise AttnError(
            "relative_bias.table is missing",
            path=path,
            help="write relative_bias: {table: [...]}, one row per bucket, one column per head",
        )
    table = sources.of_heads(keys["table"], (*path, "table"), ("buckets",), shape.heads)
    both = flag(keys.get("bidirectional", True), (*path, "bidirectional"))
    near = len(table) // (4 if both else 2)
    if near < 1 or (both and len(table) % 2):
        raise AttnError(
            f"relative_bias.table has {len(table)} rows: "
            + ("half of the buckets are for keys after the query" if both else "too few"),
            path=(*path, "table"),
            help="give an even number of buckets, 4 or more" if both else "give 2 buckets or more",
        )
    place = (*path, "max_distance")
    farthest = integer(keys.get("max_distance", 128), place, 1)
    if farthest <= near:
        raise AttnError(
            f"relative_bias.max_distance is {farthest}, but the first "
            + (
                "bucket holds one distance"
                if near == 1
                else f"{near} buckets hold one distance each"
            ),
            path=place if "max_distance" in keys else path,
            help=f"give more than {near}",
        )
    own = _own(sources, keys, path, extent)
    return RelativeBias(table, both, farthest, token_positions, own)
