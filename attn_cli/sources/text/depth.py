"""The nesting limit of a problem, from text or from Python."""

from __future__ import annotations

from attn_cli.errors import AttnError, Path, Where

MAX_DEPTH = 16  # the deepest legal place is mask.values with four axes


def too_deep(path: Path, where: Where | None = None) -> AttnError:
    """Return the error for a node on a level beyond the deepest that is read."""
    return AttnError(
        f"nested more than {MAX_DEPTH} levels deep",
        path=path,
        where=where,
        help="a matrix has two levels of brackets, and four at most",
    )
