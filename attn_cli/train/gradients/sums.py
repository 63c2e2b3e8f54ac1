"""Gradients by the name of what they belong to, and the sum of all that reaches it."""

from __future__ import annotations

from attn_cli.arrays import Array
from attn_cli.maths.linear import Linear


class Gradients(dict[str, Array]):
    """Name -> gradient. What no gradient reaches has no name here."""

    def add(self, name: str, gradient: Array) -> None:
        """Add to the gradient of a name."""
        self[name] = self[name] + gradient if name in self else gradient

    def linear(self, weight: str, bias: str, linear: Linear, x: Array, dy: Array) -> Array:
        """Add those of y = x W + b, dW = x^T dy and db = sum dy, and return dx = dy W^T."""
        if linear.bias is not None:
            self.add(bias, dy.sum(axis=0))
        if linear.weight is None:
            return dy
        self.add(weight, x.T @ dy)
        return dy @ linear.weight.T
