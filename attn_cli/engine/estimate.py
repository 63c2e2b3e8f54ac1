"""Estimates of a computation's time and memory, from sizes and a trial of one tile.

The time is that of products and exponentials; if all scores are shown, memory traffic is most of
it. It distinguishes a second from an hour, not more.
"""

from __future__ import annotations

from itertools import pairwise
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from attn_cli.arrays import Integers
from attn_cli.dataclass import dataclass, replace
from attn_cli.engine.engines import choose
from attn_cli.engine.plan import Plan, make_plan
from attn_cli.engine.step_plan import bytes_of
from attn_cli.engine.stream import streamed
from attn_cli.maths.place import Place
from attn_cli.maths.problem import Problem, Request
from attn_cli.maths.ranges import Ranges, intersection
from attn_cli.maths.select import Selection
from attn_cli.maths.visible.base import common_reach

if TYPE_CHECKING:
    from attn_cli.engine.protocol import Engine

SIDE = 256  # queries and keys of the trial
SAMPLES = 16  # parts of the queries, at both ends of which keys are counted
QUICK = 1 << 20  # up to this number of scores no trial is made


@dataclass(frozen=True)
class Estimate:
    """The number of scores to compute, the time that takes, and the memory that it uses."""

    scores: int
    seconds: float
    bytes: int


def estimate(
    problem: Problem, request: Request, *, streams: bool = False, engine: Engine | None = None
) -> Estimate:
    """Return the estimate for a request; raise AttnError as `run` does.

    `streams`: a step that can be written while it is computed is not held.
    """
    step = streamed(problem, request) if streams else None
    plan = make_plan(problem, request) if step is None else step.plan
    found = choose(problem, plan, engine or request.engine).engine.estimate(problem, plan)
    held = bytes_of(plan.steps)
    if step is not None:
        held = min(held, request.part_bytes) if step.heads_last else 0
    return replace(found, bytes=found.bytes + held)


def estimated(
    problem: Problem, plan: Plan, *, at_once: float, follows_strides: bool = False
) -> Estimate:
    """Return the estimate for a plan on a NumPy engine, without the memory of its results.

    `at_once` is the number of scores computed in the time of one score of the trial,
    `follows_strides` whether keys between those that a stride selects are left out.
    """
    entries = sum(map(len, plan.groups.values()))
    rows = plan.computed if plan.any_of_rows else plan.computed[:0]
    keys = _keys_per_row(problem, plan, follows_strides=follows_strides) if len(rows) else 0.0
    scores = round(entries * len(rows) * keys)
    depth = problem.key.depth if problem.key is not None else 1
    seconds = 0.0
    if scores > QUICK:
        seconds = scores * _seconds_per_score(depth, problem.value.depth, problem.dtype) / at_once
    inputs = (problem.n_q * depth + problem.n_k * (depth + problem.value.depth)) * 2
    working = min(plan.block_bytes, scores * problem.dtype.itemsize)
    return Estimate(scores, seconds, inputs * problem.dtype.itemsize + working)


def _keys_per_row(problem: Problem, plan: Plan, *, follows_strides: bool) -> float:
    """Return the average number of keys that a query sees, from the reach of some queries.

    That is exact if the reach grows or shrinks evenly within each part.
    """
    if not plan.only_contexts:
        return problem.n_k
    rows = len(plan.computed)
    cuts = [rows * part // SAMPLES for part in range(SAMPLES + 1)]
    chosen = problem.score.selection
    selection = None if chosen is None else chosen(problem.parameters)
    total = 0.0
    heads = _heads(problem, plan)
    for start, stop in pairwise(cuts):
        for end in (start, stop - 1) if start < stop else ():
            i = plan.computed[end : end + 1]
            for head in heads:
                keys = _keys_of(problem, selection, i, head, follows_strides=follows_strides)
                total += keys * (stop - start) / 2
    return total / rows / len(heads)


def _heads(problem: Problem, plan: Plan) -> list[int]:
    """Return the query heads to count keys for: all computed ones, or one if all see the same."""
    if all(scheme.reason != "window" for scheme in problem.rules.schemes):
        return [0]
    from attn_cli.maths.visible.window import Windows

    if not any(isinstance(scheme, Windows) for scheme in problem.rules.schemes):
        return [0]
    leads = (lead for group in plan.groups.values() for lead in group)
    return sorted({problem.entry(lead)[1] for lead in leads})


def _keys_of(
    problem: Problem, selection: Selection | None, i: Integers, head: int, *, follows_strides: bool
) -> int:
    """Return the number of keys that these queries reach, in the first batch entry."""
    at = Place(0, head, i, i[:0], problem.token_positions)
    visible = common_reach(problem.rules.schemes, at, problem.n_k)
    if selection is None:
        return _count(visible)
    if selection.stride is None or not follows_strides:
        return _count(intersection(visible, selection.reach(i, problem.n_k)))
    near, afar = replace(selection, stride=None), _count(visible) // selection.stride
    return afar + _count(intersection(visible, near.reach(i, problem.n_k)))


def _count(ranges: Ranges) -> int:
    return sum(stop - start for start, stop in ranges)


def _seconds_per_score(depth: int, d_v: int, dtype: np.dtype[Any]) -> float:
    """Return the seconds that one score takes on one thread."""
    q, k, v = (np.full((SIDE, d), 0.01, dtype=dtype) for d in (depth, depth, d_v))
    times = []
    for _ in range(3):
        start = perf_counter()
        np.exp(q @ k.T) @ v
        times.append(perf_counter() - start)
    return min(times) / SIDE**2
