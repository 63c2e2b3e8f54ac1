"""The results of the forward pass, of examples of equal length: `train.loss` runs it."""

from __future__ import annotations

from collections.abc import Mapping

from attn_cli.arrays import Array, Bools
from attn_cli.dataclass import dataclass


@dataclass(frozen=True)
class Head:
    """The results of the forward pass of one head."""

    number: int
    Q: Array
    K: Array
    V: Array
    visible: Bools  # (examples, n_q, n_k), or (n_q, n_k) for all examples
    steps: Mapping[str, Array]


@dataclass(frozen=True)
class Forward:
    """The results of the forward pass."""

    heads: tuple[Head, ...]
    steps: Mapping[str, Array]  # of all heads together, from concat or output on

    @property
    def probabilities(self) -> Array:
        """The probabilities of all words, (examples, words)."""
        return self.steps["probabilities"]
