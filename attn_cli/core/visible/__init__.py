"""May query i see key j? Causal order, windows, lengths, documents, masks. One module each.

    seen     = all schemes say so
    visible  = 0 where seen, else the code of the first reason why not

Each scheme stands alone and is asked about a `Place`.
"""

from attn_cli.core.visible.base import (
    CODES,
    REASONS,
    Codes,
    Lead,
    Reach,
    Scheme,
    all_of,
    codes,
    common_reach,
)
from attn_cli.core.visible.causal import Causal
from attn_cli.core.visible.document import Documents
from attn_cli.core.visible.length import KeyLengths
from attn_cli.core.visible.user import Mask
from attn_cli.core.visible.window import Window

__all__ = [
    "CODES",
    "REASONS",
    "Causal",
    "Codes",
    "Documents",
    "KeyLengths",
    "Lead",
    "Mask",
    "Reach",
    "Scheme",
    "Window",
    "all_of",
    "codes",
    "common_reach",
]
