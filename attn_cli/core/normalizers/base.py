"""What every normaliser is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from attn_cli.core.arrays import Array, Bools


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalizer:
    """A normaliser: its name, the formula of the weights for a step's title, and the function."""

    name: str
    formula: str  # with {scores} for the name of the step that it reads
    normalize: Callable[[Array, Bools], Array]
