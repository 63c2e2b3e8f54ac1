"""Two computations compared, stage by stage.

    added(k) = there(k) - stage k(steps there before k)        noise = emulations of stage k

The stages are those of the problem on one side, in float64. If both sides are problems, the first
is the model and the second is observed, in its own types. Without a problem no stage can be
computed: steps are compared as they are, and only roundings are separated from clear differences.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property

import numpy as np

from attn_cli.arrays import AnyArray, Bools, Integers
from attn_cli.dataclass import dataclass, field
from attn_cli.floats import FLOAT_TYPES
from attn_cli.lab.altered import Steps
from attn_cli.lab.differing.inputs import (
    Chosen,
    Loaded,
    of_dumps,
    of_problem_and_dump,
    of_problems,
    sinks_of,
)
from attn_cli.lab.differing.names import SINKS
from attn_cli.lab.differing.rows import parts, rows_of, said
from attn_cli.lab.differing.sides import OfDump, OfProblem, Shape
from attn_cli.lab.differing.tally import Tally, Values
from attn_cli.lab.differing.taps import GIVEN, Taps, seeing
from attn_cli.lab.differing.types import Kernel, kernels
from attn_cli.lab.differing.visibility import (
    FINITE_FILL,
    Contrast,
    codes_here,
    completed,
    sight_there,
)
from attn_cli.lab.noise import EMULATIONS, Noise, narrowest
from attn_cli.maths.linear import IDENTITY
from attn_cli.maths.pipeline import pipeline
from attn_cli.maths.problem import Problem
from attn_cli.maths.stage import CODE

VISIBLE = "visible"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the user chose."""

    mapping: Mapping[str, str] = field(default_factory=dict)  # here -> there
    dtype: str | None = None
    tolerance: float | None = None
    exact: bool = False
    identify: bool = True  # whether `identify` is asked about what differs


@dataclass(frozen=True, kw_only=True)
class Part:
    """Some rows of steps: here, there, as each stage gives them, and the emulations."""

    rows: Integers
    values: Mapping[str, Values]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A model, and the side that is observed; here and there are the order of the arguments."""

    model: Loaded
    problem: Problem  # the model's, with its inputs in the type of the other side
    observed: OfDump | OfProblem
    chosen: Chosen
    asked: Asked
    turned: bool  # whether the model is the second argument
    type: str  # of the observed side

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The steps whose numbers are compared."""
        roles = {name: spec.stage.role for name, spec in pipeline(self.problem).items()}
        return tuple(n for n in self.chosen.shapes if roles.get(n, CODE) != CODE)

    @cached_property
    def rows(self) -> Integers:
        """The query rows to compare."""
        return rows_of(self.problem.n_q, *self._size, exact=self.asked.exact)

    @property
    def _size(self) -> tuple[int, int]:
        problem = self.problem
        return problem.n_k, (problem.batch or (1,))[0] * (problem.heads or 1)

    @property
    def kernels(self) -> list[Kernel]:
        """The types in which the stages are emulated, the usual ones first."""
        declared = self.observed.problem or (self.problem if self.model.declared else None)
        known = self.observed.types
        return kernels(
            self.type,
            {name: known.get(name, self.type) for name in self.names},
            chosen=self.asked.dtype is not None,
            rotates=self.problem.qk_transform.rope is not None,
            declared=None if declared is None else declared.precision,
        )

    def parts(self) -> Iterator[Integers]:
        """Yield the rows a few at a time."""
        return parts(self.rows, *self._size)


def paired(here: Loaded, there: Loaded, asked: Asked) -> Pair:
    """Return what is compared, of which one side at least is a problem."""
    if here.problem is not None and there.problem is not None:
        chosen = of_problems(here, there)
        return Pair(
            model=here,
            problem=here.problem,
            observed=OfProblem(there.name, there.problem, exact=False),
            chosen=chosen,
            asked=asked,
            turned=False,
            type=there.problem.precision.output.name,
        )
    turned = here.problem is None
    model, other = (there, here) if turned else (here, there)
    assert other.dump is not None  # a side without a problem is a dump
    mapping = {v: k for k, v in asked.mapping.items()} if turned else asked.mapping
    chosen = of_problem_and_dump(model, other.dump, mapping)
    observed = OfDump(other.dump, chosen.arrays, chosen.shapes)
    assert model.problem is not None  # it is the one that is a problem
    type_ = asked.dtype or _type_of(model.problem, observed, chosen)
    pair = Pair(
        model=model,
        problem=model.typed(type_),
        observed=observed,
        chosen=chosen,
        asked=asked,
        turned=turned,
        type=type_,
    )
    _fit(pair, observed)
    observed.rows(pair.names, next(iter(pair.parts())))  # the types of its steps are known then
    return pair


def _type_of(problem: Problem, observed: OfDump, chosen: Chosen) -> str:
    """Return the narrowest type that holds some rows of the last step of a dump."""
    specs = pipeline(problem)
    steps = [n for n in chosen.shapes if n in specs and specs[n].stage.role != CODE]
    last = steps[-1:] or [n for n in chosen.shapes if n == SINKS]
    rows = rows_of(problem.n_q, problem.n_k, 1, exact=False)[:256]
    return narrowest(observed.rows(tuple(last), rows)[last[0]]).name if last else "float64"


def _fit(pair: Pair, observed: OfDump) -> None:
    """Choose the layouts that are nearest to the numbers of the model, on a few rows."""
    names = pair.names
    if not observed.unsure(names):
        return
    rows = rows_of(pair.problem.n_q, pair.problem.n_k, 1, exact=True)
    rows = rows[:: max(len(rows) // 16, 1)]
    model = OfProblem(pair.model.name, pair.problem, exact=True)
    observed.fit(model.rows(names, rows), rows)


def compared(pair: Pair, kernel: Kernel, contrast: Contrast) -> Iterator[Part]:
    """Yield the rows of all steps, with emulations in the types of a kernel.

    Keys that one side alone sees are added to `contrast`; later stages see the same keys as there.
    """
    of_keys = tuple(n for n in pair.names if not pair.chosen.shapes[n].of_queries)
    of_queries = tuple(n for n in pair.names if n not in of_keys)
    keys: Steps | None = None
    for rows in pair.parts():
        names = of_queries if keys is not None else pair.names
        if keys is None:
            keys = pair.observed.rows(of_keys, rows)
        yield _part(pair, kernel, contrast, rows, names, keys)


def _part(
    pair: Pair,
    kernel: Kernel,
    contrast: Contrast,
    rows: Integers,
    names: tuple[str, ...],
    keys: Steps,
) -> Part:
    """Return some rows of the named steps; `keys` has the steps of keys and tokens there."""
    problem = pair.problem
    codes = (VISIBLE,) if VISIBLE in pair.chosen.shapes else ()
    of_queries = tuple(n for n in names if n not in keys)
    there = {**keys, **pair.observed.rows((*of_queries, *codes), rows)}
    telling = codes or {"masked", "weights"} & there.keys()  # which keys are seen there
    asks = (VISIBLE,) if telling and VISIBLE in pipeline(problem) else ()
    here = OfProblem(pair.model.name, problem, exact=True).rows((*names, *asks), rows)
    seen: Bools = np.ones(0, np.bool_)
    sight = None
    if telling:
        own = codes_here(problem, here, rows)
        sight = sight_there(problem, there, here, own, pair.observed.types)
        seen = own == 0
    if sight is not None:
        contrast.add(rows, own, sight)
        seen = completed(sight, own)
        if (seen != (own == 0)).any():
            problem = seeing(problem, seen, rows)
    inputs = inputs_of(problem)
    given = {name for name in names if name in inputs}
    numbers = {
        name: there[name]
        for name in (*keys, *of_queries)
        if not (name in inputs and _as_here(name, here, there))
    }
    computed = tuple(name for name in names if name not in given)
    taps = Taps(problem, numbers, rows, computed, kernel.stored)
    values = {}
    noise = None
    if computed:
        noise = Noise.of(
            taps.problem,
            computed,
            kernel.precision,
            stored=kernel.stored,
            count=EMULATIONS,
            compute=taps.compute,
        )
    for name in names:
        if noise is None or name in given:
            values[name] = _of_input(here[name], there[name], kernel, name)
            continue
        counts = None
        if name == "masked":  # hidden scores are compared if they are not low enough to hide
            counts = seen.reshape(there[name].shape) | (there[name] > -FINITE_FILL)
        errors = noise.errors(name) * kernel.scale
        values[name] = Values(here[name], noise.exact[name], there[name], errors, counts)
    return Part(rows=rows, values=values)


def inputs_of(problem: Problem) -> frozenset[str]:
    """Return the steps that are inputs, for which nothing is computed."""
    sides = {"q": problem.query, "k": problem.key, "v": problem.value}
    plain = {n for n, side in sides.items() if side is not None and side.linear is IDENTITY}
    return frozenset({*GIVEN, *plain})


def _as_here(name: str, here: Steps, there: Steps) -> bool:
    """Return whether a step there has the numbers of the step here, and need not replace them."""
    return name in ("k", "v") and name in here and np.array_equal(here[name], there[name])


def _of_input(here: AnyArray, there: AnyArray, kernel: Kernel, name: str) -> Values:
    """Return an input, which differs by the rounding to its type at most."""
    eps = kernel.stored[name].eps * kernel.scale if name in kernel.stored else 0.0
    return Values(here, here, there, np.abs(here)[None] * eps / 2, None)


def tallied(pair: Pair, kernel: Kernel) -> tuple[dict[str, Tally], Contrast]:
    """Return the sums of each step, and the keys that one side alone sees."""
    contrast, found = Contrast(), {}
    for part in compared(pair, kernel, contrast):
        for name, values in part.values.items():
            if name not in found:
                shape = pair.chosen.shapes[name]
                type_ = kernel.stored.get(name, FLOAT_TYPES["float64"])
                eps = type_.eps * kernel.scale
                found[name] = Tally(shape.axes, shape.sizes, eps, pair.asked.tolerance)
            found[name].add(part.rows, values)
    if SINKS in pair.chosen.shapes:
        found[SINKS] = _of_sinks(pair)
    return found, contrast


def _of_sinks(pair: Pair) -> Tally:
    """Return the sums of the sinks, which are an input."""
    here = sinks_of(pair.problem)
    there = pair.observed.rows((SINKS,), np.arange(0))[SINKS]
    assert here is not None  # it is a common step
    eps = FLOAT_TYPES[pair.type].eps
    tally = Tally(("head",), here.shape, eps, pair.asked.tolerance)
    errors = np.abs(here)[None] * eps / 2
    tally.add(np.arange(0), Values(here, here, there, errors, None))
    return tally


def plain(
    here: OfDump, there: OfDump, shapes: Mapping[str, Shape], asked: Asked
) -> dict[str, Tally]:
    """Return the sums of each step of two dumps, held against one rounding of their type."""
    found = {}
    for name, shape in shapes.items():
        count = shape.sizes[shape.axes.index("query")] if shape.of_queries else 1
        rest = int(np.prod(shape.sizes)) // max(count, 1)
        rows = rows_of(count, rest, 1, exact=asked.exact)
        for some in parts(rows, rest, 1):
            one, other = (side.rows((name,), some)[name] for side in (here, there))
            type_ = asked.dtype or _widest(here.types[name], there.types[name])
            eps = FLOAT_TYPES[type_].eps
            with np.errstate(invalid="ignore"):
                errors = np.abs(np.where(np.isfinite(one), one, 0))[None] * eps / 2
            if name not in found:
                found[name] = Tally(shape.axes, shape.sizes, eps, asked.tolerance)
            found[name].add(some, Values(one, one, other, errors, None))
    return found


def _widest(one: str, other: str) -> str:
    """Return the narrower of two types: what has been rounded to it cannot be nearer."""
    order = ("bfloat16", "float16", "float32", "float64")
    return min(one, other, key=order.index)


def sampled(pair: Pair) -> str:
    """Return which rows are compared, if not all are."""
    return said(pair.rows, pair.problem.n_q)


def dumps(here: Loaded, there: Loaded, asked: Asked) -> tuple[OfDump, OfDump, Chosen]:
    """Return the common arrays of two dumps."""
    assert here.dump is not None
    assert there.dump is not None
    chosen = of_dumps(here.dump, there.dump, asked.mapping)
    one = OfDump(here.dump, chosen.other, chosen.shapes)
    other = OfDump(there.dump, chosen.arrays, chosen.shapes)
    for name, shape in chosen.shapes.items():
        if other.unsure((name,)):
            count = shape.sizes[shape.axes.index("query")] if shape.of_queries else 1
            rows = np.arange(0, count, max(count // 16, 1))
            other.fit({name: one.rows((name,), rows)[name]}, rows)
    return one, other, chosen


__all__ = ["Asked", "Pair", "Steps", "compared", "dumps", "paired", "plain", "sampled", "tallied"]
