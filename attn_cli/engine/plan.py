"""From a problem and a request to a plan: the steps, their rows and their sizes.

All shapes are known before anything is computed, so that requests that do not fit are refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from math import prod
from typing import Any

import numpy as np

from attn_cli.arrays import Integers
from attn_cli.dataclass import dataclass, replace
from attn_cli.errors import AttnError, argument, did_you_mean
from attn_cli.maths.pipeline import STAGES, names, pipeline
from attn_cli.maths.problem import Edge, Problem, Request, Tile
from attn_cli.maths.stage import (
    BLOCK,
    JOINED,
    KEYS,
    OF_PAIRS,
    POOLED,
    PROBLEM,
    ROWS,
    StepSpec,
    closure,
)
from attn_cli.maths.visible.base import Lead
from attn_cli.maths.weighing import hides
from attn_cli.memory import half_of_the_machine, in_units
from attn_cli.record import Labels, Numbered

UNLIMITED = 1 << 62  # bytes

NEW_KEY = "new key"  # the axis "key" of steps without the past

# For each leading axis the requested entry, None for all.
Chosen = list[int | None]


@dataclass(frozen=True)
class StepPlan:
    """The shape of one step, and the indices along each axis that will be held (None: all).

    `free` are the leading axes of the scores that the step has too, as query heads or as key heads;
    `fixed` maps axes to their one requested entry; `rows` are the positions of the queries whose
    rows are held, if it has an axis of queries.
    """

    spec: StepSpec
    axes: tuple[str, ...]
    labels: tuple[Labels, ...]
    shape: tuple[int, ...]
    kept: tuple[Sequence[int] | None, ...]
    free: tuple[int, ...]
    fixed: dict[int, int]
    rows: Integers | None
    dtype: np.dtype[Any]

    @property
    def name(self) -> str:
        """The name of the step."""
        return self.spec.name

    @property
    def held(self) -> tuple[int, ...]:
        """The shape of the part that is held."""
        return tuple(n if k is None else len(k) for n, k in zip(self.shape, self.kept, strict=True))

    def indices(self, axis: int) -> Sequence[int]:
        """Return the indices along an axis that are held."""
        kept = self.kept[axis]
        return range(self.shape[axis]) if kept is None else kept

    def place(self, lead: Lead) -> tuple[int, ...] | None:
        """Return the index of a batch entry and head among those held; None if it is not held."""
        if any(lead[axis] != index for axis, index in self.fixed.items()):
            return None
        held = [self.indices(axis) for axis in range(len(self.free))]
        wanted = [lead[axis] for axis in self.free]
        if any(index not in indices for index, indices in zip(wanted, held, strict=True)):
            return None
        return tuple(indices.index(i) for i, indices in zip(wanted, held, strict=True))

    def matching(self, rows: Integers | None) -> tuple[slice | Integers, slice | Integers]:
        """Return where the held ones among these rows go, and which of the rows they are."""
        if self.rows is None or rows is None:
            kept = self.kept[-2] if len(self.axes) - len(self.free) > 1 else None
            return slice(None), slice(None) if kept is None else np.array(kept, dtype=np.intp)
        targets = np.searchsorted(self.rows, rows)
        found = targets < len(self.rows)
        found[found] = self.rows[targets[found]] == rows[found]
        if found.all() and len(rows) and targets[-1] - targets[0] == len(rows) - 1:
            return slice(int(targets[0]), int(targets[-1]) + 1), slice(None)
        return targets[found], np.flatnonzero(found)


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
    of_tokens = _axes_of_tokens(problem, rows)
    steps = {
        name: _step(problem, specs[name], chosen, of_tokens, rows, request.edge)
        for name in _wanted(specs, request)
    }
    memory = half_of_the_machine() if request.memory is None else request.memory
    _refuse_what_cannot_fit(steps, memory)
    of_queries = [step.rows for step in steps.values() if step.rows is not None]
    if problem.next_word is not None and any(s.spec.scope == POOLED for s in steps.values()):
        of_queries.append(problem.next_word.rows(problem.n_q))
    wanted = np.zeros(problem.n_q, dtype=np.bool_)  # np.unique would load numpy.ma: 12 ms
    for positions in of_queries:
        wanted[positions] = True
    computed = np.flatnonzero(wanted)
    groups = _groups(problem, steps, chosen)
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
        marks=marks,
        threads=request.threads,
        tile=request.tile,
        block_bytes=request.block_bytes,
        part=max(len(computed), 1),
        together=False,
        key_bytes=UNLIMITED,
    )


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
    problem: Problem, steps: dict[str, StepPlan], chosen: Chosen
) -> dict[Lead, tuple[Lead, ...]]:
    """Return the batch entries and heads to compute, grouped if they make one output."""
    depth = len(problem.batch) if problem.joined else len(problem.lead)
    after = any(step.spec.scope in {JOINED, POOLED} for step in steps.values())
    all_heads = problem.joined and after
    leads = product(
        *(
            _union([_entries(problem, s, axis) for s in steps.values() if axis in s.free], size)
            if chosen[axis] is None and not (all_heads and axis == depth)
            else [chosen[axis]]
            for axis, size in enumerate(problem.lead)
        )
    )
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
    asked = {"batch": request.batch, "head": request.head}
    for name, index in asked.items():
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
    return [asked[name] for name in problem.lead_axes]


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


def _axes_of_tokens(problem: Problem, rows: Integers) -> dict[str, Labels]:
    """Return the labels of the axes of tokens and words; `NEW_KEY`: without the past."""
    past = problem.n_k - problem.value.count
    return {
        "token": problem.token_labels,
        "query": labels_of(problem.query_tokens, rows, problem.n_q),
        "key": problem.key_tokens,
        NEW_KEY: problem.key_tokens[past:] if past else problem.key_tokens,
        "word": () if problem.next_word is None else problem.next_word.vocabulary,
    }


def _step(
    problem: Problem,
    spec: StepSpec,
    chosen: Chosen,
    of_tokens: Mapping[str, Labels],
    rows: Integers,
    edge: Edge | None,
) -> StepPlan:
    """Return the plan of one step; `of_tokens` has the labels of the axes that several share."""
    axes = spec.axes
    lead, sizes, lead_axes = _lead_of(problem, spec)
    free = tuple(axis for axis in lead if chosen[axis] is None)
    labels = (
        *(Numbered(range(sizes[axis])) for axis in free),
        *(
            of_tokens[name] if name in of_tokens else Numbered(range(spec.depth))
            for axis in axes
            for name in (NEW_KEY if axis == "key" and spec.new_keys else axis,)
        ),
    )
    shape = tuple(len(names) for names in labels)
    kept = edges(shape, edge)
    held = None
    if "query" in axes:
        indices = kept[len(free)]
        held = rows if indices is None else rows[list(indices)]
    return StepPlan(
        spec=spec,
        axes=(*(lead_axes[axis] for axis in free), *axes),
        labels=labels,
        shape=shape,
        kept=kept,
        free=free,
        fixed=_fixed(problem, spec, lead, chosen),
        rows=held,
        dtype=np.dtype(np.uint8) if spec.type is None else spec.type.carrier,
    )


def _lead_of(problem: Problem, spec: StepSpec) -> tuple[range, Lead, tuple[str, ...]]:
    """Return the leading axes of the scores that a step has, with their sizes and names there."""
    if spec.scope == PROBLEM:
        return range(0), (), ()
    after = spec.scope in {JOINED, POOLED}
    lead = range(len(problem.batch) if after and problem.joined else len(problem.lead))
    if spec.scope == KEYS and problem.heads_differ and problem.kv_heads is not None:
        return lead, (*problem.batch, problem.kv_heads), (*problem.lead_axes[:-1], "key head")
    return lead, problem.lead, problem.lead_axes


def _fixed(problem: Problem, spec: StepSpec, lead: range, chosen: Chosen) -> dict[int, int]:
    """Return the requested entry along each of these axes; for a query head, its key head."""
    fixed = {axis: index for axis in lead if (index := chosen[axis]) is not None}
    heads = len(problem.batch)
    if spec.scope == KEYS and heads in fixed:
        fixed[heads] = problem.key_heads[fixed[heads]]
    return fixed


def labels_of(tokens: Labels, rows: Integers, count: int) -> Labels:
    """Return the labels of the requested queries."""
    if len(rows) == count and (rows == np.arange(count)).all():
        return tokens
    return tuple(tokens[int(row)] for row in rows)


def edges(shape: tuple[int, ...], edge: Edge | None) -> tuple[Sequence[int] | None, ...]:
    """Return the indices of each axis that remain when a step is shortened; None: all."""
    if edge is None or prod(shape) <= edge.threshold:
        return (None,) * len(shape)
    n = edge.items
    return tuple(None if size <= 2 * n else (*range(n), *range(size - n, size)) for size in shape)


def _union(kept: list[Sequence[int]], size: int) -> Sequence[int]:
    """Return the indices that any of the steps holds."""
    if any(len(indices) == size for indices in kept):
        return range(size)
    return sorted({index for indices in kept for index in indices})


def bytes_of(steps: dict[str, StepPlan]) -> int:
    """Return the memory that the values of steps take."""
    return sum(prod(step.held) * step.dtype.itemsize for step in steps.values())


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
