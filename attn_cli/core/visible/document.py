"""Documents: several texts in one sequence, none of which sees another.

seen where the query's id is the key's id

That is PyTorch's document mask for flex_attention, JAX's segment ids, and what flash-attention's
cumulative lengths do. Ids are whole numbers, and a document need not be in one piece.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from attn_cli.core.arrays import Bools, Integers
from attn_cli.core.place import Place
from attn_cli.core.visible.base import Reach


@dataclass(frozen=True, slots=True)
class Documents:
    """Query i sees the keys of its own document."""

    reason: ClassVar[str] = "document"
    query_ids: Integers  # (batch, n_q)
    key_ids: Integers  # (batch, n_k)

    @property
    def formula(self) -> str:
        """The equation."""
        return "document of i = document of j"

    def sees(self, at: Place) -> Bools:
        """Return where the two ids are the same."""
        of_queries = self.query_ids[at.batch, at.i]
        visible: Bools = of_queries[:, None] == self.key_ids[at.batch, at.j][None, :]
        return visible

    def reach(self, batch: int, p: Integers, n_k: int) -> Reach:  # noqa: ARG002
        """Return all keys: where a document begins and ends is known only by looking."""
        return 0, n_k
