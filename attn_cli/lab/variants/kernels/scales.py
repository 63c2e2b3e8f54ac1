"""Scales of other widths: of all heads together, of padded heads, of another token's formula."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import sqrt

from attn_cli.lab.variants.variant import KERNEL, Base, Changes, Variant, of_keys

Scale = Callable[[Base], "float | None"]
PADDED = (8, 16, 32, 64, 128)  # multiples to which kernels pad the features of a head


def _keys(scale: Scale, base: Base) -> Changes | None:
    """Return the change of `scale`; None without Q K^T, or if the problem has that scale."""
    found = scale(base) if base.problem.key is not None else None
    return None if found is None or found == base.problem.scale else {"scale": found}


def _depth(base: Base) -> int:
    return base.problem.key.depth if base.problem.key else 0


def _padded(multiple: int, base: Base) -> float | None:
    """Return 1/sqrt(d_k rounded up to a multiple)."""
    d = _depth(base)
    return 1 / sqrt(-(-d // multiple) * multiple) if d % multiple else None


def _of_all_heads(base: Base) -> float | None:
    """Return 1/sqrt(H d_k)."""
    heads = base.problem.heads or 1
    return 1 / sqrt(heads * _depth(base)) if heads > 1 else None


def _variant(name: str, sentence: str, scale: Scale, *sources: str, needs: str = "") -> Variant:
    return of_keys(name, sentence, partial(_keys, scale), kind=KERNEL, sources=sources, needs=needs)


SCALES = (
    _variant(
        "scale-of-all-heads",
        "the scores were divided by the root of all heads' features, sqrt(H d_k)",
        _of_all_heads,
        "karpathy/ng-video-lecture#6",
        needs="several heads",
    ),
    *(
        _variant(
            f"scale-padded-to-{multiple}",
            f"the scores were divided by the root of d_k rounded up to a multiple of {multiple}",
            partial(_padded, multiple),
            needs=f"d_k that is not a multiple of {multiple}",
        )
        for multiple in PADDED
    ),
)
