"""A gate on the output of attention, before the output projection.

    gated = context * sigmoid(X W_g + b_g)

One gate per feature (X W_g has heads * d_v columns) or one per head (heads columns), computed from
X, the input of the queries, or from given logits. Qiu et al. 2025 (arXiv 2505.06708); Keras calls
it use_gate. It is not the score `gated`, which gates each pair of query and key.
"""

from __future__ import annotations

from attn_cli.arrays import Array, Integers
from attn_cli.dataclass import dataclass
from attn_cli.formula import Call, Elementwise, Formula, Remark, Symbol
from attn_cli.maths.activations import sigmoid
from attn_cli.maths.linear import IDENTITY, Linear
from attn_cli.maths.scores.base import Layout


@dataclass(frozen=True, kw_only=True)
class OutputGate:
    """The gate: a projection of X for all heads, or the logits (batch, heads, n_q, d_v or 1)."""

    linear: Linear = IDENTITY
    logits: Array | None = None
    heads: int = 1

    def __call__(
        self, context: Array, X: Array | None, batch: int, head: int, i: Integers
    ) -> Array:
        """Return the gated rows i of the context (n, d_v) of one head; X are the same rows."""
        if self.logits is not None:
            logits = self.logits[batch, head, i]
        else:
            assert X is not None  # validated by `read_problem`
            every = self.linear(X)
            width = every.shape[-1] // self.heads
            logits = every[:, head * width : (head + 1) * width]
        gated: Array = context * sigmoid(logits.astype(context.dtype, copy=False))
        return gated

    def formula(self, X: Formula, layout: Layout) -> Formula:
        """Return the formula; X is the input of the gate, used unless its logits are given."""
        context = Symbol("context")
        if self.logits is not None:
            gated = Elementwise(context, Call("sigmoid", Symbol("logits")))
            return Remark(gated, "the logits as given")
        logits = self.linear.formula(X, "W_g", "b_g", layout)
        return Elementwise(context, Call("sigmoid", logits))
