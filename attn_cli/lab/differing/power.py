"""What else would have passed: wrong results, held against the same limits as the other side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from attn_cli.arrays import AnyArray, Integers
from attn_cli.dataclass import replace
from attn_cli.lab.differing.compare import Pair, Part
from attn_cli.lab.differing.given import inputs_of, key_parts, of_keys
from attn_cli.lab.differing.judging import is_noise
from attn_cli.lab.differing.result import Alternative
from attn_cli.lab.differing.sides import OfProblem, shapes_of
from attn_cli.lab.differing.tally import Tally, Values
from attn_cli.lab.differing.types import Kernel
from attn_cli.lab.noise import exactly, values_of
from attn_cli.maths.meeting import value_end
from attn_cli.maths.pipeline import pipeline
from attn_cli.maths.problem import Problem
from attn_cli.maths.stage import OF_PAIRS, downstream


def power(pair: Pair, kernel: Kernel, step: str, part: Part) -> tuple[Alternative, ...]:
    """Return which wrong results pass at the limits of a step, on its first rows compared."""
    values = part.values[step]
    right = values.expected
    found = []
    for name, wrong in _wrong(pair.problem, step, right, part.rows):
        shape = pair.chosen.shapes[step]
        known = pair.asked.tolerance
        tally = Tally(shape.axes, shape.sizes, _eps(kernel, step), known, of=step)
        tally.add(part.rows, values._replace(there=wrong, here=right))
        if tally.total == 0:
            continue  # it is what is right here
        passes = tally.beyond == 0 if known is not None else is_noise(tally)
        found.append(Alternative(name=name, passes=passes))
    return tuple(found)


def power_alone(values: Values, tally: Tally) -> tuple[Alternative, ...]:
    """Return which wrong results pass the tolerance, of two dumps."""
    found = []
    for name, wrong in _plain(values.here):
        other = Tally(tally.axes, tally.sizes, tally.eps, tally.tolerance, of=tally.of)
        other.add(np.arange(values.here.shape[tally.row_axis or 0]), values._replace(there=wrong))
        if other.total:
            found.append(Alternative(name=name, passes=other.beyond == 0))
    return tuple(found)


def _eps(kernel: Kernel, step: str) -> float:
    return kernel.stored[step].eps * kernel.scale if step in kernel.stored else 0.0


def _plain(right: AnyArray) -> Iterator[tuple[str, AnyArray]]:
    """Yield zeros, and each row in the place of the next."""
    finite = np.where(np.isfinite(right), right, 0)
    yield "zeros", np.where(np.isfinite(right), 0.0, right)
    if right.ndim > 1 and right.shape[-2] > 1:
        rows = np.concatenate([finite[..., :1, :], finite[..., :-1, :]], axis=-2)
        yield "the previous row", np.where(np.isfinite(right), rows, right)


def _wrong(
    problem: Problem, step: str, right: AnyArray, rows: Integers
) -> Iterator[tuple[str, AnyArray]]:
    """Yield the name and the values of wrong results."""
    yield from _plain(right)
    specs = pipeline(problem)
    spec = specs[step]
    if step == "weights":
        yield "equal weights", np.full(right.shape, 1 / problem.n_k)
    elif spec.axes != OF_PAIRS and step in downstream(specs.values(), "context"):
        yield "the mean of V", _of_equal_weights(problem, step, rows)


def _of_equal_weights(problem: Problem, step: str, rows: Integers) -> AnyArray:
    """Return a step after the context, which is the mean of V."""
    means = _means(problem)

    def mean(block: Any, values: AnyArray) -> AnyArray:
        own = means[problem.key_lead(block.entry.lead)]
        return np.broadcast_to(own, values.shape).astype(values.dtype)

    altered = replace(exactly(problem), altered={**problem.altered, "context": mean})
    return values_of(altered, (step,), tuple(map(int, rows)))[step]


def _means(problem: Problem) -> AnyArray:
    """Return the mean of V of each key head, of a few keys at a time if V is given."""
    end = value_end(problem)
    shape = shapes_of(problem)[end]
    if end not in inputs_of(problem):
        found: AnyArray = values_of(exactly(problem), (end,), None)[end].mean(axis=-2)
        return found
    side = OfProblem("", problem, exact=True)
    sums = (of_keys(side, end, shape, keys).sum(axis=-2) for keys in key_parts(shape))
    total: AnyArray = sum(sums, np.zeros(1))
    return total / max(problem.n_k, 1)
