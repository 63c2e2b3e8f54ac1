"""attn, the attention calculator: every step of an attention computation, exactly.

    import attn_cli

    record = attn_cli.attention(Q, K, V, causal="top-left")
    record["weights"]                                   # an array
    attn_cli.compute("samples/love_coding.yaml")["output"]
    attn_cli.translate("le chat est sous la table").text

Importing this package imports neither numpy nor a command line; the functions load what they need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attn_cli.errors import AttnError
from attn_cli.record import Record, Step

if TYPE_CHECKING:
    from attn_cli.api import attention, compute, translate

__version__ = "0.1.0"
__all__ = ["AttnError", "Record", "Step", "__version__", "attention", "compute", "translate"]


def __getattr__(name: str) -> object:
    if name in {"attention", "compute", "translate"}:
        from attn_cli import api

        return getattr(api, name)
    raise AttributeError(f"module 'attn_cli' has no attribute '{name}'")
