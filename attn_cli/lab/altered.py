"""Problems some of whose steps have other values: the later steps are computed from these.

    with_steps(problem, {"scores": S})["weights"] = softmax(S)

Arrays are in the order in which they are computed: (batch, head, query, key or dimension), with the
leading axes that the problem has. `own` and `computed` change between this and the problem's order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from attn_cli.arrays import AnyArray
from attn_cli.dataclass import replace
from attn_cli.engine.order import order_of
from attn_cli.engine.plan import make_plan
from attn_cli.engine.run import put_into
from attn_cli.engine.sink import Store
from attn_cli.maths.block import Block
from attn_cli.maths.inputs import embedded
from attn_cli.maths.pipeline import pipeline
from attn_cli.maths.problem import Problem, Projection, Request
from attn_cli.maths.stage import PROBLEM, Alter, Rows, Side, StepSpec

Steps = dict[str, AnyArray]


def steps_of(problem: Problem, names: Iterable[str] | None = None) -> Steps:
    """Return the values of steps, by name; None: of all that the problem has."""
    request = Request(steps=tuple(pipeline(problem) if names is None else names))
    plan = make_plan(problem, request)
    store = Store(problem, plan)
    put_into(problem, request, plan, store)
    return {
        name: computed(problem, plan.pipeline[name], step.values)
        for name, step in store.steps().items()
    }


def computed(problem: Problem, spec: StepSpec, values: AnyArray) -> AnyArray:
    """Return values in the problem's own order of axes in the order in which they are computed."""
    return values.transpose(np.argsort(_order(problem, spec, values.ndim)))


def own(problem: Problem, spec: StepSpec, values: AnyArray) -> AnyArray:
    """Return values in the order in which they are computed in the problem's own order of axes."""
    return values.transpose(_order(problem, spec, values.ndim))


def _order(problem: Problem, spec: StepSpec, axes: int) -> tuple[int, ...]:
    lead = axes - len(spec.axes)
    return order_of(problem, spec, (*problem.lead_axes[:lead], *spec.axes))


def with_steps(problem: Problem, values: Mapping[str, AnyArray]) -> Problem:
    """Return the problem with these values of steps, of all batch entries, heads and rows."""
    specs = pipeline(problem)
    altered = {name: _given(array, specs[name]) for name, array in values.items()}
    problem = replace(problem, altered={**problem.altered, **altered})
    return _read_again(problem) if any(specs[n].scope == PROBLEM for n in values) else problem


def with_change(problem: Problem, step: str, change: Alter) -> Problem:
    """Return the problem whose values of a step are changed wherever they are computed.

    `change` is called as `Alter` is: with a block, say, and the values of the step there.
    """
    before = problem.altered.get(step)

    def after(place: Any, values: AnyArray) -> AnyArray:
        assert before is not None
        return change(place, before(place, values))

    return replace(problem, altered={**problem.altered, step: change if before is None else after})


def _read_again(problem: Problem) -> Problem:
    """Return the problem whose projections read its embeddings as they are after alterations."""
    steps = steps_of(problem, [n for n in ("embeddings", "positions") if n in pipeline(problem)])
    problem = replace(problem, embeddings=steps["embeddings"])
    if problem.positions is not None and "positions" in problem.altered:
        table = replace(problem.positions, values=steps["positions"])
        problem = replace(problem, positions=table)
    X = steps_of(problem, [embedded(problem)])[embedded(problem)]

    def moved(side: Projection) -> Projection:
        return replace(side, inputs=X) if side.letter not in {"", "M"} else side

    return replace(
        problem,
        query=problem.query and moved(problem.query),
        key=problem.key and moved(problem.key),
        value=moved(problem.value),
    )


def with_rounded(problem: Problem, decimals: Mapping[str, int]) -> Problem:
    """Return the problem whose named steps are rounded to so many decimals, ties away from 0."""
    specs = pipeline(problem)
    altered = {
        name: _rounding(number, problem.altered.get(name)) for name, number in decimals.items()
    }
    problem = replace(problem, altered={**problem.altered, **altered})
    return _read_again(problem) if any(specs[n].scope == PROBLEM for n in decimals) else problem


def rounded(values: AnyArray, decimals: int) -> AnyArray:
    """Return values rounded to so many decimals, ties away from 0, as people round by hand."""
    unit = 10.0**decimals
    exact = values.astype(np.float64)  # 16-bit numbers times the unit may overflow
    with np.errstate(invalid="ignore", over="ignore"):
        size = np.floor(np.abs(exact) * unit + 0.5 + 1e-9) / unit
        found = np.where(np.isfinite(size), np.copysign(size, exact), exact)
        return found.astype(values.dtype)


def _rounding(decimals: int, before: Alter | None) -> Alter:
    """Return what rounds the values of a step, after what replaced them before, if anything did."""
    if before is None:
        return lambda _, values: rounded(values, decimals)
    return lambda place, values: rounded(before(place, values), decimals)


def _given(array: AnyArray, spec: StepSpec) -> Callable[[Any, AnyArray], AnyArray]:
    """Return what replaces the values of a step: the part of an array that belongs to its place."""
    lead_axes = array.ndim - len(spec.axes)

    def part(place: Any, values: AnyArray) -> AnyArray:
        if isinstance(place, Problem):
            chosen = array
        elif isinstance(place, Side):
            chosen = array[place.lead][place.rows]
        elif isinstance(place, Block):
            chosen = array[place.entry.lead][place.at.i]
            chosen = chosen[:, place.at.j] if spec.axes[-1] == "key" else chosen
        else:
            chosen = _of_rows(array, place, lead_axes, spec)
        return np.asarray(chosen, dtype=values.dtype)

    return part


def _of_rows(array: AnyArray, place: Rows, lead_axes: int, spec: StepSpec) -> AnyArray:
    problem = place.problem
    lead = (*((place.batch,) if problem.batch else ()), *((place.head,) if problem.heads else ()))
    own_entry: AnyArray = array[lead[:lead_axes]]
    return own_entry[place.i] if "query" in spec.axes else own_entry
