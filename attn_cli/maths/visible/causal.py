"""Causal order: a query sees no key after its own position.

    seen if p_j <= p_i, or p_j < prefix

p_i and p_j are the positions of query i and key j: see `maths.token_positions`. Without documents
and padding p_j = j and p_i = i + offset: offset 0 is top-left alignment (PyTorch's is_causal, JAX,
Keras); n_k - n_q is bottom-right (flash-attention from 2.1, PyTorch's causal_lower_right). With as
many queries as keys they are the same. With a cache of P keys the offset is P. If n_q > n_k,
bottom-right leaves the first n_q - n_k queries without any key. In packed sequences all of this
holds of each document.

A prefix is seen by all: the prefix language model of Raffel et al. 2020 (arXiv 1910.10683),
section 3.2.1.
"""

from __future__ import annotations

from typing import ClassVar

from attn_cli.arrays import Bools
from attn_cli.dataclass import dataclass
from attn_cli.formula import Formula, Or, Relation, number
from attn_cli.maths.place import FAR, Place, near
from attn_cli.maths.ranges import Ranges, union
from attn_cli.maths.token_positions import TOP_LEFT, TokenPositions


@dataclass(frozen=True)
class Causal:
    """Query i sees the keys with p_j <= p_i, and those in the prefix."""

    reason: ClassVar[str] = "causal"
    prefix: int = 0
    token_positions: TokenPositions = TOP_LEFT  # for the formula

    @property
    def formula(self) -> Formula:
        """The inequality, with the offset as a number."""
        key = self.token_positions.key_formula
        causal = Relation(key, "<=", self.token_positions.query_formula())
        return Or(causal, Relation(key, "<", number(self.prefix))) if self.prefix else causal

    def sees(self, at: Place) -> Bools:
        """Return whether p_j <= p_i or p_j < prefix."""
        p_j = at.p_j
        visible = near(at.p_i, p_j, FAR, 0)
        if self.prefix:
            visible |= p_j[None, :] < self.prefix
        return visible

    def reach(self, at: Place, n_k: int) -> Ranges:
        """Return the keys up to the position of the last query, or in the prefix."""
        inside = at.token_positions.reached(at.batch, at.i, n_k, None, 0)
        return self._with_prefix(inside, at, n_k)

    def open(self, at: Place, n_k: int) -> Ranges:
        """Return the keys up to the position of the first query, or in the prefix."""
        inside = at.token_positions.shared(at.batch, at.i, n_k, None, 0)
        return self._with_prefix(inside, at, n_k)

    def _with_prefix(self, inside: Ranges, at: Place, n_k: int) -> Ranges:
        if not self.prefix:
            return inside
        return union((*inside, *at.token_positions.between(at.batch, n_k, high=self.prefix - 1)))
