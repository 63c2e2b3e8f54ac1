"""Problem + Request -> Record."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from attn_cli.arrays import Array
from attn_cli.engine.entry import Preparation
from attn_cli.engine.fill import Filling
from attn_cli.engine.plan import labels_of, make_plan
from attn_cli.engine.settings import settings
from attn_cli.engine.sink import Store
from attn_cli.engine.threads import Tell, Workers
from attn_cli.engine.watch import Watch
from attn_cli.maths.problem import Problem, Request
from attn_cli.record import Record


def run(
    problem: Problem,
    request: Request | None = None,
    *,
    command: str = "compute",
    tell: Tell | None = None,
) -> Record:
    """Compute the steps that are asked for, and nothing else; `tell` hears how much is done.

    Raises AttnError where the request names a step, batch entry or head that the problem does not
    have, or asks for more than the memory that it allows.
    """
    request = request or Request()
    plan = make_plan(problem, request)
    store = Store(problem, plan)
    watch = Watch(problem, plan, store)
    with np.errstate(all="ignore"):  # what overflows is reported by name instead
        for name, values in _inputs(problem):
            watch.note(name, (), values)
        wanted = frozenset(plan.steps)
        prepare = Preparation(problem, plan.computed, wanted, watch.note)
        filling = Filling(problem, plan, watch, Workers(request.threads, tell), request.tile)
        filling.expect(sum(map(len, plan.groups.values())))
        for group, leads in plan.groups.items():
            filling.fill(group, [prepare.entry(lead) for lead in leads])
        for lead in plan.unread:
            prepare.unread(lead)
    return Record(
        command=command,
        steps=store.steps(),
        settings=settings(problem, request),
        query_tokens=labels_of(problem.query_tokens, plan.rows, problem.n_q),
        key_tokens=problem.key_tokens,
        cross=problem.cross,
        answer=watch.answer,
        text="\n".join(c.answer for c in watch.choices) if watch.choices else None,
        choices=tuple(watch.choices),
        title=problem.title,
        warnings=(*problem.warnings, *watch.warnings()),
    )


def _inputs(problem: Problem) -> Iterator[tuple[str, Array]]:
    """Yield the steps that come before Q, K and V."""
    if problem.embeddings is not None:
        yield "embeddings", problem.embeddings
        if problem.positions is not None:
            yield "positions", problem.positions.values
            yield "positioned", problem.positioned(slice(None))
