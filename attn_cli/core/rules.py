"""What turns scores into weights, the same for every batch entry and head: data, but for its order.

seen -> stages (softcap, bias, mask) -> top_k -> temperature -> normaliser -> empty rows -> dropout
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from attn_cli.core.arrays import Array, Bools
from attn_cli.core.normalizers.base import Normalizer
from attn_cli.core.parameter import Parameters
from attn_cli.core.place import Place, cells
from attn_cli.core.precision import Precision
from attn_cli.core.stages import Stage, hides_for_good
from attn_cli.core.visible.base import Scheme
from attn_cli.dataclass import dataclass

EmptyRows = Literal["zero", "nan", "uniform"]


@dataclass(frozen=True)
class Dropout:
    """dropped = weights keep / (1 - p), with the mask given: a calculator draws no numbers.

    `keep` (batch, heads, n_q, n_k) is 1 where a weight stays; a row may sum to more than 1 then.
    """

    keep: Array
    p: float

    def __call__(self, weights: Array, at: Place) -> Array:
        """Return the weights that stay, made larger by 1 / (1 - p)."""
        dropped: Array = weights * cells(self.keep, at) / (1 - self.p)
        return dropped


@dataclass(frozen=True, kw_only=True)
class Rules:
    """From the scores of a row to its weights."""

    schemes: tuple[Scheme, ...]
    stages: tuple[Stage, ...]
    normalizer: Normalizer
    parameters: Parameters  # of the normaliser, of all heads
    precision: Precision
    top_k: int | None = None
    temperature: float | None = None
    empty_rows: EmptyRows | None = "zero"  # None: what the arithmetic gives behind a finite fill
    dropout: Dropout | None = None

    @property
    def for_good(self) -> bool:
        """Whether what the schemes hide takes no part: where not, every key must be looked at."""
        return hides_for_good(self.stages)

    @property
    def looks_everywhere(self) -> bool:
        """Whether keys that no query of a block sees matter all the same."""
        return self.empty_rows == "uniform" or not self.for_good

    def of_head(self, head: int) -> Parameters:
        """Return the normaliser's parameters of one query head."""
        arrays = {p.name for p in self.normalizer.parameters if p.kind == "array"}
        return {n: v[head] if n in arrays else v for n, v in self.parameters.items()}

    def weights(self, scores: Array, seen: Bools, empty: Bools, parameters: Parameters) -> Array:
        """Return normalize(scores / temperature), in the softmax type.

        `empty` (rows) are the rows all of whose keys are hidden.
        """
        weights = self.normalizer.normalize(self.warmed(scores), seen, parameters)
        if self.empty_rows is not None and empty.any():
            fill = {"zero": 0.0, "nan": np.nan, "uniform": 1 / max(scores.shape[1], 1)}
            weights[empty] = fill[self.empty_rows]
        return self.precision.softmax.round(weights)

    def warmed(self, scores: Array) -> Array:
        """Return scores / temperature in the softmax type, which is what the normaliser gets."""
        type_ = self.precision.softmax
        if self.temperature is None:
            return type_.round(scores)
        return type_.round(scores.astype(type_.carrier, copy=False) / self.temperature)
