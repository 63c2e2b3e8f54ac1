"""Documents: several texts in one sequence, none of which sees another.

seen where the query's id is the key's id

That is PyTorch's document mask for flex_attention, JAX's segment ids, and what flash-attention's
cumulative lengths do. Ids are whole numbers, and a document need not be in one piece.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from attn_cli.core.arrays import Bools, Integers
from attn_cli.core.place import Place
from attn_cli.core.ranges import Range, Ranges, union
from attn_cli.dataclass import dataclass

FEW = 8  # documents whose places are looked up, rather than all keys be looked at


@dataclass(frozen=True)
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

    def reach(self, at: Place, n_k: int) -> Ranges:
        """Return the keys from the first to the last of each document of the queries."""
        ids = set(self.query_ids[at.batch, at.i].tolist())
        if len(ids) > FEW:
            return union([(0, n_k)])
        key_ids = self.key_ids[at.batch]
        places = [np.flatnonzero(key_ids == each) for each in ids]
        return union((int(at[0]), int(at[-1]) + 1) for at in places if len(at))

    def open(self, at: Place, n_k: int) -> Range:
        """Return the range of the queries' only document, where that lies in one piece."""
        ids = set(self.query_ids[at.batch, at.i].tolist())
        if len(ids) != 1:
            return 0, 0
        keys = np.flatnonzero(self.key_ids[at.batch] == ids.pop())
        whole = len(keys) and keys[-1] - keys[0] == len(keys) - 1
        return (int(keys[0]), min(int(keys[-1]) + 1, n_k)) if whole else (0, 0)
