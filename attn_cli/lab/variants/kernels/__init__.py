"""The variants of kernels, as data: what implementations of attention were found to do in public.

One module per subject, each with a tuple of variants; the sources name the thread, or the file,
where it was met.
"""

from __future__ import annotations

from attn_cli.lab.variants.kernels.scales import SCALES
from attn_cli.lab.variants.variant import Variant

# In the order of the computation.
KERNELS: tuple[Variant, ...] = (*SCALES,)

__all__ = ["KERNELS"]
