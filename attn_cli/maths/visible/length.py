"""Lengths: of each batch entry only the first keys are real, the others are padding.

seen if j < key_lengths[batch]
"""

from __future__ import annotations

from typing import ClassVar

from attn_cli.arrays import Bools
from attn_cli.dataclass import dataclass
from attn_cli.formula import Formula, Index, Relation, Symbol, number
from attn_cli.maths.place import Place
from attn_cli.maths.ranges import Ranges, up_to


@dataclass(frozen=True)
class KeyLengths:
    """Queries of a batch entry see that many keys, 0 .. n_k; one number per batch entry."""

    reason: ClassVar[str] = "key_lengths"
    lengths: tuple[int, ...]

    @property
    def formula(self) -> Formula:
        """The inequality, with the length as a number if there is only one."""
        of_batch = Index(Symbol("key_lengths"), Symbol("batch"))
        same = len(set(self.lengths)) == 1
        return Relation(Symbol("j"), "<", number(self.lengths[0]) if same else of_batch)

    def sees(self, at: Place) -> Bools:
        """Return (1 x len(j)): whether j is below the length."""
        visible: Bools = at.j[None, :] < self.lengths[at.batch]
        return visible

    def reach(self, at: Place, n_k: int) -> Ranges:
        """Return the keys below the length."""
        return up_to(min(self.lengths[at.batch], n_k))

    def open(self, at: Place, n_k: int) -> Ranges:
        """Return the keys below the length: every query sees all of them."""
        return self.reach(at, n_k)
