"""Rotary positions, read: how q and k are turned, and how the angles are scaled."""

from __future__ import annotations

from typing import Any

from attn_cli.core.rope import SCALINGS, Rope, Scaling
from attn_cli.errors import AttnError, Path, dotted
from attn_cli.read.problem.sources import Sources
from attn_cli.read.text.mappings import mapping, refuse_unknown_parameters
from attn_cli.read.text.scalars import choice, flag, integer, positive

KEYS = ("base", "interleaved", "dims", "scaling")
BASE = 10000.0


def read_rope(sources: Sources, node: Any, d_q: int, d_k: int) -> Rope | None:
    """Return the rotation: true, or {base:, interleaved:, dims:, scaling:}."""
    path: Path = ("rope",)
    conventions = sources.conventions
    if not isinstance(node, dict):
        if not flag(node, path, help="or write {base: ..., interleaved: ..., dims: ...}"):
            return None
        node = {}
    keys = mapping(node, path, KEYS)
    interleaved = bool(conventions.get("rope.interleaved"))
    if "interleaved" in keys:
        interleaved = flag(keys["interleaved"], (*path, "interleaved"))
        conventions.override("rope.interleaved", interleaved)
    place = (*path, "dims")
    depth = min(d_q, d_k)
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
    base = positive(keys["base"], (*path, "base")) if "base" in keys else BASE
    if base <= 1:
        raise AttnError(
            f"rope.base must be more than 1, not {base:g}: the angles of later pairs are smaller",
            path=(*path, "base"),
        )
    scaling = _scaling(keys["scaling"], (*path, "scaling")) if "scaling" in keys else None
    return Rope(base, interleaved, dims, scaling, sources.precision.rope)


def _scaling(node: Any, path: Path) -> Scaling:
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
    known = {p.name: p for p in SCALINGS[name].parameters}
    given = [key for key in keys if key != "kind"]
    refuse_unknown_parameters(name, given, known, path)
    values: dict[str, float] = {}
    for parameter in known.values():
        place = (*path, parameter.name)
        if parameter.name in keys:
            node = keys[parameter.name]
            values[parameter.name] = (
                flag(node, place)
                if parameter.kind == "flag"
                else integer(node, place, parameter.minimum)
                if parameter.kind == "integer"
                else positive(node, place)
            )
        elif not parameter.optional:
            raise AttnError(
                f"{dotted(place)} is missing: {name} needs "
                + ", ".join(p.signature for p in known.values()),
                path=path,
            )
    _refuse_disorder(name, values, path)
    return Scaling(name, values)


def _refuse_disorder(name: str, values: dict[str, float], path: Path) -> None:
    """Raise AttnError where the end of a ramp does not lie behind its beginning."""
    kind = SCALINGS[name]
    every = {p.name: p.default for p in kind.parameters} | values
    if kind.ordered is None:
        return
    above, below = (every[part] for part in kind.ordered)
    if above is not None and below is not None and above <= below:
        raise AttnError(
            f"{dotted((*path, kind.ordered[0]))} is {above:g}, and must be more than "
            f"{kind.ordered[1]}, which is {below:g}",
            path=path,
        )
