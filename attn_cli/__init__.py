"""attn, the attention calculator: every step of an attention computation, exactly.

    import attn_cli

    record = attn_cli.attention(Q, K, V, causal="top-left")
    record["weights"]                                   # an array
    attn_cli.compute("samples/love_coding.yaml")["output"]
    attn_cli.translate("le chat est sous la table").text

Importing this package imports nothing else: its names load their modules on first use. Otherwise
Ctrl-C while the command line starts could show a traceback.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as in `typing`, whose import would take longer than this whole module
if TYPE_CHECKING:
    from attn_cli.api import attention, compute, translate
    from attn_cli.errors import AttnError
    from attn_cli.record import Record, Step

__version__ = "0.1.0"
__all__ = ["AttnError", "Record", "Step", "__version__", "attention", "compute", "translate"]


_MODULES = {
    "AttnError": "errors", "Record": "record", "Step": "record",
    "attention": "api", "compute": "api", "translate": "api",
}  # fmt: skip


def __getattr__(name: str) -> object:
    if name in _MODULES:
        from importlib import import_module

        return getattr(import_module(f"attn_cli.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'attn_cli' has no attribute '{name}'")
