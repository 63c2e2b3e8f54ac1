"""The report of weights that are too large to be kept: pictures of blocks, and the largest weights.

All is taken from the rows while they are computed; no step of pairs is held as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from attn_cli.arrays import AnyArray, Bools, Integers
from attn_cli.dataclass import replace
from attn_cli.engine.plan import Plan, plan_unheld
from attn_cli.engine.run import put_into, recorded
from attn_cli.engine.settings import settings
from attn_cli.engine.sink import Store
from attn_cli.engine.step_plan import StepPlan
from attn_cli.errors import AttnError, argument
from attn_cli.lab.drawing import Chosen, Drawing, Filled, draw
from attn_cli.lab.placed import positions_of
from attn_cli.lab.pooling import Cut, Pool
from attn_cli.lab.problem_drawing import outline_of
from attn_cli.lab.report.entries import Entries
from attn_cli.lab.report.recipes import of_weights
from attn_cli.lab.report.result import Kept, Report
from attn_cli.lab.report.runs import Runs, joined, runs
from attn_cli.lab.report.size import Room
from attn_cli.lab.statistics import Labelled, Statistics, Tally, finished
from attn_cli.maths.pairs import last_of_scores
from attn_cli.maths.pipeline import pipeline
from attn_cli.maths.stage import OF_PAIRS
from attn_cli.maths.visible.base import REASONS, Lead
from attn_cli.record import Step

if TYPE_CHECKING:
    from attn_cli.engine.run import Passed
    from attn_cli.engine.threads import OnProgress
    from attn_cli.lab.heat_map import HeatMap
    from attn_cli.maths.block import StepValues
    from attn_cli.maths.problem import Problem, Request

MAIN = "weights"
SMALL = 256  # numbers of a step that is kept as it is


def large(
    problem: Problem,
    request: Request,
    fits: Room,
    *,
    limit: int,
    near: float,
    on_progress: OnProgress | None = None,
) -> Report:
    """Return the report; AttnError if the weights are not among the steps of the request."""
    plan = _planned(problem, request)
    step, last = plan.steps[MAIN], last_of_scores(problem)
    codes = ("visible",) if "visible" in pipeline(problem) else ()
    small = {name: each for name, each in plan.steps.items() if _is_small(each)}
    wanted = replace(request, steps=tuple(dict.fromkeys((*small, last, MAIN, *codes))))
    heat, sink, done = _drawn(problem, wanted, step, small, fits, on_progress)
    kept_steps = sink.store.steps()
    steps = {n: kept_steps.get(n) or _without_values(each) for n, each in plan.steps.items()}
    leads = tuple(product(*map(range, step.shape[:-2])))
    hidden, taking = sink.runs(leads)
    entries = Entries(
        problem,
        sink.places(leads),
        [int(row) for row in plan.rows],
        sink.lonely.reshape(-1, sink.lonely.shape[-1]),
        hides=bool(hidden or taking),
    )
    return Report(
        command="compute",
        record=recorded(problem, plan, done, steps, "compute"),
        lead_axes=tuple(step.axes[:-2]),
        leads=leads,
        pairs=(MAIN,),
        main=MAIN,
        maps={MAIN: heat},
        rung=fits.rung,
        tables=fits.tables,
        held=tuple(kept_steps),
        hidden=hidden,
        taking=taking,
        reasons=REASONS,
        working=of_weights(entries),
        near=near,
        statistics=sink.statistics(step, done.settings),
        kept=sink.kept(last),
        limit=limit,
    )


def _drawn(
    problem: Problem,
    wanted: Request,
    step: StepPlan,
    small: Mapping[str, StepPlan],
    fits: Room,
    on_progress: OnProgress | None,
) -> tuple[HeatMap, _Keeping, Passed]:
    """Compute the wanted steps once; return the picture of `step`, and what was kept."""
    found: list[tuple[_Keeping, Passed]] = []

    def fill(_rows: Cut, pools: Mapping[Lead, Pool]) -> Filled:
        whole = plan_unheld(problem, wanted)
        sink = _Keeping(problem, wanted, whole, small, pools, fits.kept)
        done = put_into(problem, wanted, whole, sink, on_progress=on_progress)
        found.append((sink, done))
        return Filled(REASONS, done.settings, done.warnings)

    outline = outline_of(problem, step, Chosen(batch=wanted.batch))
    outline = replace(outline, rows=range(step.shape[-2]))
    heat = draw(Drawing(outline, fill), (fits.side or 1, fits.side or 1), exact=True)
    ((sink, done),) = found
    return heat, sink, done


def _planned(problem: Problem, request: Request) -> Plan:
    """Return the plan; raise AttnError if the weights are not among its steps."""
    plan = plan_unheld(problem, request)
    if MAIN not in plan.steps:
        raise AttnError(
            "a page of so many numbers shows the weights, and they are not among "
            f"{', '.join(plan.steps)}",
            help=f"add them, leave out {argument('show')}, or write data: -o steps.npz",
        )
    return plan


def _is_small(step: StepPlan) -> bool:
    """Return whether a step is kept as it is."""
    return step.name == "lse" or (prod(step.shape) <= SMALL and step.axes[-2:] != OF_PAIRS)


def _without_values(step: StepPlan) -> Step:
    """Return a step with its formula, axes and shape, but without its numbers."""
    nothing = np.broadcast_to(np.float64(np.nan), step.shape)
    return Step(
        name=step.name,
        expression=step.spec.formula,
        axes=step.axes,
        labels=step.labels,
        values=nothing,
        shape=step.shape,
        kept=step.kept,
        reads=step.spec.reads,
        role=step.spec.stage.role,
        letter=step.spec.stage.letter,
    )


class _Keeping:
    """The sink that pools the weights, and keeps the largest of each row with their scores."""

    def __init__(
        self,
        problem: Problem,
        request: Request,
        plan: Plan,
        small: Mapping[str, StepPlan],
        pools: Mapping[Lead, Pool],
        kept: int,
    ) -> None:
        self._problem, self._plan, self._pools = problem, plan, pools
        self._last = last_of_scores(problem)
        self._step = plan.steps[MAIN]
        self.store = Store(problem, replace(plan, steps=dict(small)))
        shape = (*self._step.shape[:-1], kept)
        self._keys = np.full(shape, -1, np.int32)
        self._weights, self._scores = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self.lonely: Bools = np.zeros(shape[:-1], np.bool_)
        self._waiting: dict[Lead, AnyArray] = {}
        self._hidden: dict[Lead, dict[int, Runs]] = {}
        self._taking: dict[Lead, dict[int, Runs]] = {}
        self._other = False  # whether other keys than the visible ones take part
        self._first = {int(row): at for at, row in enumerate(plan.rows)}
        self._leads: dict[Lead, Lead] = {}  # the place in the step -> that in the problem
        type_ = self._step.spec.type
        assert type_ is not None  # weights are not codes
        self._tally = Tally(
            positions_of(settings(problem, request), problem.n_q, problem.n_k, cross=problem.cross),
            batched=bool(problem.batch),
            eps=type_.eps,
            sorts=False,
        )

    def wants(self, step: str) -> bool:
        """Return whether the step is kept, or read to keep the largest weights."""
        return step in {self._last, MAIN} or self.store.wants(step)

    def put(self, lead: Lead, made: StepValues, rows: Integers | None = None) -> None:
        """Take rows of a step of a head; the scores come before the weights."""
        if self.store.wants(made.name):
            self.store.put(lead, made, rows)
        if made.name == self._last:
            self._waiting[lead] = made.values
        if made.name != MAIN or rows is None:
            return
        place, scores = self._step.place(lead), self._waiting.pop(lead)
        assert made.seen is not None  # of weights
        if place is None:
            return
        self._leads[place] = lead
        seen = np.broadcast_to(made.seen, made.values.shape)
        codes = np.zeros(seen.shape, np.uint8)
        if made.why is not None:
            codes = np.asarray(np.broadcast_to(made.why, seen.shape), np.uint8)
        self._take(place, rows, made.values, scores, seen, codes)
        self._tally.add(lead, rows, made.values, np.where(seen, 0, np.maximum(codes, 1)))

    def _take(
        self, place: Lead, rows: Integers, weights: AnyArray, scores: AnyArray, seen: Bools,
        codes: AnyArray,
    ) -> None:  # fmt: skip
        at = np.array([self._first[int(row)] for row in rows])
        self._pools[place].add(at, weights, codes)
        self.lonely[place][at] = ~(codes == 0).any(axis=1)
        first = int(at[0])
        self._hidden.setdefault(place, {})[first] = runs(codes)
        self._other |= bool((seen != (codes == 0)).any())
        self._taking.setdefault(place, {})[first] = runs(seen.astype(np.uint8))
        count = self._keys.shape[-1]
        known = np.where(seen & ~np.isnan(weights), weights, -np.inf)
        keys = np.argpartition(-known, count - 1, axis=1)[:, :count]
        order = np.argsort(-np.take_along_axis(known, keys, 1), axis=1, kind="stable")
        keys = np.take_along_axis(keys, order, 1)
        there = np.take_along_axis(known, keys, 1) > -np.inf
        self._keys[place][at] = np.where(there, keys, -1)
        self._weights[place][at] = np.where(there, np.take_along_axis(weights, keys, 1), 0)
        with np.errstate(over="ignore"):
            self._scores[place][at] = np.where(there, np.take_along_axis(scores, keys, 1), 0)

    def places(self, leads: tuple[Lead, ...]) -> list[Lead]:
        """Return the places in the problem."""
        return [self._leads[lead] for lead in leads]

    def runs(self, leads: tuple[Lead, ...]) -> tuple[tuple[Runs, ...], tuple[Runs, ...]]:
        """Return why keys are hidden, and which take part if that is something else."""
        hidden = joined([self._hidden[lead] for lead in leads])
        taking = joined([self._taking[lead] for lead in leads]) if self._other else ()
        return (hidden if any(code for each in hidden for code, _ in each) else ()), taking

    def kept(self, last: str) -> Kept:
        """Return the largest weights of each row."""
        count = self._keys.shape[-1]
        flat = (-1, self._keys.shape[-2], count)
        return Kept(
            step=last,
            keys=self._keys.reshape(flat),
            weights=self._weights.reshape(flat),
            scores=self._scores.reshape(flat),
        )

    def statistics(self, step: StepPlan, found: Mapping[str, object]) -> Statistics:
        """Return the statistics of each head."""
        problem = self._problem
        return finished(
            self._tally,
            Labelled(
                problem.lead_axes, problem.query_tokens, problem.key_tokens, range(problem.n_q)
            ),
            per_query=False,
            step=MAIN,
            formula=str(step.spec.formula),
            shape=(*problem.lead, problem.n_q, problem.n_k),
            stride=1,
            settings=found,
        )
