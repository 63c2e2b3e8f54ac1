"""What every bias is: numbers that are added to the scores, by where query and key stand."""

from __future__ import annotations

from typing import Protocol

from attn_cli.arrays import Array
from attn_cli.formula import Formula
from attn_cli.maths.place import Place


class Bias(Protocol):
    """What every bias can be asked. What is added is the sum of all biases of a problem."""

    @property
    def formula(self) -> Formula:
        """The bias as one term of a sum, for the title of the step."""
        ...

    def values(self, at: Place) -> Array:
        """Return (len(i) x len(j)), or what broadcasts to it."""
        ...
