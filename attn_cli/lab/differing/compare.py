"""Two computations compared, stage by stage.

    added(k) = there(k) - stage k(steps there before k)        noise = emulations of stage k

The stages are those of the problem on one side, in float64. If both sides are problems, the first
is the model and the second is observed, in its own types. Without a problem no stage can be
computed: steps are compared as they are, and only roundings are separated from clear differences.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from attn_cli.arrays import Bools, Integers
from attn_cli.dataclass import dataclass, field
from attn_cli.floats import FLOAT_TYPES
from attn_cli.lab.altered import Steps
from attn_cli.lab.differing.given import (
    OtherKeys,
    compared_sides,
    inputs_of,
    key_parts,
    of_input,
    of_keys,
)
from attn_cli.lab.differing.inputs import (
    Chosen,
    Loaded,
    of_dumps,
    of_problem_and_dump,
    of_problems,
    sinks_of,
)
from attn_cli.lab.differing.names import SINKS, VISIBLE
from attn_cli.lab.differing.rows import NUMBERS, Sample, parts, sampled
from attn_cli.lab.differing.rows import of_problem as sample_of
from attn_cli.lab.differing.sides import OfDump, OfProblem, Shape
from attn_cli.lab.differing.tally import WIDE, Tally, Values
from attn_cli.lab.differing.taps import Taps, seeing
from attn_cli.lab.differing.types import Kernel, kernels
from attn_cli.lab.differing.visibility import (
    FINITE_FILL,
    Contrast,
    codes_here,
    completed,
    sight_there,
)
from attn_cli.lab.noise import EMULATIONS, Noise, narrowest
from attn_cli.maths.pipeline import pipeline
from attn_cli.maths.problem import Problem
from attn_cli.maths.stage import CODE


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
    def sample(self) -> Sample:
        """The query rows to compare."""
        pairs = any({"query", "key"} <= {*each.axes} for each in self.chosen.shapes.values())
        return sample_of(self.problem, pairs=pairs, exact=self.asked.exact)

    @property
    def rows(self) -> Integers:
        """The numbers of these rows."""
        return self.sample.rows

    @cached_property
    def sides(self) -> tuple[str, ...]:
        """K and V, if both sides have them and they are given: nothing is computed of them."""
        return tuple(n for n in ("k", "v") if n in self.names and n in inputs_of(self.problem))

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
        in_a_row = [
            int(np.prod(shape.sizes)) // max(self.problem.n_q, 1)
            for shape in self.chosen.shapes.values()
            if shape.of_queries
        ]
        return parts(self.rows, max(in_a_row, default=1))


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
    # The types of its steps are known then.
    observed.rows(tuple(n for n in pair.names if n not in pair.sides), next(iter(pair.parts())))
    for name in pair.sides:
        of_keys(observed, name, chosen.shapes[name], next(key_parts(chosen.shapes[name])))
    return pair


def _type_of(problem: Problem, observed: OfDump, chosen: Chosen) -> str:
    """Return the narrowest type that holds some rows of the last step of a dump."""
    specs = pipeline(problem)
    steps = [n for n in chosen.shapes if n in specs and specs[n].stage.role != CODE]
    last = steps[-1:] or [n for n in chosen.shapes if n == SINKS]
    rows = sampled(problem.n_q, 256).rows
    return narrowest(observed.rows(tuple(last), rows)[last[0]]).name if last else "float64"


def _fit(pair: Pair, observed: OfDump) -> None:
    """Choose the layouts that are nearest to the numbers of the model, on a few rows."""
    names = tuple(n for n in pair.names if observed.unsure((n,)))
    if not names:
        return
    rows = sampled(pair.problem.n_q, 16).rows
    model = OfProblem(pair.model.name, pair.problem, exact=True)
    observed.fit(model.rows(names, rows), rows)


def compared(
    pair: Pair, kernel: Kernel, contrast: Contrast, others: Mapping[str, OtherKeys]
) -> Iterator[Part]:
    """Yield the rows of all steps but given K and V, with emulations in the types of a kernel.

    `others` are K and V there, if they are other numbers. Keys that one side alone sees are added
    to `contrast`; later stages see the same keys as there.
    """
    names = tuple(n for n in pair.names if n not in pair.sides)
    whole = tuple(n for n in names if not pair.chosen.shapes[n].of_queries)
    of_queries = tuple(n for n in names if n not in whole)
    keys: Steps | None = None
    for rows in pair.parts() if names else ():
        some = of_queries if keys is not None else names
        if keys is None:
            keys = pair.observed.rows(whole, rows)
        yield _part(pair, kernel, contrast, rows, some, keys, others)


def _part(
    pair: Pair,
    kernel: Kernel,
    contrast: Contrast,
    rows: Integers,
    names: tuple[str, ...],
    keys: Steps,
    others: Mapping[str, OtherKeys],
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
    numbers = {**others, **{name: there[name] for name in (*keys, *of_queries)}}
    values = _values(problem, kernel, rows, {n: here[n] for n in names}, there, numbers, seen)
    return Part(rows=rows, values=values)


def _values(
    problem: Problem,
    kernel: Kernel,
    rows: Integers,
    here: Steps,
    there: Steps,
    numbers: Mapping[str, Any],
    seen: Bools,
) -> dict[str, Values]:
    """Return the numbers of the steps of `here`, and what is expected of each.

    Stages go on from `numbers`: arrays, or `OtherKeys`. `seen` are the keys that are seen there.
    """
    inputs = inputs_of(problem)
    given = {name for name in here if name in inputs}
    computed = tuple(name for name in here if name not in given)
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
            sums=any(kernel.stored[n].eps < WIDE for n in computed if n in kernel.stored),
        )
    for name in here:
        if noise is None or name in given:
            values[name] = of_input(here[name], there[name], kernel, name)
            continue
        counts = None
        if name == "masked":  # hidden scores are compared if they are not low enough to hide
            counts = seen.reshape(there[name].shape) | (there[name] > -FINITE_FILL)
        errors = noise.errors(name) * kernel.scale
        values[name] = Values(here[name], noise.exact[name], there[name], errors, counts)
    return values


class Tallied(NamedTuple):
    """The sums of each step, the keys that one side alone sees, and the first rows of each step."""

    sums: dict[str, Tally]
    contrast: Contrast
    first: dict[str, Part]


def tallied(pair: Pair, kernel: Kernel) -> Tallied:
    """Return what the comparison of all rows gives."""
    shapes, tolerance = pair.chosen.shapes, pair.asked.tolerance
    here = OfProblem(pair.model.name, pair.problem, exact=True)
    sides = {name: shapes[name] for name in pair.sides}
    sums, first = {}, {}
    for name, (tally, values) in compared_sides(
        sides, here, pair.observed, kernel, tolerance
    ).items():
        sums[name] = tally
        first[name] = Part(rows=np.arange(values.here.shape[-2]), values={name: values})
    others = {
        name: OtherKeys(pair.observed, name, shape)
        for name, shape in sides.items()
        if sums[name].differing or sums[name].off
    }
    contrast = Contrast()
    for part in compared(pair, kernel, contrast, others):
        for name, values in part.values.items():
            shape = shapes[name]
            if name not in sums:
                type_ = kernel.stored.get(name, FLOAT_TYPES["float64"])
                eps = type_.eps * kernel.scale
                of = f"{pair.model.name}: {name}"
                sums[name] = Tally(shape.axes, shape.sizes, eps, tolerance, of=of)
                first[name] = part
            rows = part.rows if shape.of_queries else np.arange(values.there.shape[-2])
            sums[name].add(rows, values)
    if SINKS in shapes:
        sums[SINKS] = _of_sinks(pair)
    return Tallied(sums, contrast, first)


def _of_sinks(pair: Pair) -> Tally:
    """Return the sums of the sinks, which are an input."""
    here = sinks_of(pair.problem)
    there = pair.observed.rows((SINKS,), np.arange(0))[SINKS]
    assert here is not None  # it is a common step
    eps = FLOAT_TYPES[pair.type].eps
    of = f"{pair.model.name}: {SINKS}"
    tally = Tally(("head",), here.shape, eps, pair.asked.tolerance, of=of)
    errors = np.abs(here)[None] * eps / 2
    tally.add(np.arange(0), Values(here, here, there, errors, None))
    return tally


def plain(
    here: OfDump, there: OfDump, shapes: Mapping[str, Shape], asked: Asked
) -> tuple[dict[str, Tally], dict[str, Sample]]:
    """Return the sums of each step of two dumps, held against one rounding of their type.

    Also the rows that were compared of each step.
    """
    found, samples = {}, {}
    for name, shape in shapes.items():
        count = shape.sizes[shape.axes.index("query")] if shape.of_queries else 1
        rest = int(np.prod(shape.sizes)) // max(count, 1)
        most = count if asked.exact else NUMBERS // max(rest, 1)
        samples[name] = sampled(count, most)
        for some in parts(samples[name].rows, rest):
            one, other = (side.rows((name,), some)[name] for side in (here, there))
            type_ = asked.dtype or _widest(here.types[name], there.types[name])
            eps = FLOAT_TYPES[type_].eps
            size = 0.0 if here.coded(name) and there.coded(name) else np.abs(one)
            errors = np.where(np.isfinite(one), size, 0)[None] * eps / 2
            if name not in found:
                of = f"{here.name}: {name}"
                found[name] = Tally(shape.axes, shape.sizes, eps, asked.tolerance, of=of)
            rows = some if shape.of_queries else np.arange(shape.sizes[-2:][0])
            found[name].add(rows, Values(one, one, other, errors, None))
    return found, samples


def _widest(one: str, other: str) -> str:
    """Return the narrower of two types: what has been rounded to it cannot be nearer."""
    order = ("bfloat16", "float16", "float32", "float64")
    return min(one, other, key=order.index)


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
            rows = sampled(count, 16).rows
            other.fit({name: one.rows((name,), rows)[name]}, rows)
    return one, other, chosen


__all__ = ["Asked", "Pair", "Part", "Steps", "Tallied", "dumps", "paired", "plain", "tallied"]
