"""A window: a query sees only the keys near its own position.

    seen if p_i - left <= p_j <= p_i + right, or p_j < prefix,
         or p_j < sink_tokens and p_j <= p_i + right

p_i and p_j are the positions of query i and key j: see `maths.token_positions`; both bounds belong
to the window, and -1 leaves a side unbounded. That is flash-attention's pair (left, right).
Elsewhere one number W may count the keys that are seen, the query's own among them: left = W - 1
(transformers, gpt-oss, TransformerLens, cuDNN), or those before it: left = W (JAX, ONNX,
x-transformers). Mistral's own code does both: its cache holds W keys, and the mask of its reference
lets a query see W + 1. Beltagy et al. 2020 (arXiv 2004.05150); Jiang et al. 2023 (arXiv
2310.06825).

The first `sink_tokens` keys stay visible however far behind a query they are: Xiao et al. 2023
(arXiv 2309.17453). Only the left bound lets them pass, as in flash-attention's `sink_token_length`:
a query before them still sees no further than `right`. A prefix passes both bounds. Sink tokens are
not sink logits, which belong to the normaliser.

Models can have heads with different windows: `Windows` has one for each query head.
"""

from __future__ import annotations

from typing import ClassVar

from attn_cli.arrays import Bools
from attn_cli.dataclass import dataclass
from attn_cli.formula import And, Formula, Or, Relation, Words, number
from attn_cli.maths.place import FAR, Place, near
from attn_cli.maths.ranges import Ranges, intersection, union
from attn_cli.maths.token_positions import TOP_LEFT, TokenPositions

UNBOUNDED = -1


@dataclass(frozen=True)
class Window:
    """Query i sees the keys of a window around p, and some at the beginning."""

    reason: ClassVar[str] = "window"
    left: int
    right: int
    prefix: int = 0
    sink_tokens: int = 0
    token_positions: TokenPositions = TOP_LEFT  # for the formula

    @property
    def formula(self) -> Formula:
        """The inequalities, with the offset as a number."""
        key = self.token_positions.key_formula
        if self.left == UNBOUNDED and self.right == UNBOUNDED:
            return Words("any ", key)
        window = self._bounds_formula(key)
        return Or(window, Relation(key, "<", number(self.prefix))) if self.prefix else window

    def _bounds_formula(self, key: Formula) -> Formula:
        """Return the inequalities of the bounds that there are, and of the sink tokens."""
        first = self.token_positions.query_formula(-self.left)
        last = self.token_positions.query_formula(self.right)
        if self.left == UNBOUNDED:
            return Relation(key, "<=", last)
        if self._has_sinks:
            left = Or(Relation(key, ">=", first), Relation(key, "<", number(self.sink_tokens)))
            return left if self.right == UNBOUNDED else And(Relation(key, "<=", last), left)
        if self.right == UNBOUNDED:
            return Relation(key, ">=", first)
        return Relation(first, "<=", key, "<=", last)

    @property
    def _has_sinks(self) -> bool:
        """Whether there are sink tokens beyond the prefix."""
        return self.sink_tokens > self.prefix

    def sees(self, at: Place) -> Bools:
        """Return whether p_j is in the window of p_i, or at the beginning."""
        left, right = (FAR if n == UNBOUNDED else min(n, FAR) for n in (self.left, self.right))
        p_j = at.p_j
        visible = near(at.p_i, p_j, left, right)
        if self._has_sinks:
            visible |= near(at.p_i, p_j, FAR, right) & (p_j[None, :] < self.sink_tokens)
        if self.prefix:
            visible |= p_j[None, :] < self.prefix
        return visible

    def reach(self, at: Place, n_k: int) -> Ranges:
        """Return the keys from the first query's window to the last one's, and the beginning."""
        _, right = self._bounds
        inside = at.token_positions.reached(at.batch, at.i, n_k, *self._bounds)
        no_later: Ranges = ()
        if self._has_sinks:
            no_later = at.token_positions.reached(at.batch, at.i, n_k, None, right)
        return self._with_beginning(inside, no_later, at, n_k)

    def open(self, at: Place, n_k: int) -> Ranges:
        """Return the keys from the last query's window to the first one's, and the beginning."""
        _, right = self._bounds
        inside = at.token_positions.shared(at.batch, at.i, n_k, *self._bounds)
        no_later: Ranges = ()
        if self._has_sinks:
            no_later = at.token_positions.shared(at.batch, at.i, n_k, None, right)
        return self._with_beginning(inside, no_later, at, n_k)

    @property
    def _bounds(self) -> tuple[int | None, int | None]:
        """The bounds left and right, None if there is none."""
        left, right = (None if n == UNBOUNDED else min(n, FAR) for n in (self.left, self.right))
        return left, right

    def _with_beginning(self, inside: Ranges, no_later: Ranges, at: Place, n_k: int) -> Ranges:
        """Return the ranges with the prefix, and with the sink tokens that the right bound sees."""
        found = list(inside)
        if self.prefix:
            found += at.token_positions.between(at.batch, n_k, high=self.prefix - 1)
        if self._has_sinks:
            sinks = at.token_positions.between(at.batch, n_k, high=self.sink_tokens - 1)
            found += intersection(sinks, no_later)
        return union(found) if len(found) > len(inside) else inside


@dataclass(frozen=True)
class Windows:
    """A window of each query head."""

    reason: ClassVar[str] = "window"
    of_heads: tuple[Window, ...]

    @property
    def formula(self) -> Formula:
        """The inequalities of the windows, each with the heads that have it."""
        heads: dict[Formula, list[int]] = {}
        for head, of_head in enumerate(self.of_heads):
            heads.setdefault(of_head.formula, []).append(head)
        if len(heads) == 1:
            return self.of_heads[0].formula
        found = []
        for window, numbers in heads.items():
            names = ", ".join(map(str, numbers))
            found.append(Words(window, f" in head{'s' * (len(numbers) > 1)} {names}"))
        return Or(*found)

    def sees(self, at: Place) -> Bools:
        """Return whether p_j is in the window of the head."""
        return self.of_heads[at.head].sees(at)

    def reach(self, at: Place, n_k: int) -> Ranges:
        """Return the keys that the window of the head reaches."""
        return self.of_heads[at.head].reach(at, n_k)

    def open(self, at: Place, n_k: int) -> Ranges:
        """Return the keys that the window of the head hides from no query."""
        return self.of_heads[at.head].open(at, n_k)
