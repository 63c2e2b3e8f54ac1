"""ALiBi: a penalty that grows with the distance, one slope m a head.

    distance:  -m |p_i - p_j|            flash-attention's formula
    signed:     m (p_j - p_i)            attention-gym: rewards keys that come later
    key:        m p_j                    the authors' code
    last_key:   m (p_j - last)           MPT; last is the largest p_j of the batch entry
    clamped:   -m max(p_i - p_j, 0)      TransformerLens: keys that come later cost nothing

p_i and p_j are the positions of query i and key j: see `maths.standing`. Press, Smith and Lewis
2021 (arXiv 2108.12409) define it for keys up to the query, p_j <= p_i. There the forms differ by a
constant within a row, which softmax does not see: scores differ, weights and output agree. Where
later keys are seen, that holds of signed, key and last_key only.

The slopes of H heads, h = 0 .. H - 1:

    paper:  2^(-8(h+1)/H) where H is a power of two; else those of the next lower power of two, then
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
from attn_cli.maths.place import Place
from attn_cli.maths.standing import TOP_LEFT, Standing


class Form(NamedTuple):
    """One form: (p_i as a column, p_j as a row, last) -> what m is multiplied by, and its text."""

    function: Callable[[Integers, Integers, int], Integers]
    text: str  # with {p}, {bracketed} for p in brackets, {key}, {last}


FORMS: dict[str, Form] = {
    "distance": Form(lambda p, j, _: -np.abs(p - j), "-m |{p} - {key}|"),
    "signed": Form(lambda p, j, _: j - p, "m ({key} - {bracketed})"),
    "key": Form(lambda _p, j, _n: j, "m {key}"),
    "last_key": Form(lambda _p, j, last: j - last, "m ({key} - {last})"),
    "clamped": Form(lambda p, j, _: -np.maximum(p - j, 0), "-m max({p} - {key}, 0)"),
}


@dataclass(frozen=True)
class Alibi:
    """The bias of all heads. `own` positions replace those of the problem."""

    slopes: Array  # (heads)
    form: str
    n_k: int
    standing: Standing = TOP_LEFT  # for the formula
    own: Standing | None = None

    @property
    def formula(self) -> str:
        """The form, with the offset as a number."""
        standing = self.own or self.standing
        text = FORMS[self.form].text.format(
            p=standing.text(),
            bracketed=standing.bracketed,
            key=standing.key_text,
            last=self.n_k - 1 if standing.counted else "last",
        )
        return f"alibi ({text})"

    def values(self, at: Place) -> Array:
        """Return (len(i) x len(j)), or one row where all queries have the same."""
        if self.own is not None:
            at = at._replace(standing=self.own)
        # Looked for among all keys, so only if the form has it: this is done for each tile.
        last = at.standing.last(at.batch, self.n_k) if self.form == "last_key" else 0
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
