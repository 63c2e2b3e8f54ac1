"""Problem + Request -> Record; or block by block into any sink."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from attn_cli.dataclass import replace
from attn_cli.engine.engines import choose, engine_settings
from attn_cli.engine.plan import Plan, make_plan
from attn_cli.engine.settings import settings
from attn_cli.engine.sink import Store
from attn_cli.engine.step_plan import labels_of
from attn_cli.engine.threads import OnProgress, Workers
from attn_cli.engine.watch import Watch
from attn_cli.maths.problem import Problem, Request
from attn_cli.record import Choice, Record, Step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from attn_cli.engine.protocol import Engine, Sink


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
    request = request or Request(answer=True)
    plan = make_plan(problem, request)
    store = Store(problem, plan)
    passed = put_into(problem, request, plan, store, on_progress=on_progress, engine=engine)
    steps = store.steps()
    record = recorded(problem, plan, passed, steps, command)
    repeats = {} if request.steps is not None else _repeats(problem, plan, steps)
    return replace(record, repeats=repeats) if repeats else record


def recorded(
    problem: Problem, plan: Plan, passed: Passed, steps: Mapping[str, Step], command: str
) -> Record:
    """Return the record of these steps of a plan, once all of its values are in a sink."""
    return Record(
        command=command,
        steps=steps,
        settings=passed.settings,
        query_tokens=labels_of(problem.query_tokens, plan.rows, problem.n_q),
        key_tokens=problem.key_tokens,
        cross=problem.cross,
        answer=passed.answer,
        text="\n".join(c.answer for c in passed.choices) if passed.choices else None,
        choices=passed.choices,
        title=problem.title,
        warnings=passed.warnings,
    )


def _repeats(problem: Problem, plan: Plan, steps: dict[str, Step]) -> dict[str, str]:
    from attn_cli.engine.repeats import repeats

    return repeats(problem, plan.steps, steps)


class Passed(NamedTuple):
    """The parts of a record that are known once all values are in a sink."""

    settings: dict[str, object]
    answer: object
    choices: tuple[Choice, ...]
    warnings: tuple[str, ...]


def put_into(
    problem: Problem,
    request: Request,
    plan: Plan,
    sink: Sink,
    *,
    on_progress: OnProgress | None = None,
    engine: Engine | None = None,
) -> Passed:
    """Compute the steps of a plan into any sink, block by block.

    For a sink that holds no whole steps (a pooled map, statistics) the plan is that of
    `plan_unheld`. The other arguments and errors are those of `run`.
    """
    chosen = choose(problem, plan, engine or request.engine)
    watch = Watch(problem, plan, sink)
    chosen.engine.run(problem, plan, watch, Workers(request.threads, on_progress))
    return Passed(
        settings={**settings(problem, request), "engine": engine_settings(chosen)},
        answer=watch.answer,
        choices=tuple(each for of_entry in watch.choices for each in of_entry),
        warnings=(*problem.warnings, *watch.warnings()),
    )
