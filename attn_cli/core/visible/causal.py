"""Causal order: a query sees no key after the one at which it stands.

    seen where j <= p, or j < prefix

p = i + offset is where query i stands. offset 0 is top-left alignment (PyTorch's is_causal, JAX,
Keras); n_k - n_q is bottom-right (flash-attention from 2.1, PyTorch's causal_lower_right). With as
many queries as keys they are the same. With a cache of P keys the offset is P. Where n_q > n_k,
bottom-right leaves the first n_q - n_k queries without any key.

A prefix is seen by all: the prefix language model of Raffel et al. 2020 (arXiv 1910.10683),
section 3.2.1.
"""

from __future__ import annotations

from typing import ClassVar

from attn_cli.core.arrays import Bools
from attn_cli.core.place import FAR, Place, near, standing
from attn_cli.core.ranges import Range, Ranges, union
from attn_cli.dataclass import dataclass


@dataclass(frozen=True)
class Causal:
    """Query i sees the keys j <= p, and those before the end of the prefix."""

    reason: ClassVar[str] = "causal"
    prefix: int = 0
    offsets: tuple[int, ...] = (0,)  # one for all or one a batch entry, for the formula

    @property
    def formula(self) -> str:
        """The inequality, with the offset as a number."""
        prefix = f" or j < {self.prefix}" if self.prefix else ""
        return f"j <= {standing(self.offsets)}{prefix}"

    def sees(self, at: Place) -> Bools:
        """Return where j <= p or j < prefix."""
        visible = near(at.p, at.j, FAR, 0)
        if self.prefix:
            visible |= at.j[None, :] < self.prefix
        return visible

    def reach(self, at: Place, n_k: int) -> Ranges:
        """Return the keys up to the last query's own, or up to the end of the prefix."""
        return union([(0, min(max(int(at.p.max()) + 1, self.prefix), n_k))])

    def open(self, at: Place, n_k: int) -> Range:
        """Return the keys up to the first query's own, or up to the end of the prefix."""
        return 0, min(max(int(at.p.min()) + 1, self.prefix), n_k)
