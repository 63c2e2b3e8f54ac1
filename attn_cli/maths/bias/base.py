"""The interface of a bias: numbers added to the scores, by the positions of query and key."""

from __future__ import annotations

from typing import Protocol

from attn_cli.arrays import Array
from attn_cli.formula import Formula
from attn_cli.maths.place import Place


class Bias(Protocol):
    """A bias. The sum of all biases of a problem is added to its scores."""

    @property
    def formula(self) -> Formula:
        """The bias as one term of a sum, for the title of the step."""
        ...

    def values(self, at: Place) -> Array:
        """Return the bias (len(i) x len(j)), or an array that broadcasts to it."""
        ...
