"""The variants of a problem, as data: one list, which every question about them reads.

A new variant is one row in one of the modules here; a new kind of variants is one module and one
line. `variants_of` adds the conventions of other systems that matter for a problem: these explain
the answers of people. `hypotheses` has presets and the variants of kernels too, for their outputs.
"""

from __future__ import annotations

from collections.abc import Iterator

from attn_cli.lab.variants.conventions import of_conventions, of_presets, of_systems
from attn_cli.lab.variants.finishing import FINISHING
from attn_cli.lab.variants.heads import HEADS
from attn_cli.lab.variants.hiding import HIDING
from attn_cli.lab.variants.normalising import NORMALISING
from attn_cli.lab.variants.positioning import POSITIONING
from attn_cli.lab.variants.projecting import PROJECTING
from attn_cli.lab.variants.scaling import SCALING
from attn_cli.lab.variants.ties import TIES
from attn_cli.lab.variants.variant import Base, Variant

# In the order in which people meet them: of several that fit, the first is the likeliest.
MISTAKES: tuple[Variant, ...] = (
    *SCALING,
    *NORMALISING,
    *TIES,
    *HIDING,
    *PROJECTING,
    *POSITIONING,
    *HEADS,
    *FINISHING,
)


def variants_of(base: Base) -> Iterator[Variant]:
    """Yield all variants, the usual mistakes first; not all of them mean something here."""
    yield from MISTAKES
    if any(scheme.reason == "window" for scheme in base.problem.rules.schemes):
        from attn_cli.lab.variants.kernels.windows import WINDOWS

        yield from WINDOWS  # people are off by one as kernels are
    yield from of_conventions(base)
    yield from of_systems(base)


def hypotheses(base: Base) -> Iterator[Variant]:
    """Yield every variant: those of kernels, which take time to load, and presets by name too."""
    from attn_cli.lab.variants.kernels import KERNELS

    yield from MISTAKES
    yield from of_conventions(base)
    yield from of_presets(base)
    yield from KERNELS


__all__ = ["MISTAKES", "Base", "Variant", "hypotheses", "variants_of"]
