"""Adjustments of scores before they are normalised: cap, bias and mask, in the problem's order.

    capped = c tanh(s / c)
    biased = s + bias
    masked = s + mask if the query sees the key; otherwise the fill, or s + mask + fill

The order is data: systems differ in it. ONNX from 1.22 on, flash-attention and Gemma-2 cap, add the
bias, then mask; x-transformers adds the bias before it caps; ONNX 1.18 to 1.21 capped last, so that
-inf became -c and a hidden key got some weight.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from attn_cli.arrays import Array, Bools
from attn_cli.dataclass import dataclass
from attn_cli.formula import And, Call, Formula, Sum, Symbol, Where, number
from attn_cli.maths.bias.base import Bias
from attn_cli.maths.place import Place
from attn_cli.maths.visible.base import Scheme
from attn_cli.maths.visible.user import Mask


class Scores(Protocol):
    """A function that adjusts scores (rows x keys)."""

    def __call__(
        self, scores: Array, seen: Bools, visible: Bools, at: Place
    ) -> tuple[Array, Bools]:
        """Return the scores after the adjustment, and which keys still take part.

        `visible` is True for keys that nothing hides, `seen` for keys that are not at -inf yet.
        """
        ...


class Adjustment(Scores, Protocol):
    """One adjustment: its step, its formula, and its effect on the scores of seen keys."""

    def without_hiding(self, scores: Array, at: Place) -> Array:
        """Return the adjusted scores as if no key were hidden."""
        ...

    def bound(self, largest: float) -> float:
        """Return a bound of |score| after the adjustment, given the bound `largest` before it."""
        ...

    @property
    def only_hides(self) -> bool:
        """Whether it leaves the scores of seen keys as they are."""
        ...

    @property
    def step(self) -> str:
        """The name of the step."""
        ...

    def formula(self, scores: Formula) -> Formula:
        """Return its formula; `scores` is the step before it."""
        ...


@dataclass(frozen=True)
class Softcap:
    """capped = cap tanh(s / cap), cap > 0: all scores within (-cap, cap).

    Gemma 2 (arXiv 2408.00118), section 2. A key hidden before it is at -cap, and takes part again.
    """

    only_hides = False

    cap: float
    step: str = "capped"

    def __call__(
        self,
        scores: Array,
        seen: Bools,
        visible: Bools,  # noqa: ARG002
        at: Place,
    ) -> tuple[Array, Bools]:
        """Return the capped scores, none of which is -inf."""
        return self.without_hiding(scores, at), np.ones_like(seen)

    def without_hiding(self, scores: Array, at: Place) -> Array:  # noqa: ARG002
        """Return cap tanh(s / cap)."""
        capped: Array = self.cap * np.tanh(scores / self.cap)
        return capped

    def bound(self, largest: float) -> float:
        """Return the smaller of `largest` and the cap."""
        return min(largest, self.cap)

    def formula(self, scores: Formula) -> Formula:
        """Return the formula with the cap as a number."""
        cap = number(float(self.cap))
        return cap @ Call("tanh", scores / cap)


@dataclass(frozen=True)
class Biases:
    """biased = s + the sum of all biases, each a function of positions or a given matrix."""

    only_hides = False

    biases: tuple[Bias, ...]
    step: str = "biased"

    def __call__(
        self,
        scores: Array,
        seen: Bools,
        visible: Bools,  # noqa: ARG002
        at: Place,
    ) -> tuple[Array, Bools]:
        """Return the scores with all biases added; they hide nothing."""
        return self.without_hiding(scores, at), seen

    def without_hiding(self, scores: Array, at: Place) -> Array:
        """Return s + the biases."""
        for bias in self.biases:
            scores = scores + bias.values(at).astype(scores.dtype, copy=False)
        return scores

    def bound(self, largest: float) -> float:  # noqa: ARG002
        """Return infinity: the size of a bias is not known before it is read."""
        return np.inf

    def formula(self, scores: Formula) -> Formula:
        """Return the sum."""
        return Sum(scores, *(bias.formula for bias in self.biases))


@dataclass(frozen=True)
class Masking:
    """masked: the numbers of the mask are added, and hidden keys get the fill.

    A fill of -inf hides permanently. A finite one only makes a key unlikely: if all keys of a row
    are hidden, their weights are equal, or unchanged (`add` in float64), and a hidden key can
    exceed visible keys of large negative scores. The fill is added in the type of the scores:
    -1e9 in float64 and in float32 give different sums.
    """

    mask: Mask | None
    hides: tuple[Scheme, ...]
    fill: float = -np.inf
    adds: bool = False  # whether the fill is added to the score, or replaces it
    named: Formula = number(-np.inf)  # the fill as it was written
    step: str = "masked"

    @property
    def hides_permanently(self) -> bool:
        """Whether hidden keys take no part in what follows."""
        return self.fill == -np.inf

    def __call__(
        self, scores: Array, seen: Bools, visible: Bools, at: Place
    ) -> tuple[Array, Bools]:
        """Return the masked scores."""
        scores = self.without_hiding(scores, at)
        if not self.hides:
            return scores, seen
        fill = scores.dtype.type(self.fill)
        # A fill of -inf replaces, it is never added: NaN in a hidden key reaches no result.
        hidden = scores + fill if self.adds and not self.hides_permanently else fill
        masked = np.where(visible, scores, hidden)
        return masked, seen & visible if self.hides_permanently else seen

    def without_hiding(self, scores: Array, at: Place) -> Array:
        """Return s + the numbers of the mask."""
        added = self.mask.addend(at) if self.mask is not None else None
        return scores if added is None else scores + added

    @property
    def only_hides(self) -> bool:
        """Whether the mask adds no numbers."""
        return self.mask is None or self.mask.added is None

    def bound(self, largest: float) -> float:
        """Return `largest`, or infinity if the mask adds numbers."""
        return largest if self.only_hides else np.inf

    def formula(self, scores: Formula) -> Formula:
        """Return the formula, with the condition of each scheme on i and j."""
        added = self.mask is not None and self.mask.added is not None
        masked = scores + Symbol("mask") if added else scores
        if not self.hides:
            return masked
        asked = [scheme.formula for scheme in self.hides]
        seen = And(*asked) if len(asked) > 1 else asked[0]
        hidden = masked + self.named if self.adds and not self.hides_permanently else self.named
        return Where(masked, seen, hidden)


STEPS: Mapping[str, str] = {"softcap": "capped", "bias": "biased", "mask": "masked"}


def hide_permanently(adjustments: tuple[Adjustment, ...]) -> bool:
    """Return whether keys hidden by the schemes get no weight in the end.

    They can get some after a finite fill, and if a cap follows the mask.
    """
    lasting = True
    for adjustment in adjustments:
        if isinstance(adjustment, Masking):
            lasting = adjustment.hides_permanently
        elif isinstance(adjustment, Softcap):
            lasting = STEPS["mask"] not in [
                s.step for s in adjustments[: adjustments.index(adjustment)]
            ]
    return lasting
