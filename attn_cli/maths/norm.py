"""The norm of each head's queries and keys, before they meet (QK norm).

    rms:  x / sqrt(mean(x^2) + eps) * gain          (eps 1e-6: Qwen3, Gemma 3)
    l2:   x / max(|x|, eps) * gain                  (eps 1e-12: Henry et al. 2020, arXiv 2010.04245)

x is a row (d_k) of one head, the gain (d_k) has one number per feature, the same for all heads;
files of Gemma hold gain - 1. The normed row has one type, its product with the gain may have
another: Llama, Qwen3 and other models in transformers norm in float32, round to the type of the
model, and multiply by the gain in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from attn_cli.arrays import Array
from attn_cli.dataclass import dataclass
from attn_cli.formula import Call, Elementwise, Formula, Norm, Symbol, number
from attn_cli.maths.precision import NormTypes


def rms(x: Array, eps: float) -> Array:
    """Return the rows of x (n, d), each divided by the root of its mean square."""
    y: Array = x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + eps)
    return y


def l2(x: Array, eps: float) -> Array:
    """Return the rows of x (n, d), each divided by its length, or by eps if that is larger."""
    length = np.sqrt((x * x).sum(axis=-1, keepdims=True))
    y: Array = x / np.maximum(length, eps)
    return y


FUNCTIONS: Mapping[str, Callable[[Array, float], Array]] = {"rms": rms, "l2": l2}
DEFAULT_EPS = {"rms": 1e-6, "l2": 1e-12}


@dataclass(frozen=True)
class HeadNorm:
    """One of the norms, with its gain."""

    name: str
    eps: float
    gain: Array | None  # (d_k); None: 1

    def __call__(self, x: Array, types: NormTypes) -> Array:
        """Return the rows of x (n, d_k), normalised."""
        y = FUNCTIONS[self.name](types.row.round(x), self.eps)
        if self.gain is None:
            return y
        gained: Array = types.gain.round(y) * types.gain.round(self.gain)
        return types.gain.round(gained)

    def formula(self, x: Formula) -> Formula:
        """Return the formula for the rows x."""
        eps = number(float(self.eps))
        if self.name == "rms":
            length: Formula = Call("sqrt", Call("mean", x**2) + eps)
        else:
            length = Call("max", Norm(x), eps)
        return x / length if self.gain is None else Elementwise(x / length, Symbol("gain"))
