"""From a problem and a request to a plan: which steps, which rows of them, how large.

A plan knows every shape before anything is computed, so that what cannot fit is refused first.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np

from attn_cli.core.arrays import Integers
from attn_cli.core.formulas import AXES, formulas
from attn_cli.core.problem import Edge, Problem, Request
from attn_cli.core.visible import Lead
from attn_cli.errors import AttnError, did_you_mean
from attn_cli.record import Labels, Numbered

LEADING = ("batch", "head")


@dataclass(frozen=True, slots=True)
class StepPlan:
    """The shape of one step, and the indices along each axis that will be held (None: all)."""

    name: str
    formula: str
    axes: tuple[str, ...]
    labels: tuple[Labels, ...]
    shape: tuple[int, ...]
    kept: tuple[Sequence[int] | None, ...]

    @property
    def held(self) -> tuple[int, ...]:
        """The shape of what is held."""
        return tuple(n if k is None else len(k) for n, k in zip(self.shape, self.kept, strict=True))

    def indices(self, axis: int) -> Sequence[int]:
        """Return the indices along an axis that are held."""
        kept = self.kept[axis]
        return range(self.shape[axis]) if kept is None else kept


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is decided before the first multiplication."""

    steps: dict[str, StepPlan]
    leads: tuple[Lead, ...]  # which batch entries and heads are computed
    free: tuple[int, ...]  # the leading axes that the steps have
    rows: Integers  # positions of the queries that were asked for
    computed: Integers  # which of `rows` are computed
    memory: int


def make_plan(problem: Problem, request: Request) -> Plan:
    """Return the plan; raise AttnError for a step, entry or size that cannot be had."""
    rows = np.arange(problem.n_q) if request.rows is None else np.array(request.rows, dtype=np.intp)
    chosen = _chosen(problem, request)
    free = tuple(axis for axis in range(len(problem.lead)) if chosen[axis] is None)
    resolved = formulas(problem)
    steps = {
        name: _step(problem, name, resolved[name], free, rows, request.edge)
        for name in _wanted(list(resolved), request)
    }
    memory = half_of_the_machine() if request.memory is None else request.memory
    _refuse_what_cannot_fit(problem, steps, memory)

    headed = [s for s in steps.values() if s.name != "embeddings"]
    leads = product(
        *(
            _union([s.indices(free.index(axis)) for s in headed], size)
            if chosen[axis] is None
            else [chosen[axis]]
            for axis, size in enumerate(problem.lead)
        )
    )
    of_queries = [s.indices(len(free)) for s in steps.values() if "query" in s.axes]
    computed = np.array(_union(of_queries, len(rows)), dtype=np.intp)
    return Plan(steps, tuple(leads), free, rows, computed, memory)  # type: ignore[arg-type]


def half_of_the_machine() -> int:
    """Return half of the physical memory in bytes; 4 GiB where it cannot be told."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, ValueError, OSError):
        return 4 << 30


def in_units(size: float) -> str:
    """Return a number of bytes as people write it.

    >>> in_units(34359738368)
    '32.0 GiB'
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def _chosen(problem: Problem, request: Request) -> list[int | None]:
    """Return for each leading axis the entry that was asked for, None for all."""
    asked = (request.batch, request.head)
    for axis, index in enumerate(asked):
        if index is None:
            continue
        option = f"--{LEADING[axis]}"
        if axis >= len(problem.lead):
            raise AttnError(
                f"{option} {index}: Q, K and V have no {LEADING[axis]} axis",
                help=f"{option} chooses along axis {axis + 1} of {axis + 3} or more axes",
            )
        if not isinstance(index, int) or not 0 <= index < problem.lead[axis]:
            raise AttnError(
                f"{option} {index} is out of range: there are {problem.lead[axis]}, "
                f"numbered from 0 to {problem.lead[axis] - 1}"
            )
    return list(asked[: len(problem.lead)])


def _wanted(names: list[str], request: Request) -> list[str]:
    """Return the names of the wanted steps in the order computed."""
    for name in request.steps or ():
        if name not in names:
            known = name in AXES
            raise AttnError(
                f"this problem has no step '{name}'" if known else f"unknown step '{name}'",
                help=f"it has: {', '.join(names)}"
                if known
                else did_you_mean(name, names, what="there are"),
            )
    return names if request.steps is None else [n for n in names if n in request.steps]


def _step(
    problem: Problem,
    name: str,
    formula: str,
    free: tuple[int, ...],
    rows: Integers,
    edge: Edge | None,
) -> StepPlan:
    """Return the plan of one step."""
    axes = AXES[name]
    query_labels = labels_of(problem.query_tokens, rows, problem.n_q)
    sizes = {
        "token": (0 if problem.embeddings is None else len(problem.embeddings)),
        "query": len(rows),
        "key": problem.n_k,
        "dimension": _depth(problem, name),
    }
    labels = {
        "token": problem.token_labels,
        "query": query_labels,
        "key": problem.key_tokens,
        "dimension": Numbered(range(sizes["dimension"])),
    }
    lead = () if name == "embeddings" else free
    shape = (*(problem.lead[axis] for axis in lead), *(sizes[axis] for axis in axes))
    return StepPlan(
        name=name,
        formula=formula,
        axes=(*(LEADING[axis] for axis in lead), *axes),
        labels=(
            *(Numbered(range(problem.lead[axis])) for axis in lead),
            *(labels[axis] for axis in axes),
        ),
        shape=shape,
        kept=_edges(shape, edge),
    )


def labels_of(tokens: Labels, rows: Integers, count: int) -> Labels:
    """Return the labels of the queries that were asked for."""
    if len(rows) == count and (rows == np.arange(count)).all():
        return tokens
    return tuple(tokens[int(row)] for row in rows)


def _depth(problem: Problem, name: str) -> int:
    """Return the length of a row of the steps that have dimensions."""
    if name == "embeddings" and problem.embeddings is not None:
        return int(problem.embeddings.shape[1])
    if name == "q" and problem.query is not None:
        return problem.query.depth
    if name == "k" and problem.key is not None:
        return problem.key.depth
    return problem.d_out if name == "output" else problem.value.depth


def _edges(shape: tuple[int, ...], edge: Edge | None) -> tuple[Sequence[int] | None, ...]:
    """Return the indices that stay of each axis when a step is shortened; None: all."""
    if edge is None or prod(shape) <= edge.threshold:
        return (None,) * len(shape)
    n = edge.items
    return tuple(None if size <= 2 * n else (*range(n), *range(size - n, size)) for size in shape)


def _union(kept: list[Sequence[int]], size: int) -> Sequence[int]:
    """Return the indices that any of the steps holds."""
    if any(len(indices) == size for indices in kept):
        return range(size)
    return sorted({index for indices in kept for index in indices})


def _refuse_what_cannot_fit(problem: Problem, steps: dict[str, StepPlan], memory: int) -> None:
    """Raise AttnError where the steps that are wanted exceed the memory that is allowed."""
    size = {name: prod(step.held) * problem.dtype.itemsize for name, step in steps.items()}
    if sum(size.values()) <= memory:
        return
    largest = max(size, key=lambda name: size[name])
    step = steps[largest]
    raise AttnError(
        f"the steps asked for would take {in_units(sum(size.values()))}, more than the "
        f"{in_units(memory)} allowed: {largest} has shape ({', '.join(step.axes)}) = "
        f"({', '.join(map(str, step.held))}) in {problem.dtype}",
        help="ask for fewer steps (--only output) or rows (--query-token), or allow more: --memory",
    )
