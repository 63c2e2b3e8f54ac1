"""Problem + Request -> Record: the loop over batch entries, heads and blocks of query rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod

import numpy as np

from attn_cli.core.arrays import Array, Bools, Integers
from attn_cli.core.block import Entry, steps
from attn_cli.core.plan import LEADING, Plan, StepPlan, make_plan
from attn_cli.core.problem import Problem, Request
from attn_cli.core.settings import settings
from attn_cli.core.visible import Lead, common_reach
from attn_cli.record import Labels, Record, Step

WHOLE_ROWS = {"products", "gate", "scores", "masked", "weights"}  # steps that have all keys
AFTER_KEYS = {"context", "output"}
BLOCK_BYTES = 64 << 20  # the most that one block works on
ARRAYS_A_BLOCK = 6  # that are alive at once


def run(problem: Problem, request: Request | None = None, *, command: str = "compute") -> Record:
    """Compute the steps that are asked for, and nothing else.

    Raises AttnError where the request names a step, batch entry or head that the problem does not
    have, or asks for more than the memory that it allows.
    """
    request = request or Request()
    plan = make_plan(problem, request)
    made = _Made(plan, problem)
    with np.errstate(all="ignore"):  # what overflows is reported by name instead
        for lead in plan.leads:
            _fill(made, problem, plan, lead)
    steps_made = {name: made.step(step) for name, step in plan.steps.items()}
    if problem.layout == "columns":
        steps_made = {name: step.transposed() for name, step in steps_made.items()}
    query_tokens = _query_tokens(problem, plan)
    return Record(
        command=command,
        steps=steps_made,
        settings=settings(problem, request),
        query_tokens=query_tokens,
        key_tokens=problem.key_tokens,
        warnings=(*problem.warnings, *made.warnings(problem)),
    )


@dataclass
class _Made:
    """What has been computed so far: the part of each step that its plan keeps."""

    plan: Plan
    problem: Problem
    values: dict[str, Array] = field(default_factory=dict)
    empty: list[tuple[Lead, int]] = field(default_factory=list)  # queries that see no key

    def __post_init__(self) -> None:
        for name, step in self.plan.steps.items():
            self.values[name] = np.zeros(step.held, dtype=self.problem.dtype)

    def keep(self, name: str, lead: Lead, values: Array, rows: Integers | None = None) -> None:
        """Copy the kept part of a step, for the given rows along its first axis of two."""
        step = self.plan.steps.get(name)
        if step is None:
            return
        target = self.values[name]
        if name != "embeddings":
            for axis, free in enumerate(self.plan.free):
                if lead[free] not in step.indices(axis):
                    return
            target = target[
                tuple(step.indices(a).index(lead[free]) for a, free in enumerate(self.plan.free))
            ]
        kept_rows, kept_columns = step.kept[-2:]
        if kept_columns is not None:
            values = values[:, kept_columns]
        if rows is None:
            target[...] = values if kept_rows is None else values[list(kept_rows)]
            return
        if kept_rows is None:
            target[rows] = values
            return
        place = {row: at for at, row in enumerate(kept_rows)}
        for at, row in enumerate(rows):
            if int(row) in place:
                target[place[int(row)]] = values[at]

    def step(self, step: StepPlan) -> Step:
        """Return the finished step."""
        return Step(
            step.name,
            step.formula,
            step.axes,
            step.labels,
            self.values[step.name],
            step.shape,
            step.kept,
        )

    def warnings(self, problem: Problem) -> Iterator[str]:
        """Say which rows are empty and which steps are not finite."""
        if self.empty:
            yield _empty_rows(problem, self.empty)
        if problem.nonfinite == "refuse":
            yield from _overflows(self.plan, self.values, problem)


def _fill(made: _Made, problem: Problem, plan: Plan, lead: Lead) -> None:
    """Compute one batch entry and head, and keep what the plan asks for."""
    wanted = set(plan.steps)
    rows = plan.rows[plan.computed]
    block_steps = wanted & (WHOLE_ROWS | AFTER_KEYS)
    if problem.embeddings is not None:
        made.keep("embeddings", lead, problem.embeddings)
    nothing = np.zeros((0, 0), dtype=problem.dtype)
    Q = K = nothing
    V = None
    if problem.query is not None and (block_steps or "q" in wanted):
        Q = problem.query.rows(lead, rows)
        made.keep("q", lead, Q, plan.computed)
    if problem.key is not None and (block_steps or "k" in wanted):
        K = problem.key.rows(lead)
        made.keep("k", lead, K)
    if wanted & (AFTER_KEYS | {"v"}):
        V = problem.value.rows(lead)
        made.keep("v", lead, V)
    if not block_steps:
        return
    entry = _entry(problem, lead, rows, Q, K, V if wanted & AFTER_KEYS else None)
    for a, b in _blocks(len(rows), problem, plan):
        _fill_block(made, plan, entry, slice(a, b), _keys(problem, entry, slice(a, b), block_steps))


def _entry(
    problem: Problem, lead: Lead, rows: Integers, Q: Array, K: Array, V: Array | None
) -> Entry:
    """Prepare one batch entry and head; parameters with an axis of queries are cut to the rows."""
    parameters = dict(problem.parameters)
    for parameter in problem.score.parameters:
        if parameter.axes[:1] == ("n_q",):
            parameters[parameter.name] = parameters[parameter.name][rows]
    score = problem.score
    return Entry(
        lead=lead,
        positions=rows,
        score=score.prepare(Q, K, parameters),
        scale=problem.scale,
        selection=score.selection(parameters) if score.selection else None,
        schemes=problem.schemes,
        mask=problem.mask,
        normalizer=problem.normalizer,
        V=V,
        output=problem.output,
    )


def _blocks(count: int, problem: Problem, plan: Plan) -> Iterator[tuple[int, int]]:
    """Yield the blocks of query rows: as many as the memory for one block holds, at least one."""
    row = problem.n_k * problem.dtype.itemsize * ARRAYS_A_BLOCK
    height = max(1, min(BLOCK_BYTES, plan.memory // 2) // max(row, 1))
    return ((a, min(a + height, count)) for a in range(0, count, height))


def _keys(problem: Problem, entry: Entry, rows: slice, wanted: set[str]) -> slice:
    """Return the range of keys to look at: all where a step shows all, else the reach."""
    if wanted & WHOLE_ROWS:
        return slice(0, problem.n_k)
    i = entry.positions[rows]
    start, stop = common_reach(entry.schemes, i, problem.n_k)
    if entry.selection is not None:
        first, last = entry.selection.reach(i, problem.n_k)
        start, stop = max(start, first), min(stop, last)
    return slice(start, stop) if start < stop else slice(0, 0)


def _fill_block(made: _Made, plan: Plan, entry: Entry, rows: slice, keys: slice) -> None:
    """Run through the steps of one block up to the last that is wanted."""
    last = [name for name in plan.steps if name in WHOLE_ROWS | AFTER_KEYS][-1]
    local = plan.computed[rows]
    for name, values in steps(entry, rows, keys):
        if name == "visible":
            made.empty += [(entry.lead, int(plan.rows[row])) for row in local[_without_key(values)]]
        else:
            made.keep(name, entry.lead, values, local)  # type: ignore[arg-type]
        if name == last:
            return


def _without_key(visible: Array | Bools) -> Bools:
    """Return True for the rows in which no key is visible."""
    return ~visible.astype(np.bool_).any(axis=1)


def _query_tokens(problem: Problem, plan: Plan) -> Labels:
    """Return the labels of the queries that were asked for."""
    for step in plan.steps.values():
        if "query" in step.axes:
            return step.labels[step.axes.index("query")]
    return problem.query_tokens


def _empty_rows(problem: Problem, empty: list[tuple[Lead, int]]) -> str:
    """Say which queries see no key."""
    names = []
    for lead, row in empty[:3]:
        place = "".join(f"{LEADING[axis]} {index}, " for axis, index in enumerate(lead))
        word = problem.query_tokens[row]
        names.append(f"{place}query {row}" + ("" if word == str(row) else f" ('{word}')"))
    rest = f" and {len(empty) - 3} more" if len(empty) > 3 else ""
    verb = "has" if len(empty) == 1 else "have"
    return f"{'; '.join(names)}{rest} {verb} no key to attend to: weights and context are 0 there"


def _overflows(plan: Plan, values: dict[str, Array], problem: Problem) -> Iterator[str]:
    """Say which steps hold numbers that their inputs did not: the arithmetic overflowed."""
    for name in plan.steps:
        wild = ~np.isfinite(values[name])
        if name in {"scores", "masked"}:
            wild &= ~np.isneginf(values[name])
        if wild.any():
            first = tuple(int(n) for n in np.argwhere(wild)[0])
            yield (
                f"{name} is not finite at {list(first)} ({int(wild.sum())} of {prod(wild.shape)} "
                f"values): {problem.dtype} overflows there"
            )
