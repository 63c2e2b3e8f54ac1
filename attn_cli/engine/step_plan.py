"""The plan of one step: its shape, its labels, and which part of it is held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from attn_cli.arrays import Integers, every
from attn_cli.dataclass import dataclass
from attn_cli.maths.problem import Edge, Problem
from attn_cli.maths.stage import JOINED, KEYS, POOLED, PROBLEM, StepSpec
from attn_cli.maths.visible.base import Lead
from attn_cli.record import Labels, Numbered

NEW_KEY = "new key"  # the axis "key" of steps without the past

# For each leading axis the requested entry, None for all.
Chosen = list[int | None]
# Where rows go among those that a step holds, and which of the given rows they are.
Matching = tuple[slice | Integers, slice | Integers]


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
        if self.kept.count(None) == len(self.kept):
            return self.shape
        return tuple(n if k is None else len(k) for n, k in zip(self.shape, self.kept, strict=True))

    def indices(self, axis: int) -> Sequence[int]:
        """Return the indices along an axis that are held."""
        kept = self.kept[axis]
        return range(self.shape[axis]) if kept is None else kept

    def place(self, lead: Lead) -> tuple[int, ...] | None:
        """Return the index of a batch entry and head among those held; None if it is not held."""
        if not self.fixed and self.kept.count(None) == len(self.kept):  # the usual case
            return lead[: len(self.free)]
        for axis, index in self.fixed.items():
            if lead[axis] != index:
                return None
        wanted = tuple([lead[axis] for axis in self.free])
        held = [self.indices(axis) for axis in range(len(wanted))]
        if any(index not in indices for index, indices in zip(wanted, held, strict=True)):
            return None
        return tuple(indices.index(i) for i, indices in zip(wanted, held, strict=True))

    def matching(self, rows: Integers | None) -> Matching:
        """Return where the held ones among these rows go, and which of the rows they are."""
        if rows is not None and rows is self.rows:  # the usual case
            return slice(0, len(rows)), slice(None)
        if self.rows is None or rows is None:
            kept = self.kept[-2] if len(self.axes) - len(self.free) > 1 else None
            return slice(None), slice(None) if kept is None else np.array(kept, dtype=np.intp)
        first = int(self.rows.searchsorted(rows[0])) if len(rows) else 0
        part = self.rows[first : first + len(rows)]
        if len(part) == len(rows) and every(part == rows):
            return slice(first, first + len(rows)), slice(None)
        targets = self.rows.searchsorted(rows)
        found = targets < len(self.rows)
        found[found] = self.rows[targets[found]] == rows[found]
        return targets[found], np.flatnonzero(found)


def axes_of_tokens(problem: Problem, rows: Integers) -> dict[str, Labels]:
    """Return the labels of the axes of tokens and words; `NEW_KEY`: without the past."""
    past = problem.n_k - problem.value.count
    return {
        "token": problem.token_labels,
        "query": labels_of(problem.query_tokens, rows, problem.n_q),
        "key": problem.key_tokens,
        NEW_KEY: problem.key_tokens[past:] if past else problem.key_tokens,
        "word": () if problem.next_word is None else problem.next_word.vocabulary,
    }


def step_plan(
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
    free = tuple([axis for axis in lead if chosen[axis] is None])
    named = [NEW_KEY if axis == "key" and spec.new_keys else axis for axis in axes]
    labels = (
        *[Numbered(range(sizes[axis])) for axis in free],
        *[of_tokens[n] if n in of_tokens else Numbered(range(spec.depth)) for n in named],
    )
    shape = tuple(map(len, labels))
    kept = edges(shape, edge)
    held = None
    if "query" in axes:
        indices = kept[len(free)]
        held = rows if indices is None else rows[list(indices)]
    return StepPlan(
        spec=spec,
        axes=(*[lead_axes[axis] for axis in free], *axes),
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
    if len(rows) == count and every(rows == np.arange(count)):
        return tokens
    if isinstance(tokens, Numbered):
        return tokens.chosen(map(int, rows))
    return tuple(tokens[int(row)] for row in rows)


def edges(shape: tuple[int, ...], edge: Edge | None) -> tuple[Sequence[int] | None, ...]:
    """Return the indices of each axis that remain when a step is shortened; None: all."""
    if edge is None or prod(shape) <= edge.threshold:
        return (None,) * len(shape)
    n = edge.items
    return tuple(None if size <= 2 * n else (*range(n), *range(size - n, size)) for size in shape)


def bytes_of(steps: dict[str, StepPlan]) -> int:
    """Return the memory that the values of steps take."""
    return sum(prod(step.held) * step.dtype.itemsize for step in steps.values())
