"""The gradients of the steps after the weighted sum and of the next-word head.

They are `maths.after` and `maths.next_word` in reverse.

Layer norm, with n the normed row, r = 1/sqrt(var + eps), dn = gamma dy:

    dx = r (dn - mean(dn) - n mean(dn n)),   dgamma = sum over rows of dy n,   dbeta = of dy
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from attn_cli.arrays import Array
from attn_cli.maths.after import After, FeedForward, LayerNorm
from attn_cli.maths.next_word import NextWord
from attn_cli.train.gradients.sums import Gradients

Steps = Mapping[str, Array]


def of_layer_norm(norm: LayerNorm, name: str, x: Array, dy: Array, sums: Gradients) -> Array:
    """Add d gamma and d beta, and return dx, for x and dy (n, d)."""
    normed, inverse = norm.normed(x)
    if norm.beta is not None:
        sums.add(f"{name}.beta", dy.sum(axis=0))
    dn = dy
    if norm.gamma is not None:
        sums.add(f"{name}.gamma", (dy * normed).sum(axis=0))
        dn = dy * norm.gamma
    along = (dn * normed).mean(axis=1, keepdims=True)
    dx: Array = inverse * (dn - dn.mean(axis=1, keepdims=True) - normed * along)
    return dx


def of_feed_forward(
    network: FeedForward, steps: Steps, x: Array, dy: Array, sums: Gradients
) -> Array:
    """Add those of the network, and return dx of what went into it, (n, d_out)."""
    if network.layer_norm is not None:
        before = steps["residual_2" if network.residual else "feed_forward"]
        dy = of_layer_norm(network.layer_norm, "feed_forward.layer_norm", before, dy, sums)
    names = ("feed_forward.W2", "feed_forward.b2")
    d_hidden = sums.linear(*names, network.second, steps["hidden"], dy)
    dz = d_hidden * network.activation.derivative(network.first(x))
    dx = sums.linear("feed_forward.W1", "feed_forward.b1", network.first, x, dz)
    return dx + dy if network.residual else dx


def of_after(
    after: After, context: Array, steps: Steps, dy: Array, sums: Gradients
) -> tuple[Array, Array | None]:
    """Add those of all stages; return d context (n, d_context) and dX, None without residual."""
    residual = "residual" in steps
    joined = steps["residual" if residual else "output"]
    if after.feed_forward is not None:
        x = steps.get("layer_norm", joined)
        dy = of_feed_forward(after.feed_forward, steps, x, dy, sums)
    if after.layer_norm is not None:
        dy = of_layer_norm(after.layer_norm, "layer_norm", joined, dy, sums)
    d_context = sums.linear("weights.output", "biases.output", after.output, context, dy)
    return d_context, dy if residual else None


def of_next_word(
    head: NextWord, pooled: Array, n_q: int, d_logits: Array, sums: Gradients
) -> Array:
    """Add those of the head, and return d rows (n_q, d) of what was pooled (d)."""
    names = ("next_word.weights", "next_word.bias")
    d_pooled = sums.linear(*names, head.linear, pooled[None, :], d_logits[None, :])
    rows = head.rows(n_q)
    d_rows = np.zeros((n_q, d_pooled.shape[1]), dtype=d_pooled.dtype)
    d_rows[rows] = d_pooled / len(rows)
    return d_rows
