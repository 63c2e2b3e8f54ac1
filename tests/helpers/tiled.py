"""Runs a problem by tiles however small it is, and by the definition however large it is."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from attn_cli.engine.plan import make_plan
from attn_cli.engine.run import run
from attn_cli.engine.tiles import Tiles
from attn_cli.maths.problem import Problem, Request
from attn_cli.reading.schema import read_problem
from attn_cli.record import Record
from attn_cli.sources.matrices.document import from_mapping

Mapping = dict[str, Any]


class Events(list[tuple[str, object]]):
    """What an engine traces."""

    def __call__(self, name: str, value: object) -> None:
        self.append((name, value))

    def of(self, name: str) -> list[Any]:
        """The values of the events of that name."""
        return [value for each, value in self if each == name]


class Served(NamedTuple):
    """A record, and how its blocks of queries were made."""

    record: Record
    events: Events

    @property
    def by_tiles(self) -> int:
        return len(self.events.of("by tiles"))

    @property
    def left(self) -> int:
        """To the definition, after a look at the numbers."""
        return len(self.events.of("left to the definition"))

    @property
    def scores(self) -> int:
        """How many were computed in tiles."""
        return sum(self.events.of("scores"))


def loaded(problem: Mapping | Problem) -> Problem:
    return problem if isinstance(problem, Problem) else read_problem(from_mapping(problem))


def refused(problem: Mapping | Problem, steps: tuple[str, ...] = ("output",)) -> str | None:
    """Why tiles do not serve."""
    read = loaded(problem)
    return Tiles().refuses(read, make_plan(read, Request(steps=steps)))


def by_tiles(
    problem: Mapping | Problem,
    steps: tuple[str, ...] = ("output",),
    tile: tuple[int, int] = (5, 7),
    subtile: int = 3,
    aligned: int = 2,
    **request: Any,
) -> Served:
    """The record by tiles if they serve, from one score on."""
    events, read = Events(), loaded(problem)
    wanted = Request(steps=steps, tile=tile, engine="definition", **request)
    engine = None
    if refused(read, steps) is None:
        engine = Tiles(subtile=subtile, aligned=aligned, trace=events)
    return Served(run(read, wanted, engine=engine), events)


def defined(
    problem: Mapping | Problem, steps: tuple[str, ...] = ("output",), **request: Any
) -> Record:
    """The record by the definition alone."""
    return run(loaded(problem), Request(steps=steps, engine="definition", **request))


def in_blocks(
    problem: Mapping | Problem,
    block_bytes: int | None,
    *,
    steps: Any = None,
    query: int | None = None,
    batch: int | None = None,
    head: int | None = None,
) -> Record:
    """The record from blocks of so many bytes (None: the usual ones)."""
    read = loaded(problem)
    return run(
        read,
        Request(
            steps=None if steps is None else tuple(steps),
            rows=None if query is None else (query,),
            batch=batch,
            head=head,
            asides=True,
            block_bytes=Request.block_bytes if block_bytes is None else block_bytes,
        ),
    )


def same(
    problem: Mapping | Problem,
    steps: tuple[str, ...] = ("output",),
    close: float = 1e-12,
    expected: Record | None = None,
    **k: Any,
) -> Served:
    """The tiles serve every block, and give what the definition gives, warnings included."""
    found = by_tiles(problem, steps, **k)
    expected = expected or defined(problem, steps)
    for name in steps:
        np.testing.assert_allclose(
            found.record[name], expected[name], rtol=close, atol=close, err_msg=name
        )
    assert found.record.warnings == expected.warnings
    assert found.by_tiles > 0
    assert found.left == 0
    return found
