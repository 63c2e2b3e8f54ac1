"""Problem + Request -> Record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attn_cli.engine.engines import choose, engine_settings
from attn_cli.engine.plan import labels_of, make_plan
from attn_cli.engine.settings import settings
from attn_cli.engine.sink import Store
from attn_cli.engine.threads import OnProgress, Workers
from attn_cli.engine.watch import Watch
from attn_cli.maths.problem import Problem, Request
from attn_cli.record import Record

if TYPE_CHECKING:
    from attn_cli.engine.protocol import Engine


def run(
    problem: Problem,
    request: Request | None = None,
    *,
    command: str = "compute",
    on_progress: OnProgress | None = None,
    engine: Engine | None = None,
) -> Record:
    """Compute the requested steps, and nothing else.

    `on_progress` is called with the finished and the total tiles. `engine` is for one that is not
    registered; None: the request's. Raises AttnError if the request names a step, batch entry or
    head that the problem does not have, needs more memory than it allows, or names an engine that
    refuses.
    """
    request = request or Request()
    plan = make_plan(problem, request)
    chosen = choose(problem, plan, engine or request.engine)
    store = Store(problem, plan)
    watch = Watch(problem, plan, store)
    chosen.engine.run(problem, plan, watch, Workers(request.threads, on_progress))
    return Record(
        command=command,
        steps=store.steps(),
        settings={**settings(problem, request), "engine": engine_settings(chosen)},
        query_tokens=labels_of(problem.query_tokens, plan.rows, problem.n_q),
        key_tokens=problem.key_tokens,
        cross=problem.cross,
        answer=watch.answer,
        text="\n".join(c.answer for c in watch.choices) if watch.choices else None,
        choices=tuple(watch.choices),
        title=problem.title,
        warnings=(*problem.warnings, *watch.warnings()),
    )
