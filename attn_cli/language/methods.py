"""Names of the look-up methods, and of the treatments of unknown words, for help and errors."""

from __future__ import annotations

from attn_cli.errors import AttnError, argument, did_you_mean, printable

METHODS = {"one-hot": "none", "embeddings": "argmax", "softmax": "softmax"}  # with its normaliser
UNKNOWN = ("error", "skip", "keep")


def refuse_other_names(method: str | None, unknown: str) -> None:
    """Raise AttnError for an unknown method, and for an unknown treatment of unknown words."""
    choices = [] if method is None else [("method", method, tuple(METHODS))]
    for name, given, known in (*choices, ("unknown", unknown, UNKNOWN)):
        if given not in known:
            raise AttnError(
                f"{argument(name)} cannot be '{printable(str(given))}'",
                help=did_you_mean(str(given), known, what="it can be"),
            )
