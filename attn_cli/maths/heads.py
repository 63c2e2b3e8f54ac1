"""Which key head a query head reads, and numbers per query head.

    interleave:  g = h div (H / G)      each key head serves H / G query heads in a row
    tile:        g = h mod G            the key heads one after another, again and again

h = 0 .. H - 1 is the query head, g = 0 .. G - 1 the key head; G divides H. G = H is multi-head
attention, G = 1 multi-query attention (Shazeer 2019, arXiv 1911.02150), in between
grouped-query attention (Ainslie et al. 2023, arXiv 2305.13245). PyTorch, transformers,
flash-attention, JAX, Keras and ONNX from 1.20 interleave; x-transformers and the reference of ONNX
1.18 and 1.19 tile. With 6 query heads and 2 key heads that is 0 0 0 1 1 1 against 0 1 0 1 0 1. Any
other map is a list of key heads, one per query head; then G need not divide H.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from attn_cli.dataclass import dataclass
from attn_cli.formula import Formula, Index, Symbol
from attn_cli.formula import number as number_of

PerHead: TypeAlias = "float | tuple[float, ...]"  # one number for all query heads, or one each


@dataclass(frozen=True)
class Grouping:
    """How query heads share key heads: (h, H, G) -> g, and the same as text."""

    function: Callable[[int, int, int], int]
    text: str


def _interleave(head: int, heads: int, kv_heads: int) -> int:
    return head // (heads // kv_heads)


def _tile(head: int, heads: int, kv_heads: int) -> int:  # noqa: ARG001
    return head % kv_heads


GROUPINGS: dict[str, Grouping] = {
    "interleave": Grouping(_interleave, "query head h reads key head h div (heads / kv_heads)"),
    "tile": Grouping(_tile, "query head h reads key head h mod kv_heads"),
}


def key_head(head: int, heads: int, kv_heads: int, grouping: str) -> int:
    """Return the key head that a query head reads; kv_heads divides heads."""
    return GROUPINGS[grouping].function(head, heads, kv_heads)


def of_head(number: PerHead, head: int) -> float:
    """Return the number that holds for a query head."""
    return number[head] if isinstance(number, tuple) else number


def named(number: PerHead, name: str) -> Formula:
    """Return a number as a formula: itself, or name[head] if each query head has its own.

    >>> str(named(0.5, "scale")), str(named((0.5, 2.0), "scale"))
    ('0.5', 'scale[head]')
    """
    if isinstance(number, tuple):
        return Index(Symbol(name), Symbol("head"))
    return number_of(float(number))
