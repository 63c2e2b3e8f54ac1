"""Sums, exponentials and broadcasting of plain numbers; the axes of one problem."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Vector = Sequence[float]
Matrix = Sequence[Vector]
Heads = list[list[list[list[float]]]]
"""Numbers as [batch][head][row][column]; where a problem lacks an axis there is one of it."""


def total(numbers: Iterable[float]) -> float:
    """The sum, rounded once; NaN and infinity as additions one by one would give them."""
    try:
        return math.fsum(numbers)
    except ValueError:  # infinities of both signs
        return math.nan


def dot(x: Vector, y: Vector) -> float:
    """x.y."""
    return total([a * b for a, b in zip(x, y, strict=True)])


def times(M: Matrix, x: Vector) -> list[float]:
    """M x."""
    return [dot(row, x) for row in M]


def project(X: Matrix, W: Matrix | None, b: Vector | None = None) -> list[list[float]]:
    """X W + b; X + b without W."""
    rows = [list(x) if W is None else [dot(x, c) for c in zip(*W, strict=True)] for x in X]
    return rows if b is None else [[y + c for y, c in zip(row, b, strict=True)] for row in rows]


def exp(x: float) -> float:
    """e^x; infinity if that is too large a number."""
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def sigmoid(x: float) -> float:
    """1 / (1 + e^-x)."""
    return 1 / (1 + exp(-x))


def log_sum_exp(numbers: Vector) -> float:
    """log(e^x1 + e^x2 + ...); -infinity of nothing."""
    if not numbers:
        return -math.inf
    top = max(numbers)
    return top + math.log(total(exp(x - top) for x in numbers))


def axes_of(values: Any) -> int:
    """How deep lists are nested."""
    axes = 0
    while isinstance(values, list):
        values, axes = values[0], axes + 1
    return axes


def element(values: Any, index: Sequence[int]) -> Any:
    """The element of `values` at an index of more or as many axes, aligned at the last one.

    An axis of length 1 stands for all. Axes that the index lacks have length 1.
    """
    for at in range(len(index) - axes_of(values), len(index)):
        values = values[0 if at < 0 or len(values) == 1 else index[at]]
    return values


def of_head(given: Any, h: int) -> Any:
    """What holds for query head h: its own entry of a list, or what holds for all of them."""
    return given[h] if isinstance(given, list) else given


@dataclass(frozen=True)
class Axes:
    """How many of each there are, and which axes the problem has."""

    batch: int
    heads: int
    kv_heads: int
    n_q: int
    past: int
    n_k: int
    has_batch: bool
    has_heads: bool
    packed: bool
    """The heads are side by side in the features, and so they are in the output."""
    tile: bool
    mapped: Sequence[int] = ()
    """The key head of each query head, if a list says it."""

    def kv(self, h: int) -> int:
        """The key head that query head h reads."""
        if self.mapped:
            return self.mapped[h]
        return h % self.kv_heads if self.tile else h // (self.heads // self.kv_heads)

    def index(self, b: int, h: int, *rest: int) -> list[int]:
        """Batch entry, head and what follows, without the axes that the problem lacks."""
        return [b] * self.has_batch + [h] * self.has_heads + list(rest)

    def rows(self, value: Callable[[int, int, int], Any]) -> list[list[list[Any]]]:
        """value(b, h, i) of every batch entry, head and query."""
        return [
            [[value(b, h, i) for i in range(self.n_q)] for h in range(self.heads)]
            for b in range(self.batch)
        ]

    def pairs(self, value: Callable[[int, int, int, int], Any]) -> list[list[list[list[Any]]]]:
        """value(b, h, i, j) of every batch entry, head, query and key."""
        return self.rows(lambda b, h, i: [value(b, h, i, j) for j in range(self.n_k)])

    def trimmed(self, heads: list[list[Any]]) -> Any:
        """[batch][head]... without the axes that the problem lacks."""
        entries = [entry if self.has_heads else entry[0] for entry in heads]
        return entries if self.has_batch else entries[0]
