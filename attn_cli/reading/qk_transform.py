"""The transforms of q and k before their product, read: QK norm and rope."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attn_cli.errors import AttnError, Path
from attn_cli.maths.norm import DEFAULT_EPS, FUNCTIONS, HeadNorm
from attn_cli.maths.problem import Past, Projection, QKTransform
from attn_cli.maths.rules import Rules
from attn_cli.reading.extent import Extent
from attn_cli.reading.keys import KEYS
from attn_cli.reading.sources import Sources
from attn_cli.sources.text.mappings import mapping
from attn_cli.sources.text.scalars import choice, positive


def read_qk_transform(
    sources: Sources,
    query: Projection | None,
    key: Projection | None,
    extent: Extent,
    past: Past | None,
) -> QKTransform:
    """Return the norms and the rotation that the problem has."""
    tree = sources.document.tree
    given = [name for name in ("qk_norm", "rope") if name in tree]
    if given and (query is None or key is None):
        raise AttnError(
            f"{given[0]} changes queries and keys, and this score function reads neither",
            path=(given[0],),
            at_key=True,
            help=f"leave out {given[0]}, or choose another score function",
        )
    query_norm, key_norm = _norms(sources, tree.get("qk_norm"))
    rope, positions = None, None
    if query is not None and key is not None and "rope" in tree:
        from attn_cli.reading.rope_reader import read_rope

        rope, positions = read_rope(
            sources,
            min(query.depth, key.depth),
            extent,
            rotated=past is not None and past.rotated,
        )
    return QKTransform(query_norm, key_norm, rope, positions)


def note_of_rope(tree: Mapping[str, Any], rules: Rules, qk_transform: QKTransform) -> list[str]:
    """Return a note that rope uses the numbers of tokens as positions, regardless of the mask."""
    masked = any(scheme.reason == "mask" for scheme in rules.schemes)
    said = qk_transform.positions is not None or {"key_start", "documents"} & set(tree)
    if not masked or qk_transform.rope is None or said:
        return []
    return [
        "rope turns each token by its number, whatever the mask hides: if tokens have other "
        "positions (left padding, packed sequences, trees), write key_start, documents or "
        "rope.positions"
    ]


def _norms(sources: Sources, node: Any) -> tuple[HeadNorm | None, HeadNorm | None]:
    """Return the norms of q and of k, which differ only in their gains."""
    path: Path = ("qk_norm",)
    if node is None:
        return None, None
    keys = (
        mapping(node, path, KEYS["qk_norm"].inner) if isinstance(node, dict) else {"function": node}
    )
    if "function" not in keys:
        raise AttnError("qk_norm names no function", path=path, help="write {function: rms}")
    place = (*path, "function") if isinstance(node, dict) else path
    name = choice(keys["function"], place, tuple(FUNCTIONS))
    eps = positive(keys["eps"], (*path, "eps")) if "eps" in keys else DEFAULT_EPS[name]
    gains = [
        sources.array(keys[gain], (*path, gain), (d,)) if gain in keys else None
        for gain, d in (("query_gain", "d_q"), ("key_gain", "d_k"))
    ]
    return HeadNorm(name, eps, gains[0]), HeadNorm(name, eps, gains[1])
