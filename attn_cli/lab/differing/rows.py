"""Which query rows are compared, and how many of them at a time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from attn_cli.arrays import Integers
from attn_cli.dataclass import dataclass
from attn_cli.maths.place import Place
from attn_cli.maths.problem import Problem
from attn_cli.maths.ranges import Range, hull
from attn_cli.maths.visible.base import common_reach

ALL = 1 << 22  # pairs of queries and keys, over all heads; above it rows are sampled
# Pairs that are computed of sampled rows: more if no step has a number for each of them.
BUDGET, OF_PAIRS = 1 << 24, 1 << 22
NUMBERS = 1 << 26  # that are compared of two files, for which nothing is computed
LEAST = 16  # rows that are compared at least
AT_ONCE = 1 << 18  # numbers of a step that are compared at a time
COARSE, MOST_EDGES = 33, 6  # rows between which edges are looked for; edges that are taken
SEED = 0


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The rows to compare, ascending; `edges` and `drawn` are empty if these are all rows."""

    rows: Integers
    queries: int
    edges: tuple[int, ...] = ()  # first rows from which on other keys are reached
    drawn: int = 0

    @property
    def text(self) -> str:
        """Return which rows are compared, if not all are."""
        if len(self.rows) == self.queries:
            return ""
        parts = ["the first two", "the last two"]
        if self.edges:
            parts.append(f"those around the edges of the visible keys ({_joined(self.edges)})")
        which = f"{', '.join(parts)} and {self.drawn} drawn at random (seed {SEED})"
        return f"{len(self.rows)} of {self.queries} rows were compared: {which}"


def _joined(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers))


def of_problem(problem: Problem, *, pairs: bool, exact: bool) -> Sample:
    """Return the rows of a problem to compare; `pairs`: a step has a number per query and key."""
    entries = (problem.batch or (1,))[0] * (problem.heads or 1)
    size = problem.n_k * entries
    if exact or problem.n_q * size <= ALL:
        return Sample(rows=np.arange(problem.n_q), queries=problem.n_q)
    most = (OF_PAIRS if pairs else BUDGET) // max(size, 1)
    return sampled(problem.n_q, most, edges_of(problem))


def sampled(queries: int, most: int, edges: tuple[int, ...] = ()) -> Sample:
    """Return about `most` rows, 16 at least, or all if there are no more.

    The first and the last two, those around edges, and one drawn at random of each of as many
    parts of equal length as are left: so no step between rows misses a fault of every 64th row.
    """
    most = max(most, LEAST)
    if queries <= most:
        return Sample(rows=np.arange(queries), queries=queries)
    around = {row for edge in edges for row in (edge - 1, edge, edge + 1) if 0 <= row < queries}
    fixed = {0, 1, queries - 2, queries - 1} | around
    drawn = max(most - len(fixed), LEAST // 2)
    lots = np.random.Generator(np.random.SFC64(SEED)).random(drawn)
    chosen = ((np.arange(drawn) + lots) * (queries / drawn)).astype(np.intp)
    rows = np.array(sorted({*fixed, *chosen.tolist()}), dtype=np.intp)
    return Sample(rows=rows, queries=queries, edges=edges, drawn=drawn)


def edges_of(problem: Problem) -> tuple[int, ...]:
    """Return the first rows from which on the first or last key that is reached moves otherwise.

    With a window of 128 keys to the left that is row 128, the last that reaches key 0.
    """
    schemes, n_k = problem.rules.schemes, problem.n_k
    if not schemes or problem.n_q < COARSE:
        return ()

    def reached(row: int) -> Range:
        place = Place(0, 0, np.array([row]), np.arange(0), problem.token_positions)
        return hull(common_reach(schemes, place, n_k))

    def moves(row: int) -> Range:
        (first, last), (start, stop) = reached(row), reached(row + 1)
        return start - first, stop - last

    found = []
    coarse = np.linspace(0, problem.n_q - 2, COARSE).astype(int).tolist()
    for first, last in pairwise(coarse):
        before = moves(first)
        if moves(last) == before:
            continue
        low, high = first, last
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if moves(middle) == before else (low, middle)
        found.append(high)
    return tuple(found[:MOST_EDGES])


def parts(rows: Integers, numbers: int) -> Iterator[Integers]:
    """Yield the rows a few at a time; `numbers` are those of the largest step in a row."""
    height = max(AT_ONCE // max(numbers, 1), 1)
    for first in range(0, len(rows), height):
        yield rows[first : first + height]
