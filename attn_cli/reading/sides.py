"""The three sides that meet in attention, and how many heads each has."""

from __future__ import annotations

from typing import Literal

from attn_cli.dataclass import dataclass

Side = Literal["query", "key", "value"]
LETTERS = {"query": "q", "key": "k", "value": "v"}


@dataclass(frozen=True)
class Heads:
    """How many heads queries have, and keys and values; None where there are none."""

    query: int | None
    key: int | None

    def of(self, side: str) -> int | None:
        """Return how many a side has."""
        return self.query if side == "query" else self.key

    def symbol(self, side: str) -> str:
        """Return what shapes call them."""
        return "heads" if side == "query" or self.key == self.query else "kv_heads"
