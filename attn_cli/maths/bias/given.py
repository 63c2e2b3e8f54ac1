"""A bias that is given as a matrix, a number for each query and key.

    bias(i, j) = B[batch, head, i, j]

Unlike a mask of numbers it is always finite and hides nothing; the order of the stages decides
when it is added.
"""

from __future__ import annotations

from attn_cli.arrays import Array
from attn_cli.dataclass import dataclass
from attn_cli.formula import Formula, Symbol
from attn_cli.maths.place import Place, cells


@dataclass(frozen=True)
class ScoreBias:
    """The user's matrix, broadcast to (batch, heads, n_q, n_k)."""

    matrix: Array

    @property
    def formula(self) -> Formula:
        """The name under which it was given."""
        return Symbol("score_bias")

    def values(self, at: Place) -> Array:
        """Return (len(i) x len(j)): the part of the matrix that belongs to this place."""
        return cells(self.matrix, at)
