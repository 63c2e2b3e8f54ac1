"""Position vectors, added to the embeddings so that equal words at other positions differ.

    interleaved:   P[p, 2i] = sin(p / base^(2i/d)),      P[p, 2i + 1] = cos(p / base^(2i/d))
    concatenated:  P[p, i]  = sin(p / base^(i/(h - 1))), P[p, h + i]  = cos(p / base^(i/(h - 1)))

p = 0, 1, ... is the position, d the length of an embedding, h = d div 2, base 10000. `interleaved`
is the paper: Vaswani et al. 2017 (arXiv 1706.03762), section 3.5. `concatenated` is what
tensor2tensor and fairseq compute: another order, and frequencies that reach 1/base. fairseq's first
position is not 0, but one more than the index of its padding word. If d is odd, the paper's form
ends with a sine, theirs with a 0; if h is 1, the only frequency is 1. Learned positions are a table
with one row per position.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from attn_cli.arrays import Array
from attn_cli.dataclass import dataclass
from attn_cli.floats import FloatType
from attn_cli.formula import Equation, Formula, Remark, Symbol, Words, number


@dataclass(frozen=True)
class Positions:
    """One row per position, and how it was made; `base` and `layout` of sines and cosines."""

    values: Array  # (n, d_model)
    formula: Formula
    base: float | None = None  # None: learned
    layout: str = ""

    def added_to(self, X: Array, type_: FloatType, rows: Any = slice(None)) -> Array:
        """Return rows of X' = X + P, rounded to a type."""
        with np.errstate(over="ignore"):  # the step `positioned` says so
            return type_.round(X[rows] + self.values[rows])


def sinusoidal(n: int, d: int, base: float, layout: str, dtype: np.dtype[Any]) -> Positions:
    """Return sines and cosines of the positions 0 to n - 1, as (n, d)."""
    p = np.arange(n)[:, None]
    table = np.zeros((n, d))
    if layout == "interleaved":
        angle = p / base ** (2 * np.arange((d + 1) // 2) / d)
        table[:, 0::2] = np.sin(angle)
        table[:, 1::2] = np.cos(angle[:, : d // 2])
        exponent = 2 @ Symbol("i") / d
    else:
        h = d // 2
        angle = p / base ** (np.arange(h) / max(h - 1, 1))
        table[:, :h] = np.sin(angle)
        table[:, h : 2 * h] = np.cos(angle)
        exponent = Symbol("i") / max(h - 1, 1)
    angles = Words("sin and cos of position") / number(float(base)) ** exponent
    formula = Equation(Symbol("P"), Remark(angles, layout))
    return Positions(table.astype(dtype), formula, base, layout)


def learned(table: Array, n: int) -> Positions:
    """Return the first n rows of a learned table."""
    return Positions(table[:n], Remark(Symbol("P"), "learned: one row a position"))
