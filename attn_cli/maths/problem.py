"""A validated problem, and a request: the inputs of the mathematics.

`attn_cli.reading` makes a `Problem` and checks names, types and shapes. Functions that take one
raise no errors about bad input, except errors in a request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from attn_cli.arrays import Array, Tensor
from attn_cli.dataclass import dataclass, field, replace
from attn_cli.maths.after import After
from attn_cli.maths.heads import PerHead, of_head
from attn_cli.maths.linear import IDENTITY, Linear
from attn_cli.maths.next_word import NextWord
from attn_cli.maths.parameter import Parameters
from attn_cli.maths.precision import Precision
from attn_cli.maths.rules import Rules
from attn_cli.maths.scores.base import Layout, ScoreFunction
from attn_cli.maths.token_positions import TokenPositions
from attn_cli.maths.visible.base import Lead
from attn_cli.record import Labels

if TYPE_CHECKING:  # parts of only some problems are imported where they are read
    from attn_cli.maths.answer import Answer
    from attn_cli.maths.gate import OutputGate
    from attn_cli.maths.norm import HeadNorm
    from attn_cli.maths.positions import Positions
    from attn_cli.maths.rope import Rope
    from attn_cli.maths.stage import Alter

Placement = Literal["scores", "query", "split"]
Tile = tuple[int, int]  # how many queries, how many keys
TILE: Tile = (1024, 512)


@dataclass(frozen=True)
class Projection:
    """Where Q, K or V comes from: given as it is, or a projection of embeddings.

    Inputs are (*batch, n, d_in), or (*batch, heads, n, d_in) if each head has rows of its own
    (`split`); with heads the weight is (heads, d_in, d_out) and the bias (heads, d_out). Heads are
    those of this side: key heads for K and V.
    """

    inputs: Tensor
    linear: Linear = IDENTITY
    letter: str = ""  # the name of the inputs, X, X' or M; empty if the matrix is given
    split: bool = False

    def rows(self, lead: Lead, rows: slice | Any, wide: Callable[[Array], Array]) -> Array:
        """Return rows of the projected matrix, of one batch entry and head of this side.

        `wide` casts the inputs to the type in which sums are computed.
        """
        own = self.inputs[lead if self.split else lead[: len(self.batch)]]
        return self.linear.of_head(lead[-1] if lead else 0)(wide(own[rows]))

    @property
    def embedded(self) -> Array:
        """The inputs, if they are rows of embeddings, which are held in memory."""
        assert isinstance(self.inputs, np.ndarray)
        return self.inputs

    @property
    def batch(self) -> Lead:
        """The sizes of the leading axes other than heads."""
        return self.inputs.shape[: -3 if self.split else -2]

    @property
    def count(self) -> int:
        """The number of rows."""
        return int(self.inputs.shape[-2])

    @property
    def depth(self) -> int:
        """The length of a row: d_q, d_k or d_v."""
        return self.linear.depth(int(self.inputs.shape[-1]))


@dataclass(frozen=True)
class Past:
    """The keys and values of a cache, (batch, key heads, tokens, features), before the new ones."""

    key: Array
    value: Array
    rotated: bool = False  # whether rope has turned these keys already

    @property
    def length(self) -> int:
        """The number of keys in the cache."""
        return int(self.key.shape[2])


@dataclass(frozen=True)
class QKTransform:
    """Transforms of q and k before their product: a norm of each head's rows, and rotation.

    `positions` are those of rope, if they differ from the problem's own; `key_rope` is how k is
    turned, if that differs from q: no problem file says so, a faulty implementation may do so.
    """

    query_norm: HeadNorm | None = None
    key_norm: HeadNorm | None = None
    rope: Rope | None = None
    positions: TokenPositions | None = None
    key_rope: Rope | None = None


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One attention computation, validated. Arrays are in layout rows and of one dtype."""

    query: Projection | None  # None only if the score function does not read Q and K
    key: Projection | None
    value: Projection
    n_q: int
    batch: Lead  # () or (batch entries,)
    heads: int | None
    kv_heads: int | None  # the number of heads of K and V
    key_heads: tuple[int, ...]  # of each query head, the head of K and V that it reads
    joined: bool  # whether the contexts of all heads are concatenated before the output
    heads_last: bool  # whether the head axis of the output follows its rows, as in Q
    embeddings: Array | None
    positions: Positions | None  # added to the embeddings
    past: Past | None
    qk_transform: QKTransform
    token_positions: TokenPositions  # the positions of queries and keys
    score: ScoreFunction
    parameters: Parameters
    scale: PerHead
    scale_given: bool
    placement: Placement
    rules: Rules
    gate: OutputGate | None
    after: After
    next_word: NextWord | None
    answer: Answer | None = None
    token_labels: Labels  # of the rows of embeddings
    query_tokens: Labels
    key_tokens: Labels
    tokens_of: tuple[tuple[Labels, Labels], ...] = ()  # of each batch entry, if they differ
    layout: Layout
    nonfinite: Literal["refuse", "allow"]
    narrow: tuple[str, ...] = ()  # types of inputs narrower than float64, if no dtype was chosen
    cross: bool  # whether keys and values are of other tokens than queries
    conventions: Mapping[str, object]  # knob -> resolved value, with the name of the preset
    title: str = ""  # the name of this sequence, if there are several
    warnings: tuple[str, ...] = ()
    altered: Mapping[str, Alter] = field(default_factory=dict)  # steps whose values are replaced

    def named(self, batch: int | None) -> Problem:
        """Return the problem with the labels of the batch entry, if one is chosen and has its own.

        If all entries are shown and each has its own words, labels are numbers.
        """
        index = hasattr(batch, "__index__") and not isinstance(batch, bool)
        if batch is None or not index or not 0 <= batch < len(self.tokens_of):
            return self
        queries, keys = self.tokens_of[batch]
        return replace(self, query_tokens=queries, key_tokens=keys, token_labels=queries)

    @property
    def lead(self) -> Lead:
        """The sizes of the leading axes of the scores."""
        return self.batch if self.heads is None else (*self.batch, self.heads)

    @property
    def lead_axes(self) -> tuple[str, ...]:
        """The names of the leading axes of the scores."""
        return ("batch",) * len(self.batch) + ("head",) * (self.heads is not None)

    @property
    def heads_differ(self) -> bool:
        """Whether query heads read key heads other than those of their own number."""
        return self.heads is not None and self.key_heads != tuple(range(self.kv_heads or 0))

    @property
    def precision(self) -> Precision:
        """The types of the arithmetic."""
        return self.rules.precision

    def factor(self, head: int) -> float:
        """Return the scale of a query head as it is multiplied: rounded, and with `split` its root.

        `scale` itself is exact: 1/sqrt(d_k), or as it was given.
        """
        return self.precision.factor(of_head(self.scale, head), root=self.placement == "split")

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the arrays of most steps."""
        return self.precision.dtype.carrier

    @property
    def d_context(self) -> int:
        """The length of a row that goes into the output projection."""
        return self.value.depth * (self.heads if self.joined and self.heads else 1)

    def positioned(self, rows: Any) -> Array:
        """Return rows of the embeddings, plus the problem's position vectors if it has any."""
        assert self.embeddings is not None  # validated by `read_problem`
        if self.positions is None:
            X: Array = self.embeddings[rows]
            return X
        return self.positions.added_to(self.embeddings, self.precision.dtype, rows)

    @property
    def n_k(self) -> int:
        """The number of keys, including the past."""
        return self.value.count + (self.past.length if self.past else 0)

    @property
    def rotated_at(self) -> TokenPositions:
        """The positions that rope uses."""
        return self.qk_transform.positions or self.token_positions

    def key_lead(self, lead: Lead) -> Lead:
        """Return the batch entry and the key head that a batch entry and query head reads."""
        return lead if self.heads is None else (*lead[:-1], self.key_heads[lead[-1]])

    def entry(self, lead: Lead) -> tuple[int, int]:
        """Return the batch entry and the query head of a lead, 0 for an axis that is missing."""
        batch = lead[0] if self.batch else 0
        return batch, lead[len(self.batch)] if self.heads is not None else 0


@dataclass(frozen=True)
class Edge:
    """Shorten a step of more than `threshold` cells to `items` at either end of each axis."""

    threshold: int = 1000
    items: int = 3


@dataclass(frozen=True, kw_only=True)
class Request:
    """The results wanted of a problem. Nothing else is computed.

    steps     names of steps; None: all that apply
    rows      positions of query rows, ascending; None: all
    batch, head   one entry of a leading axis, which the result then lacks; None: all
    edge      keep only the ends of large steps, for a shortened table
    asides    whether `steps=None` includes visible, lse and row_sums
    marks     whether to record which cells are hidden, and why, for tables
    answer    whether the question of the problem is answered, from all heads and the rows it needs
    top       number of most likely next words in the ranking
    memory    bytes that the result and its computation may take; None: half of the machine's
    threads   number of tiles computed at a time
    tile      queries and keys per tile, used if no step of pairs is wanted
    block_bytes   the largest working set of a block of rows, up to half of the memory
    part_bytes    the largest part held of a step that is written while it is computed
    engine    the name of the engine; None: the fastest of the NumPy engines that can be used
    """

    steps: tuple[str, ...] | None = None
    rows: tuple[int, ...] | None = None
    batch: int | None = None
    head: int | None = None
    edge: Edge | None = None
    asides: bool = False
    marks: bool = False
    answer: bool = False
    top: int = 5
    memory: int | None = None
    threads: int = 1
    tile: Tile = TILE
    block_bytes: int = 64 << 20
    part_bytes: int = 256 << 20
    engine: str | None = None
