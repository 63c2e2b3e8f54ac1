"""The three sides of attention (query, key, value), and the number of heads of each."""

from __future__ import annotations

from typing import Literal

from attn_cli.dataclass import dataclass

Side = Literal["query", "key", "value"]
LETTERS = {"query": "q", "key": "k", "value": "v"}


@dataclass(frozen=True)
class Heads:
    """The number of heads of queries, and of keys and values; None without heads."""

    query: int | None
    key: int | None

    def of(self, side: str) -> int | None:
        """Return the number of heads of a side."""
        return self.query if side == "query" else self.key

    def symbol(self, side: str) -> str:
        """Return the symbol of that number in shapes."""
        return "heads" if side == "query" or self.key == self.query else "kv_heads"
