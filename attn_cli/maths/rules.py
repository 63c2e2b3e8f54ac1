"""From scores to weights, in a fixed order, the same for every batch entry and head.

softcap, bias and mask, in the problem's order -> top_k -> temperature -> normaliser -> empty rows
-> dropout

    top_k        a key is hidden if k or more keys that its query sees have larger scores, so that
                 all keys with the k-th largest score are kept
    temperature  s / T, for the scores s that go into the normaliser; sink logits are not divided
    empty rows   the weights of a query that sees no key: 0, NaN, or 1/n for each of the n keys
    dropped      weights * keep / (1 - p), keep (0 or 1) as given: nothing is drawn at random
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from attn_cli.arrays import Array, Bools, some
from attn_cli.dataclass import dataclass
from attn_cli.maths.adjustments import Adjustment, hide_permanently
from attn_cli.maths.heads import PerHead, of_head
from attn_cli.maths.normalizers.base import Normalizer
from attn_cli.maths.parameter import Parameters
from attn_cli.maths.place import Place, cells
from attn_cli.maths.precision import Precision
from attn_cli.maths.visible.base import Scheme

if TYPE_CHECKING:
    from numpy.typing import NDArray

EmptyRow = Literal["zero", "nan", "uniform"]
Kinds: TypeAlias = "NDArray[np.uint8]"

# The possible weights of rows without a visible key; the index is the code, 0 for a row that sees
# a key. The last is the result of the arithmetic after a finite fill.
KINDS: tuple[EmptyRow | Literal["seen", "fill"], ...] = ("seen", "zero", "nan", "uniform", "fill")


@dataclass(frozen=True)
class EmptyRows:
    """The weights of a row without a visible key, by what hides its keys."""

    mask: EmptyRow  # the user's mask hides every key of the row by itself
    other: EmptyRow  # causal order, window, lengths, documents, or these together with the mask

    @property
    def either(self) -> tuple[EmptyRow, EmptyRow]:
        """Both of them."""
        return self.mask, self.other


@dataclass(frozen=True)
class Dropout:
    """dropped = weights keep / (1 - p), with the mask given: a calculator draws no numbers.

    `keep` (batch, heads, n_q, n_k) is 1 for a weight that stays; a row may sum to more than 1 then.
    """

    keep: Array
    p: float

    def __call__(self, weights: Array, at: Place) -> Array:
        """Return the weights that stay, scaled up by 1 / (1 - p)."""
        dropped: Array = weights * cells(self.keep, at) / (1 - self.p)
        return dropped


@dataclass(frozen=True, kw_only=True)
class Rules:
    """From the scores of a row to its weights."""

    schemes: tuple[Scheme, ...]
    adjustments: tuple[Adjustment, ...]
    normalizer: Normalizer
    parameters: Parameters  # of the normaliser, of all heads
    precision: Precision
    top_k: int | None = None
    temperature: PerHead | None = None
    empty_rows: EmptyRows | None = EmptyRows("zero", "zero")  # None: the arithmetic behind a fill
    dropout: Dropout | None = None

    @property
    def hides_permanently(self) -> bool:
        """Whether hidden keys never take part; if not, every key must be read."""
        return hide_permanently(self.adjustments)

    @property
    def looks_everywhere(self) -> bool:
        """Whether keys that no query of a block sees can still change the result."""
        return self.gives("uniform") or not self.hides_permanently

    def gives(self, what: EmptyRow) -> bool:
        """Return whether `what` is the choice for some rows without a visible key."""
        return self.empty_rows is not None and what in self.empty_rows.either

    def kinds(self, empty: Bools, at: Place) -> Kinds:
        """Return the code (see KINDS) of each query of `at`; `empty` marks those without a key."""
        if self.empty_rows is None:
            return empty * np.uint8(KINDS.index("fill"))
        found: Kinds = empty * np.uint8(KINDS.index(self.empty_rows.other))
        if self.empty_rows.mask != self.empty_rows.other and some(empty):
            from attn_cli.maths.visible.user import Mask

            for scheme in self.schemes:
                if isinstance(scheme, Mask):
                    found[empty & scheme.hides_whole(at)] = KINDS.index(self.empty_rows.mask)
        return found

    def of_head(self, head: int) -> Parameters:
        """Return the normaliser's parameters of one query head."""
        if not self.parameters:
            return self.parameters
        arrays = {p.name for p in self.normalizer.parameters if p.kind == "array"}
        return {n: v[head] if n in arrays else v for n, v in self.parameters.items()}

    def temperature_of(self, head: int) -> float | None:
        """Return the temperature of one query head; None if there is none."""
        return None if self.temperature is None else of_head(self.temperature, head)

    def weights(
        self,
        scores: Array,
        seen: Bools,
        kinds: Kinds,
        parameters: Parameters,
        temperature: float | None,
    ) -> Array:
        """Return normalize(scores / temperature), in the softmax type.

        The parameters and the temperature are those of the head; `kinds` (rows) has the codes of
        rows that see no key, and 0 for the others.
        """
        weights = self.normalizer.normalize(
            self.divided_by_temperature(scores, temperature), seen, parameters
        )
        if some(kinds):
            fill = {"zero": 0.0, "nan": np.nan, "uniform": 1 / max(scores.shape[1], 1)}
            for name, value in fill.items():
                weights[kinds == KINDS.index(name)] = value
        return self.precision.softmax.round(weights)

    def divided_by_temperature(self, scores: Array, temperature: float | None) -> Array:
        """Return scores / temperature in the softmax type, the input of the normaliser."""
        type_ = self.precision.softmax
        if temperature is None:
            return type_.round(scores)
        return type_.round(scores.astype(type_.carrier, copy=False) / temperature)
