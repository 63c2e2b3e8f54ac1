"""From a problem and a request to a plan: the steps, their rows and their sizes.

All shapes are known before anything is computed, so that requests that do not fit are refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from math import prod

import numpy as np

from attn_cli.arrays import Integers, every
from attn_cli.dataclass import dataclass, replace
from attn_cli.engine.step_plan import Chosen, StepPlan, axes_of_tokens, bytes_of, step_plan
from attn_cli.errors import AttnError, argument, did_you_mean
from attn_cli.maths.pipeline import STAGES, names, pipeline
from attn_cli.maths.problem import Problem, Request, Tile
from attn_cli.maths.stage import (
    BLOCK,
    JOINED,
    KEYS,
    OF_PAIRS,
    POOLED,
    ROWS,
    StepSpec,
    closure,
)
from attn_cli.maths.visible.base import Lead
from attn_cli.maths.weighing import hides
from attn_cli.memory import half_of_the_machine, in_units

UNLIMITED = 1 << 62  # bytes


@dataclass(frozen=True)
class Plan:
    """All that is decided before the first multiplication."""

    pipeline: Mapping[str, StepSpec]  # the steps that the problem has, in the order computed
    steps: dict[str, StepPlan]  # the wanted steps
    needed: frozenset[str]  # the wanted steps, and all that they are computed from
    groups: dict[Lead, tuple[Lead, ...]]  # lead of an output -> the entries that it is made of
    unread: tuple[Lead, ...]  # batch entries and key heads of steps that no query head reads
    rows: Integers  # positions of the requested queries
    computed: Integers  # positions of the queries that are computed
    memory: int
    top: int  # number of next words in the ranking
    answers: bool  # whether the steps are wanted from which the answer is read
    marks: bool  # whether hidden cells of tables are marked
    threads: int
    tile: Tile
    block_bytes: int
    part: int  # queries of an entry that are prepared at a time
    together: bool  # whether a part is computed for all heads before the next one is
    key_bytes: int  # of keys and values that are held for other heads, or the next part

    def needs(self, *scopes: str) -> bool:
        """Return whether a step of one of these scopes is computed."""
        return any(self.pipeline[name].scope in scopes for name in self.needed)

    @property
    def any_of_rows(self) -> bool:
        """Whether a step of queries against keys is needed."""
        return self.needs(BLOCK, ROWS, JOINED, POOLED)

    @property
    def whole_rows(self) -> bool:
        """Whether a step is wanted that has a value for every key."""
        return any(step.spec.axes == OF_PAIRS for step in self.steps.values())

    @property
    def only_contexts(self) -> bool:
        """Whether contexts are needed, and no other step of blocks is wanted but `lse`."""
        of_blocks = {name for name, step in self.steps.items() if step.spec.scope == BLOCK}
        return "context" in self.needed and of_blocks <= {"context", "lse"}


def make_plan(problem: Problem, request: Request) -> Plan:
    """Return the plan; raise AttnError for a step, entry or size that is not possible."""
    rows = np.arange(problem.n_q) if request.rows is None else np.array(request.rows, dtype=np.intp)
    chosen = _chosen(problem, request)
    specs = pipeline(problem)
    of_tokens = axes_of_tokens(problem, rows)
    steps = {
        name: step_plan(problem, specs[name], chosen, of_tokens, rows, request.edge)
        for name in _wanted(specs, request)
    }
    memory = half_of_the_machine() if request.memory is None else request.memory
    _refuse_what_cannot_fit(steps, memory)
    of_queries = [step.rows for step in steps.values() if step.rows is not None]
    if problem.next_word is not None and any(s.spec.scope == POOLED for s in steps.values()):
        of_queries.append(problem.next_word.rows(problem.n_q))
    answers = _answers(problem, request, steps, memory)
    if problem.answer is not None and answers:
        of_queries.append(problem.answer.rows(problem.n_q))
    wanted = np.zeros(problem.n_q, dtype=np.bool_)  # np.unique would load numpy.ma: 12 ms
    for positions in of_queries:
        wanted[positions] = True
    computed = rows if every(wanted) and len(rows) == len(wanted) else np.flatnonzero(wanted)
    groups = _groups(problem, steps, chosen, of_all_heads=answers)
    marks = request.marks and hides(problem)
    unread = _unread(problem, steps, chosen)
    return Plan(
        pipeline=specs,
        steps=steps,
        needed=closure(specs.values(), steps),
        groups=groups,
        unread=unread,
        rows=rows,
        computed=computed,
        memory=memory,
        top=request.top,
        answers=answers,
        marks=marks,
        threads=request.threads,
        tile=request.tile,
        block_bytes=request.block_bytes,
        part=max(len(computed), 1),
        together=False,
        key_bytes=UNLIMITED,
    )


def _answers(problem: Problem, request: Request, steps: dict[str, StepPlan], memory: int) -> bool:
    """Return whether the question of the problem is answered, from steps that are wanted.

    Raises AttnError if what the answer is read from exceeds the memory.
    """
    rule = problem.answer
    if not request.answer or rule is None or not steps.keys() >= set(rule.reads):
        return False
    taken = rule.held(problem.n_q, problem.n_k) * prod(problem.batch) * np.dtype(float).itemsize
    if taken > memory:
        raise AttnError(
            f"the answer is read from {in_units(taken)} of weights, more than the "
            f"{in_units(memory)} allowed",
            path=("answer", "query"),
            help=f"name one query, or allow more: {argument('memory')}",
        )
    return True


def plan_unheld(problem: Problem, request: Request) -> Plan:
    """Return the plan of a request whose steps are not held: a sink takes them block by block.

    The memory limits blocks, not results. Raises AttnError as `make_plan` does.
    """
    memory = half_of_the_machine() if request.memory is None else request.memory
    return replace(make_plan(problem, replace(request, memory=UNLIMITED)), memory=memory)


def not_contexts_alone(plan: Plan) -> str | None:
    """Return why a plan needs more than contexts and later steps; None if it does not."""
    if not plan.any_of_rows:
        return "no scores are needed"
    return None if plan.only_contexts else "scores, weights or their sums are requested"


def _groups(
    problem: Problem, steps: dict[str, StepPlan], chosen: Chosen, *, of_all_heads: bool
) -> dict[Lead, tuple[Lead, ...]]:
    """Return the batch entries and heads to compute, grouped if they make one output.

    `of_all_heads`: all heads are computed, also if one was chosen.
    """
    depth = len(problem.batch) if problem.joined else len(problem.lead)
    after = any(step.spec.scope in {JOINED, POOLED} for step in steps.values())
    all_heads = problem.joined and (after or of_all_heads)

    def entries(axis: int, size: int) -> Sequence[int | None]:
        if all_heads and axis == depth:
            return [chosen[axis]]
        if of_all_heads and axis == len(problem.batch):
            return range(size)
        if chosen[axis] is not None:
            return [chosen[axis]]
        held = [_entries(problem, s, axis) for s in steps.values() if axis in s.free]
        return _union(held, size)

    leads = product(*(entries(axis, size) for axis, size in enumerate(problem.lead)))
    groups: dict[Lead, tuple[Lead, ...]] = {}
    for lead in leads:
        group: Lead = tuple(int(index) for index in lead[:depth] if index is not None)
        entry: Lead = tuple(int(index) for index in lead if index is not None)
        if all_heads:
            groups[group] = tuple((*group, head) for head in range(problem.heads or 0))
        else:
            groups[group] = (*groups.get(group, ()), entry)
    return groups


def _entries(problem: Problem, step: StepPlan, axis: int) -> Sequence[int]:
    """Return the batch entries or query heads that a step holds; a key head's are all it serves."""
    held = step.indices(step.free.index(axis))
    if step.spec.scope != KEYS or axis < len(problem.batch):
        return held
    return [head for head, key_head in enumerate(problem.key_heads) if key_head in held]


def _unread(problem: Problem, steps: dict[str, StepPlan], chosen: Chosen) -> tuple[Lead, ...]:
    """Return the batch entries and key heads that steps hold and no query head reads."""
    heads = sorted(set(range(problem.kv_heads or 0)) - set(problem.key_heads))
    axis = len(problem.batch)
    if not heads or not any(axis in s.free for s in steps.values() if s.spec.scope == KEYS):
        return ()
    entries = [range(n) if c is None else [c] for n, c in zip(problem.batch, chosen, strict=False)]
    return tuple(product(*entries, heads))


def _chosen(problem: Problem, request: Request) -> Chosen:
    """Return for each leading axis the requested entry, None for all."""
    requested = {"batch": request.batch, "head": request.head}
    for name, index in requested.items():
        if index is None:
            continue
        if name not in problem.lead_axes:
            raise AttnError(
                f"{argument(name)} {index}: Q, K and V have no {name} axis",
                help=_NO_AXIS[name],
            )
        size = problem.lead[problem.lead_axes.index(name)]
        whole = hasattr(index, "__index__") and not isinstance(index, bool)
        if not whole or not 0 <= index < size:
            raise AttnError(
                f"{argument(name)} {index} is out of range: there are {size}, numbered from 0 to "
                f"{size - 1}"
            )
    return [requested[name] for name in problem.lead_axes]


_NO_AXIS = {
    "batch": f"{argument('batch')} chooses along the first of 3 or 4 axes",
    "head": "heads: 2 splits the features among heads; of 4 axes the second is heads",
}


def _wanted(specs: Mapping[str, StepSpec], request: Request) -> list[str]:
    """Return the names of the wanted steps in the order computed."""
    for name in request.steps or ():
        if name not in specs:
            known = name in names()
            raise AttnError(
                f"this problem has no step '{name}'" if known else f"unknown step '{name}'",
                help=f"it is there if {_condition(name)}; this problem has: {', '.join(specs)}"
                if known
                else did_you_mean(name, specs, what="there are", meant=_meant(specs), listed=True),
            )
    if request.steps is None:
        unasked = [n for n, spec in specs.items() if not spec.stage.by_name]
        return [n for n in unasked if request.asides or not specs[n].stage.aside]
    return [n for n in specs if n in request.steps]


def _condition(name: str) -> str:
    """Return the condition under which a problem has a step."""
    return next(stage.condition for stage in STAGES if stage.name == name) or "anything reads it"


def _meant(specs: Mapping[str, StepSpec]) -> dict[str, str]:
    """Return other names of the steps -> their names."""
    return {word: name for name, spec in specs.items() for word in spec.stage.aliases}


def _union(kept: list[Sequence[int]], size: int) -> Sequence[int]:
    """Return the indices that any of the steps holds."""
    if any(len(indices) == size for indices in kept):
        return range(size)
    return sorted({index for indices in kept for index in indices})


def _refuse_what_cannot_fit(steps: dict[str, StepPlan], memory: int) -> None:
    """Raise AttnError if the wanted steps exceed the allowed memory."""
    if bytes_of(steps) <= memory:
        return
    largest, step = max(steps.items(), key=lambda item: bytes_of(dict([item])))
    raise AttnError(
        f"the requested steps would take {in_units(bytes_of(steps))}, more than the "
        f"{in_units(memory)} allowed: {largest} has shape ({', '.join(step.axes)}) = "
        f"({', '.join(map(str, step.held))}) in {step.dtype}",
        help=f"request fewer steps ({argument('only', 'output')}) or rows "
        f"({argument('query-token')}), or allow more: {argument('memory')}",
    )
