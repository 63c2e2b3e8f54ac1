"""x W + b: every projection, with one matrix for all heads or one for each."""

from __future__ import annotations

from attn_cli.arrays import Array
from attn_cli.dataclass import dataclass
from attn_cli.formula import Formula, Symbol
from attn_cli.maths.scores.base import Layout


@dataclass(frozen=True)
class Linear:
    """x W + b, the weight (d_in x d_out) and the bias (d_out) each optional.

    With one matrix per head the weight is (heads x d_in x d_out) and the bias (heads x d_out).
    """

    weight: Array | None = None
    bias: Array | None = None

    def __call__(self, x: Array) -> Array:
        """Return x W + b for x (..., d_in)."""
        y = x if self.weight is None else x @ self.weight
        return y if self.bias is None else y + self.bias

    def of_head(self, head: int) -> Linear:
        """Return the projection of one head; itself if all heads share it."""
        weight, bias = self.weight, self.bias
        if weight is not None and weight.ndim == 3:
            weight = weight[head]
        if bias is not None and bias.ndim == 2:
            bias = bias[head]
        shared = weight is self.weight and bias is self.bias
        return self if shared else Linear(weight, bias)

    def backward(self, x: Array, dy: Array) -> tuple[Array, Linear]:
        """Return dx = dy W^T, and dW = x^T dy and db = sum over rows of dy; x (n, d_in)."""
        db = None if self.bias is None else dy.sum(axis=0)
        if self.weight is None:
            return dy, Linear(None, db)
        return dy @ self.weight.T, Linear(x.T @ dy, db)

    def depth(self, d_in: int) -> int:
        """Return d_out, the length of a projected row."""
        return d_in if self.weight is None else int(self.weight.shape[-1])

    def formula(
        self, x: Formula, weight: str, bias: str, layout: Layout, *, one_row: bool = False
    ) -> Formula:
        """Return the formula with these names; in layout columns the weight is on the left.

        There the bias is added to each column, b 1^T; not if x is a single vector (`one_row`).
        """
        y = x
        if self.weight is not None:
            W = Symbol(weight)
            y = W @ x if layout == "columns" else x @ W
        if self.bias is None:
            return y
        b = Symbol(bias)
        return y + (b @ ONES.T if layout == "columns" and not one_row else b)


ONES = Symbol("1")  # a vector of ones
IDENTITY = Linear()
