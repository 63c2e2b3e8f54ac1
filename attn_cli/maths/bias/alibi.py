"""ALiBi: a penalty that grows with the distance, one slope m per head.

    distance:  -m |p_i - p_j|            flash-attention's formula
    signed:     m (p_j - p_i)            attention-gym: rewards keys that come later
    key:        m p_j                    the authors' code
    last_key:   m (p_j - last)           MPT; last is the largest p_j of the batch entry
    clamped:   -m max(p_i - p_j, 0)      TransformerLens: keys that come later cost nothing

p_i and p_j are the positions of query i and key j: see `maths.token_positions`. Press, Smith and
Lewis 2021 (arXiv 2108.12409) define it for keys up to the query, p_j <= p_i. There the forms differ
by a constant within a row, which softmax does not see: scores differ, weights and output agree.
If later keys are visible, that holds of signed, key and last_key only.

The slopes of H heads, h = 0 .. H - 1:

    paper:  2^(-8(h+1)/H) if H is a power of two; else those of the next lower power of two, then
            every second of the next higher one: 2^(-8/2P), 2^(-24/2P), ...
    plain:  2^(-8(h+1)/H) for any H

The authors' code, x-transformers, OpenNMT and MPT have the slopes `paper`; TransformerLens and
attention-gym have `plain`. Slopes that are powers of two are exact, and so are their biases.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from attn_cli.arrays import Array, Integers
from attn_cli.dataclass import dataclass
from attn_cli.formula import Abs, Call, Formula, Named, Symbol, number
from attn_cli.maths.place import Place
from attn_cli.maths.token_positions import P_I, P_J, TOP_LEFT, TokenPositions


class Form(NamedTuple):
    """One form: (p_i as a column, p_j as a row, last) -> what m is multiplied by; its formula."""

    function: Callable[[Integers, Integers, int], Integers]
    formula: Formula  # of m, p_i, p_j and last


M, LAST = Symbol("m"), Symbol("last")

FORMS: dict[str, Form] = {
    "distance": Form(lambda p, j, _: -np.abs(p - j), -(M @ Abs(P_I - P_J))),
    "signed": Form(lambda p, j, _: j - p, M @ (P_J - P_I)),
    "key": Form(lambda _p, j, _n: j, M @ P_J),
    "last_key": Form(lambda _p, j, last: j - last, M @ (P_J - LAST)),
    "clamped": Form(
        lambda p, j, _: -np.maximum(p - j, 0), -(M @ Call("max", P_I - P_J, number(0)))
    ),
}


@dataclass(frozen=True)
class Alibi:
    """The bias of all heads. `own` positions replace those of the problem."""

    slopes: Array  # (heads)
    form: str
    n_k: int
    token_positions: TokenPositions = TOP_LEFT  # for the formula
    own: TokenPositions | None = None

    @property
    def formula(self) -> Formula:
        """The form, with the offset as a number."""
        token_positions = self.own or self.token_positions
        positions = {P_I: token_positions.query_formula(), P_J: token_positions.key_formula}
        if token_positions.counted:
            positions[LAST] = number(self.n_k - 1)
        return Named("alibi", FORMS[self.form].formula.with_(positions))

    def values(self, at: Place) -> Array:
        """Return (len(i) x len(j)), or one row if it is the same for all queries."""
        if self.own is not None:
            at = at._replace(token_positions=self.own)
        # Looked for among all keys, so only if the form has it: this is done for each tile.
        last = at.token_positions.last(at.batch, self.n_k) if self.form == "last_key" else 0
        # Whole numbers until here: the product is the only rounding.
        multiple = FORMS[self.form].function(at.p_i[:, None], at.p_j[None, :], last)
        bias: Array = self.slopes[at.head] * multiple
        return bias


def slopes(heads: int, kind: str) -> Array:
    """Return the slopes of that many heads, (heads) in float64."""
    return np.array(SLOPES[kind](heads))


def _plain(heads: int) -> list[float]:
    return [_power(8 * (h + 1), heads) for h in range(heads)]


def _paper(heads: int) -> list[float]:
    lower = 2 ** (heads.bit_length() - 1)
    return _plain(lower) + _plain(2 * lower)[::2][: heads - lower]


def _power(numerator: int, denominator: int) -> float:
    """Return 2^(-numerator/denominator); the whole part of the exponent costs no rounding."""
    whole, rest = divmod(numerator, denominator)
    return math.ldexp(2.0 ** (-rest / denominator), -whole)


SLOPES: dict[str, Callable[[int], list[float]]] = {"paper": _paper, "plain": _plain}
