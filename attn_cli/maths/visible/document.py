"""Documents: several texts in one sequence; no query sees keys of another text.

seen if the query's id is the key's id

That is PyTorch's document mask for flex_attention, JAX's segment ids, and what flash-attention's
cumulative lengths do. Ids are whole numbers, and a document need not be in one piece. Positions
count inside a document: see `maths.token_positions`.
"""

from __future__ import annotations

from typing import ClassVar

from attn_cli.arrays import Bools, Integers
from attn_cli.dataclass import dataclass
from attn_cli.formula import Formula, Relation, Symbol, Words
from attn_cli.maths.place import Place
from attn_cli.maths.ranges import Ranges, runs, union, up_to

FEW = 8  # documents of a block of queries up to which their keys are looked up


@dataclass(frozen=True)
class Documents:
    """Query i sees the keys of its own document."""

    reason: ClassVar[str] = "documents"
    query_ids: Integers  # (batch, n_q)
    key_ids: Integers  # (batch, n_k)

    @property
    def formula(self) -> Formula:
        """The equation."""
        query, key = Words("document of ", Symbol("i")), Words("document of ", Symbol("j"))
        return Relation(query, "=", key)

    def sees(self, at: Place) -> Bools:
        """Return whether the two ids are the same."""
        of_queries = self.query_ids[at.batch, at.i]
        visible: Bools = of_queries[:, None] == self.key_ids[at.batch, at.j][None, :]
        return visible

    def reach(self, at: Place, n_k: int) -> Ranges:
        """Return the keys of the documents of the queries; all keys if those are many."""
        ids = set(self.query_ids[at.batch, at.i].tolist())
        if len(ids) > FEW:
            return up_to(n_k)
        key_ids = self.key_ids[at.batch]
        return union(part for each in ids for part in runs(key_ids == each))

    def open(self, at: Place, n_k: int) -> Ranges:  # noqa: ARG002
        """Return the keys of the queries' document, if they have only one."""
        ids = set(self.query_ids[at.batch, at.i].tolist())
        return runs(self.key_ids[at.batch] == ids.pop()) if len(ids) == 1 else ()
