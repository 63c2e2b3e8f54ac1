"""The variants of kernels, as data: what implementations of attention were found to do in public.

One module per subject, each with a tuple of variants; the sources name the thread, or the file,
where it was met. A subject without any source is typical all the same: nobody had to report it.
"""

from __future__ import annotations

from attn_cli.lab.variants.kernels.alibi import ALIBI
from attn_cli.lab.variants.kernels.alignment import ALIGNMENT
from attn_cli.lab.variants.kernels.biases import BIASES
from attn_cli.lab.variants.kernels.caps import CAPS
from attn_cli.lab.variants.kernels.fills import FILLS
from attn_cli.lab.variants.kernels.grouping import GROUPING
from attn_cli.lab.variants.kernels.lengths import LENGTHS
from attn_cli.lab.variants.kernels.masks import MASKS
from attn_cli.lab.variants.kernels.norms import NORMS
from attn_cli.lab.variants.kernels.results import RESULTS
from attn_cli.lab.variants.kernels.rope import ROPE
from attn_cli.lab.variants.kernels.scales import SCALES
from attn_cli.lab.variants.kernels.sinks import SINKS
from attn_cli.lab.variants.kernels.windows import WINDOWS
from attn_cli.lab.variants.variant import Variant

# In the order of the computation.
KERNELS: tuple[Variant, ...] = (
    *GROUPING,
    *NORMS,
    *ROPE,
    *SCALES,
    *CAPS,
    *ALIBI,
    *BIASES,
    *ALIGNMENT,
    *WINDOWS,
    *MASKS,
    *LENGTHS,
    *FILLS,
    *SINKS,
    *RESULTS,
)

__all__ = ["KERNELS"]
