"""Where the queries stand among the keys: causal, offset and what else decides it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from attn_cli.conventions.resolve import Conventions
from attn_cli.dataclass import dataclass
from attn_cli.errors import AttnError, Path, dotted
from attn_cli.read.text.scalars import choice, integer, shown

ALIGNMENTS = ("true", "false", "top-left", "bottom-right")
LEAST = -(2**53)
# Keys whose meaning depends on where a query stands.
USERS = ("window", "alibi", "relative_bias", "rope")


@dataclass(frozen=True)
class Extent:
    """What the positions of queries are reckoned from."""

    n_q: int
    n_k: int  # the past included
    batch: int | None  # entries; None where there is no such axis
    past: int | None  # keys in the cache; None where there is none
    key_lengths: tuple[int, ...] | None  # one a batch entry

    @property
    def entries(self) -> int:
        """How many batch entries there are."""
        return self.batch or 1

    @property
    def counted(self) -> str:
        """Say how many batch entries there are."""
        n = self.entries
        return "is 1 batch entry" if n == 1 else f"are {n} batch entries"

    @property
    def bottom_right(self) -> tuple[int, ...]:
        """The offsets that let the last query stand at the last key that is there."""
        visible = self.key_lengths or (self.n_k,) * self.entries
        return tuple(length - self.n_q for length in visible)

    @property
    def plain(self) -> bool:
        """Whether all alignments are the same."""
        return self.n_q == self.n_k and self.key_lengths is None


def read_standing(
    tree: Mapping[str, Any], extent: Extent, conventions: Conventions
) -> tuple[tuple[int, ...], bool, list[str]]:
    """Return the offset of each batch entry, whether order is causal, and what to warn of.

    Raises AttnError where `causal: true` could mean two things, and where keys contradict.
    """
    causal = _alignment(tree.get("causal", False), ("causal",))
    named = causal in ("top-left", "bottom-right")
    aligned = (0,) * extent.entries if causal == "top-left" else extent.bottom_right
    if named:
        conventions.override("causal", causal)
    if "offset" in tree:
        offsets, owner = read_offset(tree["offset"], ("offset",), extent), "offset"
    elif extent.past is not None and not _by_lengths(causal, extent, conventions):
        offsets, owner = (extent.past,) * extent.entries, "past"
    elif named:
        offsets, owner = aligned, "causal"
    else:
        offsets, owner = _decided(tree, causal == "true", extent, conventions), "causal"
    if named and offsets != aligned:
        raise AttnError(
            f"causal: {causal} lets query 0 stand at key {_listed(aligned)}, but {owner} lets it "
            f"stand at key {_listed(offsets)}",
            path=("causal",),
            help=f"write causal: true, which follows {owner}, or leave out {owner}",
        )
    return offsets, causal != "false", _before_all(offsets, extent)


def _alignment(node: Any, path: Path) -> str:
    if isinstance(node, bool | np.bool_):
        return shown(bool(node))
    return choice(node, path, ALIGNMENTS)


def is_false(node: Any) -> bool:
    """Whether a node is `false`; it may be an array, which compares otherwise."""
    return (isinstance(node, bool | np.bool_) and not node) or (
        isinstance(node, str) and node == "false"
    )


def _by_lengths(causal: str, extent: Extent, conventions: Conventions) -> bool:
    """Whether the preset lets key_lengths win over the past, as ONNX does."""
    cache = conventions.decides("causal") and conventions.get("causal") == "cache"
    return causal == "true" and cache and extent.key_lengths is not None


def read_offset(node: Any, path: Path, extent: Extent) -> tuple[int, ...]:
    """Return the offset of each batch entry, from one number or a list."""
    if isinstance(node, np.ndarray) and node.ndim:
        node = node.tolist()
    if isinstance(node, str) and "," in node:  # as an option has it: --offset 2,3
        node = node.split(",")
    if not isinstance(node, list | tuple):
        return (integer(node, path, LEAST),) * extent.entries
    found = tuple(integer(item, (*path, at), LEAST) for at, item in enumerate(node))
    if len(found) != extent.entries:
        raise AttnError(
            f"{dotted(path)} has {len(found)} numbers, but there {extent.counted}",
            path=path,
            help="write one number for each batch entry, or one for all",
        )
    return found


def _decided(
    tree: Mapping[str, Any], causal: bool, extent: Extent, conventions: Conventions
) -> tuple[int, ...]:
    """Return the offsets where neither offset, past nor an alignment says them."""
    top_left = (0,) * extent.entries
    users = [key for key in USERS if key in tree and not is_false(tree[key])]
    if extent.plain or not (causal or users):
        return top_left
    if conventions.decides("causal"):
        knob = conventions.get("causal")
        by_lengths = knob == "cache" and extent.key_lengths is not None
        if knob == "end":
            return (extent.n_k - extent.n_q,) * extent.entries
        return extent.bottom_right if knob == "bottom-right" or by_lengths else top_left
    if causal:
        because = (
            "key_lengths are given"
            if extent.n_q == extent.n_k
            else ("queries and keys differ in number")
        )
        raise AttnError(
            f"causal: true can mean two things where {because}: "
            f"(n_q, n_k) = ({extent.n_q}, {extent.n_k})",
            path=("causal",),
            help=_both(extent),
        )
    raise AttnError(
        f"{users[0]} needs to know where the queries stand among the keys: "
        f"(n_q, n_k) = ({extent.n_q}, {extent.n_k})"
        + (", and key_lengths are given" if extent.key_lengths else ""),
        path=(users[0],),
        at_key=True,
        help="write offset: 0 where query 0 stands at key 0, "
        f"offset: {_listed(extent.bottom_right)} where the last query stands at the last key",
    )


def _listed(offsets: tuple[int, ...]) -> str:
    """Write offsets as a problem file has them: one number where they agree."""
    return str(offsets[0]) if len(set(offsets)) == 1 else f"[{', '.join(map(str, offsets))}]"


def _both(extent: Extent) -> str:
    """Draw both alignments: at their size where that is small, else 2 against 4."""
    n_q, n_k, shift = extent.n_q, extent.n_k, extent.bottom_right[0]
    note = ""
    if extent.key_lengths is not None:
        note = f", drawn for batch entry 0, of which {extent.key_lengths[0]} keys are there"
    if max(n_q, n_k) > 8:
        n_q, n_k = (2, 4) if n_q < n_k else (4, 2)
        note, shift = f", drawn for {n_q} queries and {n_k} keys", n_k - n_q
    width = max(2 * n_k - 1, len("top-left"))
    lines = [f"write causal: top-left or causal: bottom-right (x: seen){note}"]
    lines.append(f"        {'top-left':{width}}    bottom-right")
    for i in range(n_q):
        left = " ".join("x" if j <= i else "." for j in range(n_k))
        right = " ".join("x" if j <= i + shift else "." for j in range(n_k))
        lines.append(f"        {left:{width}}    {right}")
    return "\n".join(lines)


def _before_all(offsets: tuple[int, ...], extent: Extent) -> list[str]:
    """Warn of queries that stand before the first key because there are so few keys."""
    found: list[str] = []
    if extent.key_lengths is None:
        return found
    for entry, offset in enumerate(offsets):
        if offset < 0:
            count = min(-offset, extent.n_q)
            where = "" if extent.batch is None else f" in batch {entry}"
            first = "query stands" if count == 1 else f"{count} queries stand"
            found.append(f"the offset{where} is {offset}: the first {first} before all keys")
    return found
