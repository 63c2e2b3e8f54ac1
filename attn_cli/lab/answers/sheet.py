"""A sheet of answers: the numbers of some steps, as somebody wrote them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from attn_cli.arrays import AnyArray, Bools
from attn_cli.dataclass import dataclass
from attn_cli.lab.tolerance import allowed

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Answer:
    """The numbers that somebody gave for a step, in the problem's own order of axes.

    `values` has the shape of the step; a number that was left out is NaN, and `given` is False.
    `decimals` is the most that any number was written with; None if none has a decimal point, so
    that the numbers are exact. `tolerance` replaces the rule for decimals.
    """

    step: str
    values: NDArray[np.float64]
    given: Bools
    decimals: int | None
    tolerance: float | None = None
    turned: bool = False  # whether it was given with its last two axes exchanged

    def allowed(self, expected: AnyArray) -> NDArray[np.float64]:
        """Return how far each number may be from the expected one."""
        if self.tolerance is None:
            return allowed(expected, self.decimals)
        size = np.abs(np.where(np.isfinite(expected), expected, 0).astype(np.float64))
        return self.tolerance * np.maximum(1, size) * (1 + 1e-9) + 1e-12

    @property
    def whole(self) -> bool:
        """Whether every value of the step is given."""
        return bool(self.given.all())


@dataclass(frozen=True)
class Sheet:
    """The answers of one person, in the order in which the steps are computed."""

    name: str
    answers: tuple[Answer, ...]
