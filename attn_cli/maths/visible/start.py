"""Left padding: the keys of a batch entry before its first real key are hidden.

    seen if j >= key_start[batch]

Positions count from that key: see `maths.token_positions`.
"""

from __future__ import annotations

from typing import ClassVar

from attn_cli.arrays import Bools
from attn_cli.dataclass import dataclass
from attn_cli.formula import Formula, Index, Relation, Symbol, number
from attn_cli.maths.place import Place
from attn_cli.maths.ranges import Ranges, union


@dataclass(frozen=True)
class KeyStart:
    """Queries of a batch entry see no key before that one, 0 .. n_k; one number per batch entry."""

    reason: ClassVar[str] = "key_start"
    starts: tuple[int, ...]

    @property
    def formula(self) -> Formula:
        """The inequality, with the start as a number if all batch entries have the same."""
        of_batch = Index(Symbol("key_start"), Symbol("batch"))
        same = len(set(self.starts)) == 1
        return Relation(Symbol("j"), ">=", number(self.starts[0]) if same else of_batch)

    def sees(self, at: Place) -> Bools:
        """Return (1 x len(j)): whether j is not before the start."""
        visible: Bools = at.j[None, :] >= self.starts[at.batch]
        return visible

    def reach(self, at: Place, n_k: int) -> Ranges:
        """Return the keys from the start on."""
        return union([(self.starts[at.batch], n_k)])

    def open(self, at: Place, n_k: int) -> Ranges:
        """Return the keys from the start on: every query sees all of them."""
        return self.reach(at, n_k)
