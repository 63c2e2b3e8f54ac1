"""Rotary positions, read: the rotation of q and k, and the scaling of the angles."""

from __future__ import annotations

from typing import Any

import numpy as np

from attn_cli.errors import AttnError, Path, dotted
from attn_cli.maths.parameter import defaults
from attn_cli.maths.rope import SCALINGS, Rope, Scaling
from attn_cli.maths.token_positions import TokenPositions
from attn_cli.reading.extent import Extent
from attn_cli.reading.keys import KEYS
from attn_cli.reading.own_positions import ROWS, read_own_positions
from attn_cli.reading.parameters import read_parameters
from attn_cli.reading.sources import Sources
from attn_cli.reading.whole_numbers import whole_numbers
from attn_cli.sources.matrices.shapes import shape_text
from attn_cli.sources.text.mappings import mapping
from attn_cli.sources.text.scalars import choice, flag, integer, positive

LAYOUTS = ("blocks", "in-turn")
BASE = 10000.0


def read_rope(
    sources: Sources, depth: int, extent: Extent, *, rotated: bool
) -> tuple[Rope | None, TokenPositions | None]:
    """Return the rotation, and the positions that are written for it.

    The node is true, or {base:, interleaved:, dims:, scaling:, positions:, sections:,
    sections_layout:}; `depth` is the lesser of d_q and d_k, and `rotated` is set if the keys of the
    past are rotated already.
    """
    path: Path = ("rope",)
    node, conventions = sources.document.tree["rope"], sources.conventions
    if not isinstance(node, dict):
        if not flag(node, path, help="or write {base: ..., interleaved: ..., dims: ...}"):
            return None, None
        node = {}
    keys = mapping(node, path, KEYS["rope"].inner)
    interleaved = bool(conventions.read("rope.interleaved"))
    dims = _dims(keys, path, depth)
    base = positive(keys["base"], (*path, "base")) if "base" in keys else BASE
    if base <= 1:
        raise AttnError(
            f"rope.base must be more than 1, not {base:g}: the angles of later pairs are smaller",
            path=(*path, "base"),
        )
    scaling = _scaling(sources, keys["scaling"], (*path, "scaling")) if "scaling" in keys else None
    sections, in_turn = _sections(sources, keys, path, dims)
    positions = None
    if "positions" in keys:
        positions = read_own_positions(
            sources.document,
            keys["positions"],
            (*path, "positions"),
            extent,
            new_keys=rotated,
            rows=sections is not None,
        )
    rope = Rope(base, interleaved, dims, scaling, sources.precision.rope, sections, in_turn)
    return rope, positions


def _dims(keys: Any, path: Path, depth: int) -> int:
    """Return the number of rotated features: an even number, by default all of them."""
    place = (*path, "dims")
    dims = integer(keys["dims"], place, 2) if "dims" in keys else depth
    if dims % 2 or dims > depth:
        raise AttnError(
            f"rope.dims is {dims}, and must be even and at most d_k = {depth}"
            if "dims" in keys
            else f"rope turns pairs of features, and d_k = {depth} is odd",
            path=place if "dims" in keys else path,
            at_key="dims" not in keys,
            help=f"write rope: {{dims: {depth - depth % 2}}} to leave the last feature as it is"
            if "dims" not in keys and depth > 1
            else None,
        )
    return dims


def _sections(
    sources: Sources, keys: Any, path: Path, dims: int
) -> tuple[tuple[int, ...] | None, bool]:
    """Return the numbers of pairs for three rows of positions, and whether they alternate."""
    for key, other in (("sections", "sections_layout"), ("sections_layout", "sections")):
        if key in keys and other not in keys:
            raise AttnError(
                f"rope.{key} needs rope.{other}", path=(*path, key), at_key=True, help=_LAYOUTS
            )
    if "sections" not in keys:
        return None, False
    place = (*path, "sections")
    if "positions" not in keys:
        raise AttnError(
            "rope.sections needs rope.positions of three rows",
            path=place,
            at_key=True,
            help="write rope: {positions: {query: {temporal: [...], height: [...], width: [...]}, "
            "key: {...}}, ...}",
        )
    in_turn = choice(keys["sections_layout"], (*path, "sections_layout"), LAYOUTS) == "in-turn"
    found = whole_numbers(sources.document, keys["sections"], place)
    if found.shape != (3,) or (found < 0).any() or found.sum() != dims // 2:
        written = (
            shape_text(found.tolist()) if found.ndim == 1 else f"of shape {shape_text(found.shape)}"
        )
        raise AttnError(
            f"rope.sections is {written}, and must be three numbers, none below 0, that add up to "
            f"half of the rotary dims: {dims // 2}",
            path=place,
            help="they count the pairs that use temporal, height and width positions",
        )
    sections = tuple(found.tolist())
    for row in (1, 2) if in_turn else ():
        room = len(range(row, dims // 2, 3))
        if sections[row] > room:
            raise AttnError(
                f"rope.sections[{row}] is {sections[row]}, but in turn only {room} of "
                f"{dims // 2} pairs can use {ROWS[row]} positions",
                path=(*place, row),
                help="every third pair from the second (height) or third (width) on",
            )
    return sections, in_turn


_LAYOUTS = (
    "sections_layout: blocks gives the first pairs to temporal positions, the next to height, the "
    "last to width (Qwen2-VL); in-turn lets the three take turns (Qwen3-VL)"
)


def _scaling(sources: Sources, node: Any, path: Path) -> Scaling:
    """Return a scaling of the frequencies: {kind:, factor:, ...}."""
    every = {p.name for kind in SCALINGS.values() for p in kind.parameters}
    keys = mapping(node, path, ("kind", *sorted(every)))
    if "kind" not in keys:
        raise AttnError(
            f"{dotted(path)} names no kind",
            path=path,
            help=f"write {{kind: NAME, ...}}; there are: {', '.join(SCALINGS)}",
        )
    name = choice(keys["kind"], (*path, "kind"), tuple(SCALINGS))
    values = read_parameters(
        sources,
        name,
        SCALINGS[name].parameters,
        {key: value for key, value in keys.items() if key != "kind"},
        path,
        dtype=np.dtype(np.float64),
        named_by="kind",
    )
    _refuse_disorder(name, values, path)
    return Scaling(name, values)


def _refuse_disorder(name: str, values: dict[str, float], path: Path) -> None:
    """Raise AttnError if the end of a ramp is not after its beginning."""
    kind = SCALINGS[name]
    if kind.ordered is None:
        return
    every = defaults(kind.parameters) | values
    above, below = (every[part] for part in kind.ordered)
    if above <= below:
        raise AttnError(
            f"{dotted((*path, kind.ordered[0]))} is {above:g}, and must be more than "
            f"{kind.ordered[1]}, which is {below:g}",
            path=path,
        )
