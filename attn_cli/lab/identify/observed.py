"""Observed arrays: the layouts that their shapes fit, and the types that hold their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from attn_cli.arrays import AnyArray, Array
from attn_cli.dataclass import dataclass
from attn_cli.engine.plan import UNLIMITED, make_plan
from attn_cli.errors import AttnError, did_you_mean, printable
from attn_cli.floats import FloatType
from attn_cli.lab.layouts import Layout, arranged, fitting
from attn_cli.lab.noise import narrowest
from attn_cli.maths.pipeline import names, pipeline
from attn_cli.maths.problem import Problem, Request
from attn_cli.maths.stage import CODE, POOLED, StepSpec
from attn_cli.sources.matrices.shapes import shape_text


class Given(NamedTuple):
    """An array as it was read: of which step, from where."""

    step: str
    source: str
    values: AnyArray


@dataclass(frozen=True)
class Observed:
    """An observed step: in each layout that its shape fits, in the order of the computation."""

    step: str
    source: str
    shape: tuple[int, ...]
    axes: tuple[str, ...]
    sizes: tuple[int, ...]
    dtype: FloatType
    fitted: Mapping[str, Array]  # layout -> values


class Part(NamedTuple):
    """Some queries and heads, ascending; None: all of them."""

    rows: tuple[int, ...] | None = None
    heads: tuple[int, ...] | None = None

    def of(self, values: AnyArray, axes: Sequence[str]) -> AnyArray:
        """Return the part of a step whose axes these are."""
        for axis, chosen in (("query", self.rows), ("head", self.heads)):
            if chosen is not None and axis in axes:
                values = values.take(chosen, axis=axes.index(axis))
        return values


def read_observed(problem: Problem, given: Given) -> Observed:
    """Return an observed step of a problem.

    Raises AttnError for a step that the problem does not have, an array that fits no layout, and
    one that says nothing: all zeros, or all NaN.
    """
    spec = _spec(problem, given)
    axes, sizes = axes_of(problem, spec.name)
    values = np.asarray(given.values)
    _refuse_empty(values, given)
    layouts = fitting(axes, sizes, values.shape)
    if not layouts:
        raise AttnError(
            f"{_named(given)} has shape {shape_text(values.shape)}, which fits no layout of "
            f"{spec.name}: ({', '.join(axes)}) = {shape_text(sizes)}",
            help=f"save it as ({', '.join(axes)}), or with its axes in another order",
        )
    exact = values.astype(np.float64)
    return Observed(
        spec.name,
        given.source,
        values.shape,
        axes,
        sizes,
        narrowest(values),
        {each.name: _arranged(exact, each, axes, sizes) for each in layouts},
    )


def _arranged(values: Array, layout: Layout, axes: Sequence[str], sizes: Sequence[int]) -> Array:
    found: Array = np.asarray(arranged(values, layout, axes)).reshape(sizes)
    return found


def _spec(problem: Problem, given: Given) -> StepSpec:
    specs = pipeline(problem)
    meant = {alias: name for name, spec in specs.items() for alias in spec.stage.aliases}
    name = given.step if given.step in specs else meant.get(given.step.lower(), given.step)
    numbers = {n: s for n, s in specs.items() if s.stage.role != CODE and s.scope != POOLED}
    if name in numbers:
        return specs[name]
    shown = printable(given.step)
    known = name in names()
    raise AttnError(
        f"this problem has no numbers of a step '{shown}'" if known else f"unknown step '{shown}'",
        help=did_you_mean(given.step, numbers, what="there are", meant=meant, listed=True),
    )


def axes_of(problem: Problem, step: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return the axes of a step as it is computed, and their sizes."""
    plan = make_plan(problem, Request(steps=(step,), memory=UNLIMITED)).steps[step]
    return plan.axes, plan.shape


def _refuse_empty(values: AnyArray, given: Given) -> None:
    """Raise AttnError for an array whose numbers say nothing."""
    if values.dtype.kind not in "fiu" or not values.size:
        raise AttnError(f"{_named(given)} holds no numbers", help="give the output of the kernel")
    if values.dtype.kind == "f" and np.isnan(values).all():
        raise AttnError(
            f"{_named(given)} is NaN throughout",
            help="look for the cause before its convention: rows without a visible key, or inputs "
            "that are not finite",
        )
    if not values.any():
        raise AttnError(
            f"{_named(given)} is 0 throughout",
            help="was it written before the kernel had run, or never?",
        )


def _named(given: Given) -> str:
    return f"{given.step}={printable(given.source)}" if given.source else f"observed {given.step}"
