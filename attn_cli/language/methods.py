"""How words are looked up, and what becomes of unknown ones: the names, for help and for errors."""

from __future__ import annotations

from attn_cli.errors import AttnError, argument, did_you_mean, printable

METHODS = {"one-hot": "none", "embeddings": "argmax", "softmax": "softmax"}  # with its normaliser
UNKNOWN = ("error", "skip", "keep")


def refuse_other_names(method: str | None, unknown: str) -> None:
    """Raise AttnError for a method that there is not, and for what unknown words cannot do."""
    asked = [] if method is None else [("method", method, tuple(METHODS))]
    for name, given, known in (*asked, ("unknown", unknown, UNKNOWN)):
        if given not in known:
            raise AttnError(
                f"{argument(name)} cannot be '{printable(str(given))}'",
                help=did_you_mean(str(given), known, what="it can be"),
            )
