"""How large a drawn problem is, how its arrays are laid out, and the numbers in them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

PRIMES = st.sampled_from([2, 3, 5, 7])
ROWS = st.sampled_from([3, 2, 5, 7, 1])  # one query that decodes, one key


@dataclass(frozen=True)
class Sizes:
    """Sizes of the axes, how many axes there are, and where numbers come from."""

    axes: int
    """Of Q, K and V: 2, 3 or 4."""
    batch: int
    heads: int
    kv_heads: int
    n_q: int
    new: int
    past: int
    d_k: int
    d_v: int
    has_heads: bool
    numbers: random.Random
    """Hypothesis does not choose the numbers: it shrinks the keys of a problem, not its values."""

    @property
    def n_k(self) -> int:
        """The keys of the past and the new ones."""
        return self.past + self.new

    @property
    def scores(self) -> list[int]:
        """The shape of the scores."""
        return [self.batch] * (self.axes > 2) + [self.heads] * self.has_heads + [self.n_q, self.n_k]

    def normal(self, *shape: int) -> Any:
        """Nested lists of numbers around 0. Five decimals: short to read, and no two scores tie."""
        if not shape:
            return round(self.numbers.gauss(0, 1), 5)
        return [self.normal(*shape[1:]) for _ in range(shape[0])]

    def choices(self, of: list[Any], *shape: int) -> Any:
        """Nested lists of any of these."""
        return self.drawn(lambda: self.numbers.choice(of), *shape)

    def drawn(self, one: Callable[[], Any], *shape: int) -> Any:
        """Nested lists of what `one` returns."""
        if not shape:
            return one()
        return [self.drawn(one, *shape[1:]) for _ in range(shape[0])]


def sizes(draw: st.DrawFn) -> Sizes:
    """Small ones, with and without batch, heads, grouped keys, past."""
    axes = draw(st.sampled_from([2, 3, 4]))
    has_heads = axes == 4 or draw(st.booleans())
    kv_heads = draw(st.sampled_from([1, 2, 3])) if has_heads else 1
    heads = kv_heads * (draw(st.sampled_from([1, 2, 3])) if has_heads else 1)
    if has_heads and maybe(draw, 5):
        heads = draw(st.integers(1, 5))  # perhaps no multiple: `grouping` is a list then
    n_q = draw(ROWS)
    return Sizes(
        axes=axes,
        batch=draw(st.sampled_from([1, 2, 3])) if axes > 2 else 1,
        heads=heads,
        kv_heads=kv_heads,
        n_q=n_q,
        new=draw(st.one_of(st.just(n_q), ROWS)),
        past=draw(st.sampled_from([0, 0, 0, 1, 4])),
        d_k=draw(st.sampled_from([2, 3, 4, 6, 10])),
        d_v=draw(ROWS),
        has_heads=has_heads,
        numbers=random.Random(draw(st.integers(0, 999))),
    )


def laid_out(values: Any, axes: int, layout: str) -> Any:
    """[batch][head][row][feature] as Q, K and V are written with so many axes."""
    if axes == 4:
        if layout == "bhsd":
            return values
        return [[list(rows) for rows in zip(*entry, strict=True)] for entry in values]
    packed = [
        [[x for row in rows for x in row] for rows in zip(*entry, strict=True)] for entry in values
    ]
    return packed if axes == 3 else packed[0]


def broadcast(draw: st.DrawFn, of: list[int]) -> list[int]:
    """A shape that broadcasts to another: axes of 1, missing ones, and further ones of 1."""
    shape = [draw(st.sampled_from([n, n, 1])) for n in of]
    shape[-1] = of[-1] if draw(st.integers(0, 4)) else 1
    left = shape[draw(st.integers(0, len(shape) - 1)) :]
    if len(of) == 4 and len(left) == 3 and left[0] > 1 and of[0] == of[1]:
        left = [1, *left]  # three axes that could begin with either are refused
    return [1] * draw(st.integers(0, 4 - len(left))) * (not draw(st.integers(0, 5))) + left


def of_heads(one: st.SearchStrategy[Any], z: Sizes) -> st.SearchStrategy[Any]:
    """A list of one for each query head."""
    return st.lists(one, min_size=z.heads, max_size=z.heads)


def maybe(draw: st.DrawFn, one_in: int = 3) -> bool:
    """True in one of so many draws; False is the simpler."""
    return draw(st.integers(1, one_in)) == one_in
