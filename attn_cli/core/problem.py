"""A validated problem, and a request: what the mathematics is given.

Whoever makes a `Problem` (see `attn_cli.read`) has checked names, types and shapes; nothing here or
behind it raises for bad input again, but for what only a request can ask wrongly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from attn_cli.core.arrays import Array
from attn_cli.core.normalizers.base import Normalizer
from attn_cli.core.scores.base import Layout, Parameters, ScoreFunction
from attn_cli.core.visible import Causal, Lead, Mask, Scheme
from attn_cli.record import Labels


@dataclass(frozen=True, slots=True)
class Linear:
    """x W + b, the weight (d_in x d_out) and the bias (d_out) each optional."""

    weight: Array | None = None
    bias: Array | None = None

    def __call__(self, x: Array) -> Array:
        """Return x W + b for x (..., d_in)."""
        y = x if self.weight is None else x @ self.weight
        return y if self.bias is None else y + self.bias

    def formula(self, x: str, weight: str, bias: str, layout: Layout) -> str:
        """Write it with these letters; in layout columns the weight stands on the left."""
        y = x
        if self.weight is not None:
            y = f"{weight} {x}" if layout == "columns" else f"{x} {weight}"
        if self.bias is None:
            return y
        return f"{y} + {bias} 1^T" if layout == "columns" else f"{y} + {bias}"


@dataclass(frozen=True, slots=True)
class Projection:
    """Where Q, K or V comes from: given as it is, or a projection of embeddings."""

    inputs: Array  # (..., n, d_in)
    linear: Linear = Linear()
    letter: str = ""  # X or M, what the inputs are called; empty where the matrix is given

    def rows(self, lead: Lead, rows: slice | Any = slice(None)) -> Array:
        """Return rows of the projected matrix, of one batch entry and head."""
        return self.linear(self.inputs[lead][rows])

    @property
    def count(self) -> int:
        """How many rows there are."""
        return int(self.inputs.shape[-2])

    @property
    def depth(self) -> int:
        """How long each row is: d_q, d_k or d_v."""
        weight = self.linear.weight
        return int(self.inputs.shape[-1] if weight is None else weight.shape[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One attention computation, validated. Arrays are in layout rows and of one dtype."""

    query: Projection | None  # None only where the score function does not read Q and K
    key: Projection | None
    value: Projection
    n_q: int
    embeddings: Array | None
    score: ScoreFunction
    parameters: Parameters
    scale: float
    scale_given: bool
    causal: Causal | None
    mask: Mask | None
    normalizer: Normalizer
    output: Linear
    token_labels: Labels  # of the rows of embeddings
    query_tokens: Labels
    key_tokens: Labels
    layout: Layout
    dtype: np.dtype[Any]
    nonfinite: Literal["refuse", "allow"]
    warnings: tuple[str, ...] = ()

    @property
    def lead(self) -> Lead:
        """The sizes of the leading axes: (), (batch,) or (batch, heads)."""
        return self.value.inputs.shape[:-2]

    @property
    def n_k(self) -> int:
        """How many keys there are."""
        return self.value.count

    @property
    def schemes(self) -> tuple[Scheme, ...]:
        """All that hides keys."""
        return tuple(s for s in (self.causal, self.mask) if s is not None)

    @property
    def d_out(self) -> int:
        """The length of a row of the output."""
        weight = self.output.weight
        return self.value.depth if weight is None else int(weight.shape[1])


@dataclass(frozen=True, slots=True)
class Edge:
    """Shorten a step of more than `threshold` cells to `items` at either end of each axis."""

    threshold: int = 1000
    items: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is wanted of a problem. Only that is computed.

    steps     names of steps; None: all that apply
    rows      positions of query rows; None: all
    batch, head   one entry of a leading axis, which then is no axis of the result; None: all
    edge      keep only the ends of large steps, for a shortened table
    memory    bytes that the result and its computation may take; None: half of the machine's
    """

    steps: tuple[str, ...] | None = None
    rows: tuple[int, ...] | None = None
    batch: int | None = None
    head: int | None = None
    edge: Edge | None = None
    memory: int | None = None
