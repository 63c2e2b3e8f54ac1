"""The activations of the feed-forward network: elementwise, each with its derivative.

    relu(x) = max(x, 0)
    gelu(x) = x Phi(x),  Phi(x) = (1 + erf(x / sqrt(2))) / 2 = erfc(-x / sqrt(2)) / 2
    gelu_tanh(x) = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
    tanh(x), and identity(x) = x

`gelu` is the exact form (Hendrycks and Gimpel 2016, arXiv 1606.08415; PyTorch's default, BERT);
`gelu_tanh` is the approximation that GPT-2 was trained with. They differ by up to 5e-4.
"""

from __future__ import annotations

from collections.abc import Callable
from math import erfc, pi, sqrt

import numpy as np

from attn_cli.arrays import Array
from attn_cli.dataclass import dataclass


@dataclass(frozen=True)
class Activation:
    """A function of each number, and its derivative."""

    name: str
    function: Callable[[Array], Array]
    derivative: Callable[[Array], Array]

    def __reduce__(self) -> tuple[Callable[[str], Activation], tuple[str]]:
        """Pickle as the name: lambdas cannot be pickled."""
        return activation, (self.name,)


def activation(name: str) -> Activation:
    """Return the activation of a name."""
    return ACTIVATIONS[name]


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)), in a form that overflows for no x."""
    e = np.exp(-np.abs(x))
    result: Array = np.where(x >= 0, 1 / (1 + e), e / (1 + e))
    return result


def _normal_cdf(x: Array) -> Array:
    """Return Phi(x); NumPy has no erfc."""
    values = [erfc(-value / sqrt(2)) / 2 for value in x.ravel().tolist()]
    return np.array(values).reshape(x.shape).astype(x.dtype)


def _normal_pdf(x: Array) -> Array:
    density: Array = (np.exp(-(x**2) / 2) / sqrt(2 * pi)).astype(x.dtype)
    return density


def _inner(x: Array) -> Array:
    # tanh is 1 or -1 long before the cube overflows, so clipping changes nothing.
    bounded = np.clip(x, -30, 30)
    inner: Array = np.tanh(sqrt(2 / pi) * (bounded + 0.044715 * bounded**3))
    return inner


def _gelu_tanh_slope(x: Array) -> Array:
    t = _inner(x)
    bounded = np.clip(x, -30, 30)
    inner_slope = sqrt(2 / pi) * (1 + 3 * 0.044715 * bounded**2)
    slope: Array = (1 + t) / 2 + x / 2 * (1 - t**2) * inner_slope
    return slope


ACTIVATIONS = {
    each.name: each
    for each in (
        Activation("relu", lambda x: np.maximum(x, 0), lambda x: (x > 0).astype(x.dtype)),
        Activation(
            "gelu", lambda x: x * _normal_cdf(x), lambda x: _normal_cdf(x) + x * _normal_pdf(x)
        ),
        Activation("gelu_tanh", lambda x: x / 2 * (1 + _inner(x)), _gelu_tanh_slope),
        Activation("tanh", np.tanh, lambda x: 1 - np.tanh(x) ** 2),
        Activation("identity", lambda x: x, np.ones_like),
    )
}
