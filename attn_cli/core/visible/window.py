"""A window: a query sees only the keys near the one at which it stands.

    seen where p - left <= j <= p + right, or j < prefix, or j < sink_tokens

p = i + offset is where query i stands; both bounds belong to the window, and -1 leaves a side
unbounded. That is flash-attention's pair (left, right). Elsewhere one number W may count the keys
that are seen, the query's own among them: left = W - 1 (transformers, Mistral, TransformerLens,
cuDNN), or those before it: left = W (JAX, ONNX, x-transformers). Beltagy et al. 2020 (arXiv
2004.05150); Jiang et al. 2023 (arXiv 2310.06825).

The first `sink_tokens` keys stay visible however far a query is from them: Xiao et al. 2023 (arXiv
2309.17453). They are no sink logits, which are a matter of the normaliser.
"""

from __future__ import annotations

from typing import ClassVar

from attn_cli.core.arrays import Bools
from attn_cli.core.place import FAR, Place, near, standing
from attn_cli.core.ranges import Range, Ranges, union
from attn_cli.dataclass import dataclass

UNBOUNDED = -1


@dataclass(frozen=True)
class Window:
    """Query i sees the keys of a window around p, and some at the beginning."""

    reason: ClassVar[str] = "window"
    left: int
    right: int
    prefix: int = 0
    sink_tokens: int = 0
    offsets: tuple[int, ...] = (0,)  # one for all or one a batch entry, for the formula

    @property
    def formula(self) -> str:
        """The inequalities, with the offset as a number."""
        first, last = standing(self.offsets, -self.left), standing(self.offsets, self.right)
        if self.left == UNBOUNDED and self.right == UNBOUNDED:
            return "any j"
        if self.left == UNBOUNDED:
            window = f"j <= {last}"
        elif self.right == UNBOUNDED:
            window = f"j >= {first}"
        else:
            window = f"{first} <= j <= {last}"
        return f"{window} or j < {self._always}" if self._always else window

    @property
    def _always(self) -> int:
        """How many keys at the beginning every query sees."""
        return max(self.prefix, self.sink_tokens)

    def sees(self, at: Place) -> Bools:
        """Return where j is in the window of p, or at the beginning."""
        left, right = (FAR if n == UNBOUNDED else min(n, FAR) for n in (self.left, self.right))
        visible = near(at.p, at.j, left, right)
        if self._always:
            visible |= at.j[None, :] < self._always
        return visible

    def reach(self, at: Place, n_k: int) -> Ranges:
        """Return the keys from the first query's window to the last one's, and the beginning."""
        start = 0 if self.left == UNBOUNDED else max(int(at.p.min()) - self.left, 0)
        stop = n_k if self.right == UNBOUNDED else min(int(at.p.max()) + self.right + 1, n_k)
        return union([(start, stop), (0, min(self._always, n_k))])

    def open(self, at: Place, n_k: int) -> Range:
        """Return the keys from the last query's window to the first one's, or the beginning."""
        start = 0 if self.left == UNBOUNDED else max(int(at.p.max()) - self.left, 0)
        stop = n_k if self.right == UNBOUNDED else min(int(at.p.min()) + self.right + 1, n_k)
        if start <= self._always:
            return 0, min(max(stop, self._always), n_k)
        return start, stop
