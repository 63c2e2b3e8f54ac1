"""A validated problem, and a request: what the mathematics is given.

Whoever makes a `Problem` (see `attn_cli.read`) has checked names, types and shapes; nothing here or
behind it raises for bad input again, but for what only a request can ask wrongly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from attn_cli.core.after import After
from attn_cli.core.arrays import Array
from attn_cli.core.linear import IDENTITY, Linear
from attn_cli.core.next_word import NextWord
from attn_cli.core.normalizers.base import Normalizer
from attn_cli.core.parameter import Parameters
from attn_cli.core.positions import Positions
from attn_cli.core.scores.base import Layout, ScoreFunction
from attn_cli.core.visible import Causal, Lead, Mask, Scheme
from attn_cli.record import Labels


@dataclass(frozen=True, slots=True)
class Projection:
    """Where Q, K or V comes from: given as it is, or a projection of embeddings.

    Inputs are (*batch, n, d_in), or (*batch, heads, n, d_in) where each head has rows of its own
    (`split`); with heads the weight is (heads, d_in, d_out) and the bias (heads, d_out).
    """

    inputs: Array
    linear: Linear = IDENTITY
    letter: str = ""  # X, X' or M, what the inputs are called; empty where the matrix is given
    split: bool = False

    def rows(self, lead: Lead, rows: slice | Any = slice(None)) -> Array:
        """Return rows of the projected matrix, of one batch entry and head."""
        own = self.inputs[lead if self.split else lead[: len(self.batch)]]
        return self.linear.of_head(lead[-1] if lead else 0)(own[rows])

    @property
    def batch(self) -> Lead:
        """The sizes of the leading axes that are no heads."""
        return self.inputs.shape[: -3 if self.split else -2]

    @property
    def count(self) -> int:
        """How many rows there are."""
        return int(self.inputs.shape[-2])

    @property
    def depth(self) -> int:
        """How long each row is: d_q, d_k or d_v."""
        return self.linear.depth(int(self.inputs.shape[-1]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One attention computation, validated. Arrays are in layout rows and of one dtype."""

    query: Projection | None  # None only where the score function does not read Q and K
    key: Projection | None
    value: Projection
    n_q: int
    batch: Lead  # () or (batch entries,)
    heads: int | None
    joined: bool  # whether the contexts of all heads are put side by side before the output
    embeddings: Array | None
    positions: Positions | None  # added to the embeddings
    score: ScoreFunction
    parameters: Parameters
    scale: float
    scale_given: bool
    causal: Causal | None
    mask: Mask | None
    normalizer: Normalizer
    after: After
    next_word: NextWord | None
    token_labels: Labels  # of the rows of embeddings
    query_tokens: Labels
    key_tokens: Labels
    layout: Layout
    dtype: np.dtype[Any]
    nonfinite: Literal["refuse", "allow"]
    cross: bool  # whether keys and values are of other tokens than queries
    title: str = ""  # which of several sequences this is
    warnings: tuple[str, ...] = ()

    @property
    def lead(self) -> Lead:
        """The sizes of the leading axes of the scores."""
        return self.batch if self.heads is None else (*self.batch, self.heads)

    @property
    def lead_axes(self) -> tuple[str, ...]:
        """The names of the leading axes of the scores."""
        return ("batch",) * len(self.batch) + ("head",) * (self.heads is not None)

    @property
    def d_context(self) -> int:
        """The length of a row that goes into the output projection."""
        return self.value.depth * (self.heads if self.joined and self.heads else 1)

    def positioned(self, rows: Any) -> Array:
        """Return rows of the embeddings, with their positions added where there are some."""
        assert self.embeddings is not None  # who asks has checked
        X: Array = self.embeddings[rows]
        return X if self.positions is None else X + self.positions.values[rows]

    @property
    def n_k(self) -> int:
        """How many keys there are."""
        return self.value.count

    @property
    def schemes(self) -> tuple[Scheme, ...]:
        """All that hides keys."""
        return tuple(s for s in (self.causal, self.mask) if s is not None)


@dataclass(frozen=True, slots=True)
class Edge:
    """Shorten a step of more than `threshold` cells to `items` at either end of each axis."""

    threshold: int = 1000
    items: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is wanted of a problem. Only that is computed.

    steps     names of steps; None: all that apply
    rows      positions of query rows, ascending; None: all
    batch, head   one entry of a leading axis, which then is no axis of the result; None: all
    edge      keep only the ends of large steps, for a shortened table
    top       how many of the likeliest next words are named
    memory    bytes that the result and its computation may take; None: half of the machine's
    """

    steps: tuple[str, ...] | None = None
    rows: tuple[int, ...] | None = None
    batch: int | None = None
    head: int | None = None
    edge: Edge | None = None
    top: int = 5
    memory: int | None = None
