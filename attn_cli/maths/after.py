"""The stages after the weighted sum, row by row.

    gated        = context * sigmoid(X W_g + b_g)   (`maths.gate`)
    concat       = the contexts, or gated contexts, of all heads side by side
    output       = concat W_o + b_o             (context instead of concat if no heads are joined)
    residual     = X + output
    layer_norm   = gamma (x - mean(x)) / sqrt(var(x) + eps) + beta
    hidden       = activation(x W1 + b1)
    feed_forward = hidden W2 + b2
    residual_2   = x + feed_forward, x being what went into the feed-forward network
    layer_norm_2 = as above, with the gamma and beta of the feed-forward network

A problem has only those that it specifies, and always `output`. This is the post-norm order of
Vaswani et al. 2017 (arXiv 1706.03762); pre-norm models (GPT-2) normalise before Q, K and V.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from attn_cli.arrays import Array
from attn_cli.dataclass import dataclass, replace
from attn_cli.formula import Call, Formula, Symbol
from attn_cli.maths.activations import Activation
from attn_cli.maths.linear import IDENTITY, Linear

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class LayerNorm:
    """Layer normalisation of each row, with the biased variance (Ba et al. 2016, 1607.06450).

    It is computed in the type of its input rows, except the mean and the variance.
    """

    gamma: Array | None  # (d); None: 1
    beta: Array | None  # (d); None: 0
    eps: float  # 1e-5 in PyTorch, 1e-12 in BERT, 1e-6 in TensorFlow's official models

    def __call__(self, x: Array) -> Array:
        """Return gamma (x - mean) / sqrt(var + eps) + beta for x (..., d)."""
        normed, _ = self.normed(x)
        y = normed if self.gamma is None else normed * self.gamma.astype(x.dtype, copy=False)
        return y if self.beta is None else y + self.beta.astype(x.dtype, copy=False)

    def normed(self, x: Array) -> tuple[Array, Array]:
        """Return the rows before gamma and beta, and 1/sqrt(var + eps) of each."""
        # Narrow types hold neither the squares of large rows nor eps; in float64 large rows are
        # scaled down first, which does not change the ratio.
        centred = x.astype(np.float64)
        centred = centred - centred.mean(axis=-1, keepdims=True)
        size = np.maximum(np.abs(centred).max(axis=-1, keepdims=True), 1)
        variance = ((centred / size) ** 2).mean(axis=-1, keepdims=True)
        spread = np.sqrt(variance + self.eps / size / size)
        inverse: Array = (1 / size / spread).astype(x.dtype)
        return (centred / size / spread).astype(x.dtype), inverse

    def backward(self, x: Array, dy: Array) -> tuple[Array, LayerNorm]:
        """Return dx, and dgamma and dbeta, for x and dy (n, d).

        With n the normed row, r = 1/sqrt(var + eps), dn = gamma dy:

            dx = r (dn - mean(dn) - n mean(dn n)),   dgamma = sum of dy n over rows,   dbeta of dy
        """
        normed, inverse = self.normed(x)
        dgamma = None if self.gamma is None else (dy * normed).sum(axis=0)
        dbeta = None if self.beta is None else dy.sum(axis=0)
        dn = dy if self.gamma is None else dy * self.gamma
        along = (dn * normed).mean(axis=1, keepdims=True)
        dx: Array = inverse * (dn - dn.mean(axis=1, keepdims=True) - normed * along)
        return dx, LayerNorm(dgamma, dbeta, self.eps)

    def formula(self, x: Formula) -> Formula:
        """Return the formula for the rows x."""
        centred = x - Symbol("mean")
        scaled = centred if self.gamma is None else Symbol("gamma") @ centred
        normed = scaled / Call("sqrt", Symbol("var") + float(self.eps))
        return normed if self.beta is None else normed + Symbol("beta")


@dataclass(frozen=True, kw_only=True)
class FeedForward:
    """Two projections with an activation between them, applied to each row."""

    first: Linear
    second: Linear
    activation: Activation
    residual: bool = False
    layer_norm: LayerNorm | None = None

    def backward(
        self, x: Array, steps: Mapping[str, Array], dy: Array
    ) -> tuple[Array, FeedForward]:
        """Return dx, and the gradients of the parts, from the steps of the forward pass."""
        norm = self.layer_norm
        if norm is not None:
            dy, norm = norm.backward(steps["residual_2" if self.residual else "feed_forward"], dy)
        d_hidden, second = self.second.backward(steps["hidden"], dy)
        dz = d_hidden * self.activation.derivative(self.first(x))
        dx, first = self.first.backward(x, dz)
        if self.residual:
            dx = dx + dy
        return dx, replace(self, first=first, second=second, layer_norm=norm)


@dataclass(frozen=True, kw_only=True)
class After:
    """The stages after the weighted sum; None or False for those that the problem does not have."""

    output: Linear = IDENTITY
    residual: bool = False
    layer_norm: LayerNorm | None = None
    feed_forward: FeedForward | None = None

    def backward(
        self, context: Array, steps: Mapping[str, Array], dy: Array
    ) -> tuple[Array, Array | None, After]:
        """Return d context, dX (None without residual) and the gradients of the parts."""
        joined = steps["residual" if self.residual else "output"]
        network, norm = self.feed_forward, self.layer_norm
        if network is not None:
            dy, network = network.backward(steps.get("layer_norm", joined), steps, dy)
        if norm is not None:
            dy, norm = norm.backward(joined, dy)
        d_context, output = self.output.backward(context, dy)
        own = replace(self, output=output, layer_norm=norm, feed_forward=network)
        return d_context, dy if self.residual else None, own
