"""The user's mask: which keys are seen, and the numbers added to their scores."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from attn_cli.arrays import Array, Bools
from attn_cli.dataclass import dataclass
from attn_cli.formula import Formula
from attn_cli.maths.place import Place, cells
from attn_cli.maths.ranges import Ranges, up_to


@dataclass(frozen=True)
class Mask:
    """The user's mask, broadcast to (batch, heads, n_q, n_k).

    A mask of booleans has no `added`. In a mask of numbers, -inf hides and all else is added.
    """

    reason: ClassVar[str] = "mask"
    visible: Bools
    added: Array | None
    formula: Formula
    hides: bool  # whether any key is hidden at all

    def sees(self, at: Place) -> Bools:
        """Return the part of the mask that belongs to this place."""
        return cells(self.visible, at)

    def hides_whole(self, at: Place) -> Bools:
        """Return (len(i)): True for each query from which the mask hides every key there is."""
        whole: Bools = self.visible[at.batch, at.head]
        hidden: Bools = np.logical_not(whole[at.i].any(axis=1))
        return hidden

    def addend(self, at: Place) -> Array | None:
        """Return the numbers added to the scores of this block, 0 for hidden keys."""
        return None if self.added is None else cells(self.added, at)

    def reach(self, at: Place, n_k: int) -> Ranges:  # noqa: ARG002
        """Return all keys: which ones a mask hides is known only by reading it."""
        return up_to(n_k)

    def open(self, at: Place, n_k: int) -> Ranges:  # noqa: ARG002
        """Return no key, for the same reason."""
        return ()
