"""The heat map of a step that is computed for it, block by block: no step is held as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

import numpy as np

from attn_cli.arrays import AnyArray, Integers
from attn_cli.dataclass import dataclass, replace
from attn_cli.engine.plan import Plan, plan_unheld
from attn_cli.engine.run import put_into, run
from attn_cli.engine.step_plan import StepPlan
from attn_cli.errors import AttnError, argument
from attn_cli.lab.drawing import (
    Chosen,
    Drawing,
    Filled,
    Outline,
    drawable,
    leads_of,
    rows_of,
)
from attn_cli.lab.heat_map import signed
from attn_cli.lab.pooling import Cut, Pool
from attn_cli.lab.result_drawing import of_record
from attn_cli.maths.problem import Problem, Request
from attn_cli.maths.stage import CODE, OF_PAIRS
from attn_cli.maths.visible.base import REASONS, Lead

if TYPE_CHECKING:
    from attn_cli.engine.threads import OnProgress
    from attn_cli.maths.block import StepValues

    # Gives a function that is called after each tile, or None.
    Computing = Callable[[Problem, Request], AbstractContextManager[OnProgress | None]]


@contextmanager
def without_progress(_problem: Problem, _request: Request) -> Iterator[OnProgress | None]:
    """Give no function that is called after each tile."""
    yield None


def of_problem(
    problem: Problem,
    request: Request,
    chosen: Chosen,
    computing: Computing = without_progress,
) -> Drawing:
    """Return the drawing of the one step of a request; rows are computed within `computing`.

    Raises AttnError for a step, batch entry or head that the problem does not have, and for a step
    that is not a matrix.
    """
    for head in chosen.heads or ():
        plan_unheld(problem, replace(request, head=head))  # refuses one that there is not
    request = replace(request, batch=chosen.batch, marks=True)
    plan = plan_unheld(problem, request)
    (step,) = plan.steps.values()
    if not drawable(step.axes):
        raise AttnError(
            f"{step.name} has one axis, {step.axes[-1]}: a heat map needs two",
            help=f"it can draw: {', '.join(_drawable(plan))}; attn compute shows {step.name}",
        )
    _refuse_heads(step, chosen)
    if step.spec.axes != OF_PAIRS:
        record = run(problem, replace(request, asides=True), command="heatmap")
        drawing = of_record(record, step.name, chosen._replace(batch=None))
        return replace(drawing, outline=replace(drawing.outline, batch=chosen.batch))
    return Drawing(outline_of(problem, step, chosen), _filling(problem, request, step, computing))


def _drawable(plan: Plan) -> list[str]:
    return [name for name, spec in plan.pipeline.items() if len(spec.axes) == 2]


def _refuse_heads(step: StepPlan, chosen: Chosen) -> None:
    """Raise AttnError for heads of a step that has none."""
    if chosen.heads is not None and "head" not in step.axes:
        of = "key heads" if "key head" in step.axes else "all heads together"
        raise AttnError(
            f"{step.name} is of {of}, so none can be chosen", help=f"leave out {argument('head')}"
        )


def outline_of(problem: Problem, step: StepPlan, chosen: Chosen) -> Outline:
    """Return the outline of a step of pairs; AttnError for rows that there are not."""
    rules, lead = problem.rules, len(step.free)
    return Outline(
        step=step.name,
        formula=str(step.spec.formula),
        role=step.spec.stage.role,
        axes=(step.axes[-2], step.axes[-1]),
        labels=(problem.query_tokens, problem.key_tokens),
        lead_axes=step.axes[:lead],
        leads=leads_of(step.axes[:lead], step.shape[:lead], chosen.heads),
        rows=rows_of(chosen.rows, "query", problem.n_q),
        cross=problem.cross,
        signed=signed(step.name, step.spec.stage.role) or rules.normalizer.name == "none",
        batch=chosen.batch,
        named=chosen.heads is not None,
    )


def _filling(
    problem: Problem, request: Request, step: StepPlan, computing: Computing
) -> Callable[[Cut, Mapping[Lead, Pool]], Filled]:
    """Return the function that computes rows of a step of pairs into pools."""

    def fill(rows: Cut, pools: Mapping[Lead, Pool]) -> Filled:
        read = None if rows.read == range(problem.n_q) else tuple(rows.read)
        wanted = replace(request, rows=read)
        plan = plan_unheld(problem, wanted)
        sink = _Pooling(plan.steps[step.name], pools)
        groups = {
            group: tuple(lead for lead in leads if sink.pool(lead) is not None)
            for group, leads in plan.groups.items()
        }
        plan = replace(plan, groups={group: leads for group, leads in groups.items() if leads})
        with computing(problem, wanted) as on_progress:
            passed = put_into(problem, wanted, plan, sink, on_progress=on_progress)
        return Filled(REASONS, passed.settings, passed.warnings)

    return fill


@dataclass(frozen=True)
class _Pooling:
    """The sink that gives the rows of each head to its pool."""

    step: StepPlan
    pools: Mapping[Lead, Pool]

    def wants(self, step: str) -> bool:
        """Return whether it is the step."""
        return step == self.step.name

    def pool(self, lead: Lead) -> Pool | None:
        """Return the pool of a batch entry and head, None if it is not drawn."""
        place = self.step.place(lead)
        return None if place is None else self.pools.get(place)

    def put(self, lead: Lead, made: StepValues, rows: Integers | None = None) -> None:
        """Take rows of a head; of codes, 1 for a key that is seen."""
        pool = self.pool(lead)
        if pool is None or rows is None:
            return
        values, hidden = made.values, _hidden(made)
        if self.step.spec.stage.role == CODE:
            values, hidden = (made.values == 0).astype(np.float64), made.values
        pool.add(rows, values, hidden)


def _hidden(made: StepValues) -> AnyArray | None:
    """Return the codes of hidden cells, as tables mark them; None if there are none."""
    if made.seen is None or made.why is None:
        return None
    return np.where(made.seen, 0, made.why)
