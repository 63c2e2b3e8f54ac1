"""Runs a problem by tiles however small it is, and by the definition however large it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np

from attn_cli.arrays import Array
from attn_cli.engine import tiles
from attn_cli.engine.online import Sums
from attn_cli.engine.run import run
from attn_cli.maths.problem import Problem, Request
from attn_cli.reading.schema import read_problem
from attn_cli.record import Record
from attn_cli.sources.matrices.document import from_mapping

NEVER = 1 << 62
Mapping = dict[str, Any]


class Served(NamedTuple):
    """A record, and how its blocks of queries were made."""

    record: Record
    by_tiles: int
    left: int  # to the definition, after a look at the numbers
    scores: int  # how many were computed in tiles


def loaded(problem: Mapping | Problem) -> Problem:
    return problem if isinstance(problem, Problem) else read_problem(from_mapping(problem))


@contextmanager
def counting() -> Iterator[list[int]]:
    """Count blocks made by tiles, blocks left to the definition, and scores of tiles."""
    counts = [0, 0, 0]
    contexts, add = tiles.Tiles.contexts, Sums.add

    def watched(self: tiles.Tiles, rows: slice) -> tiles.Contexts | None:
        found = contexts(self, rows)
        counts[found is None] += 1
        return found

    def added(self: Sums, scores: Array, V: Array) -> None:
        counts[2] += scores.size
        add(self, scores, V)

    with patch.object(tiles.Tiles, "contexts", watched), patch.object(Sums, "add", added):
        yield counts


def by_tiles(
    problem: Mapping | Problem,
    steps: tuple[str, ...] = ("output",),
    tile: tuple[int, int] = (5, 7),
    strip: int = 3,
    aligned: int = 2,
    **request: Any,
) -> Served:
    """The record by tiles where they serve, from one score on."""
    small: Mapping = {"FROM": 0, "STRIP": strip, "ALIGNED": aligned}
    with patch.multiple(tiles, **small), counting() as counts:
        record = run(loaded(problem), Request(steps=steps, tile=tile, **request))
    return Served(record, *counts)


def defined(
    problem: Mapping | Problem, steps: tuple[str, ...] = ("output",), **request: Any
) -> Record:
    """The record by the definition alone."""
    with patch.object(tiles, "FROM", NEVER), counting() as counts:
        record = run(loaded(problem), Request(steps=steps, **request))
    assert counts == [0, 0, 0]
    return record


def same(
    problem: Mapping | Problem, steps: tuple[str, ...] = ("output",), close: float = 1e-12, **k: Any
) -> Served:
    """The tiles serve every block, and give what the definition gives, warnings included."""
    found = by_tiles(problem, steps, **k)
    expected = defined(problem, steps)
    for name in steps:
        np.testing.assert_allclose(
            found.record[name], expected[name], rtol=close, atol=close, err_msg=name
        )
    assert found.record.warnings == expected.warnings
    assert found.by_tiles > 0
    assert found.left == 0
    return found
