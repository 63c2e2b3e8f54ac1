"""What is compared with what: the problem that computes the stages, and the steps of the others."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from attn_cli.arrays import AnyArray, Tensor
from attn_cli.dataclass import dataclass, field
from attn_cli.errors import AttnError, argument, printable
from attn_cli.lab.differing.names import (
    SINKS,
    Matched,
    matched,
    meanings,
    refuse_unknown,
)
from attn_cli.lab.differing.sides import Shape, candidates, shapes_of
from attn_cli.lab.drawing import drawable, turned
from attn_cli.lab.variants.variant import Base
from attn_cli.maths.pipeline import STAGES, names
from attn_cli.maths.problem import Problem
from attn_cli.reading.dumps import Dump, refuse_all_nan
from attn_cli.sources.matrices.document import Document
from attn_cli.sources.matrices.shapes import shape_text

SINK = "sink_logits"
MOST_AXES = 4  # of an array: batch entries, heads, and two more


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """One argument of `attn diff`: a problem, or a dump."""

    name: str
    problem: Problem | None = None
    document: Document | None = None
    dump: Dump | None = None

    def steps(self) -> dict[str, Shape]:
        """Return the steps of a problem."""
        assert self.problem is not None  # it is not a dump
        found = shapes_of(self.problem)
        sinks = sinks_of(self.problem)
        if sinks is not None:
            found[SINKS] = Shape(axes=("head",), sizes=sinks.shape)
        return found

    @property
    def declared(self) -> bool:
        """Whether the problem itself says its type."""
        return self.document is not None and "dtype" in self.document.tree

    def typed(self, type_: str) -> Problem:
        """Return the problem whose inputs are rounded to a type, unless it says its own."""
        assert self.problem is not None  # it is not a dump
        if self.document is None or self.declared or type_ == "float64":
            return self.problem
        return Base(self.problem, self.document).read_with({"dtype": type_}) or self.problem


def sinks_of(problem: Problem) -> AnyArray | None:
    """Return the sinks of a problem, one per head."""
    rules = problem.rules
    if rules.normalizer.name != SINK:
        return None
    return np.atleast_1d(np.asarray(rules.parameters["logits"], dtype=np.float64))


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What both sides have, and what one of them lacks."""

    shapes: Mapping[str, Shape]  # of the common steps, in the order computed
    arrays: Mapping[str, str]  # step -> array of the dump
    other: Mapping[str, str] = field(default_factory=dict)  # of the dump A, if both are dumps
    unmatched_here: tuple[str, ...]  # of the first of the two
    unmatched_there: tuple[str, ...]


def of_problem_and_dump(model: Loaded, dump: Dump, chosen: Mapping[str, str]) -> Chosen:
    """Return the steps of a problem that a dump has; `chosen` maps steps to arrays.

    Raises AttnError if there are none, or if `chosen` names what there is not.
    """
    steps = model.steps()
    for step, array in chosen.items():
        refuse_unknown(step, tuple(steps), model.name)
        refuse_unknown(array, tuple(dump.arrays), dump.name)
    found = matched(
        tuple(dump.arrays),
        {array: step for step, array in chosen.items()},
        lambda array, step: step in steps and bool(candidates(dump, array, steps[step])),
    )
    arrays = {step: found.steps[step] for step in steps if step in found.steps}
    _refuse_none(arrays, model.name, steps, dump, found)
    refuse_nan(dump, arrays)
    return Chosen(
        shapes={step: steps[step] for step in arrays},
        arrays=arrays,
        unmatched_here=tuple(step for step in steps if step not in arrays),
        unmatched_there=(*_said(dump, found, steps), *dump.left_out),
    )


def _said(dump: Dump, found: Matched, steps: Mapping[str, Shape]) -> list[str]:
    """Return the arrays without a step, with the reason if it is known."""
    said = []
    for array in found.unmatched:
        known = next((step for step in meanings(array) if step in steps), None)
        shape = shape_text(dump.arrays[array].shape)
        wrong = known is not None and not candidates(dump, array, steps[known])
        said.append(f"{array} (shape {shape}, no layout of {known})" if wrong else array)
    for step, arrays in found.unclear.items():
        said.append(f"{', '.join(arrays)} (each could be {step}: choose one by the option map)")
    return said


def _refuse_none(
    arrays: Mapping[str, str], here: str, steps: Mapping[str, Shape], dump: Dump, found: Matched
) -> None:
    if arrays:
        return
    for array in found.unmatched:
        known = next((step for step in meanings(array) if step in steps), None)
        if known is not None:
            shape = shape_text(dump.arrays[array].shape)
            raise AttnError(
                f"{dump.name}: {printable(array)} has shape {shape}, "
                f"which fits no layout of {known}: {steps[known].text}",
                help="both must have the same numbers of queries, keys, heads and batch entries",
            )
    inside = ", ".join(dump.arrays)
    several = "".join(f"; {', '.join(a)} could each be {s}" for s, a in found.unclear.items())
    raise AttnError(
        f"{here} and {dump.name} have no step in common",
        help=f"{dump.name} has: {inside or 'no arrays'}{several}; the steps of {here} are: "
        f"{', '.join(steps)}; say what is what: {argument('map', 'output=NAME')}",
    )


def refuse_nan(dump: Dump, arrays: Mapping[str, str]) -> None:
    """Raise AttnError for an array in memory without a number."""
    for array in arrays.values():
        values = dump.arrays[array]
        if isinstance(values, np.ndarray) or 0 in values.shape:
            refuse_all_nan(np.asarray(values), f"{dump.name}: {printable(array)}")


def of_problems(here: Loaded, there: Loaded) -> Chosen:
    """Return the steps that two problems have, of equal shapes."""
    one, other = here.steps(), there.steps()
    common = {step: shape for step, shape in one.items() if other.get(step) == shape}
    if not common:
        raise AttnError(
            f"{here.name} and {there.name} have no step in common",
            help="both must have the same numbers of queries, keys, heads and batch entries",
        )

    def said(steps: Mapping[str, Shape], others: Mapping[str, Shape]) -> tuple[str, ...]:
        return tuple(
            f"{step} ({shape.text})" if step in others else step
            for step, shape in steps.items()
            if step not in common
        )

    return Chosen(
        shapes=common,
        arrays={},
        unmatched_here=said(one, other),
        unmatched_there=said(other, one),
    )


def of_dumps(here: Dump, there: Dump, chosen: Mapping[str, str]) -> Chosen:
    """Return the arrays that two dumps have in common, by what they mean, or by their names.

    Raises AttnError if there are none.
    """
    for one, other in chosen.items():
        refuse_unknown(one, tuple(here.arrays), here.name)
        refuse_unknown(other, tuple(there.arrays), there.name)
    shapes: dict[str, Shape] = {}
    left: dict[str, str] = {}
    right: dict[str, str] = {}
    free = [array for array in there.arrays if array not in chosen.values()]
    for array, values in here.arrays.items():
        if values.ndim > MOST_AXES:
            continue
        mine = meanings(array) or (array,)
        fits = [chosen[array]] if array in chosen else _alike(array, mine, free)
        shape = shape_alone(mine[0], here.axes.get(array), values)
        same = next((other for other in fits if candidates(there, other, shape)), None)
        if same is None or mine[0] in shapes:
            continue
        shapes[mine[0]], left[mine[0]], right[mine[0]] = shape, array, same
    if not shapes:
        raise AttnError(
            f"{here.name} and {there.name} have no step in common of equal shapes",
            help=f"{here.name} has: {_with_shapes(here)}; {there.name} has: "
            f"{_with_shapes(there)}; say what is what: {argument('map', 'here=there')}",
        )
    refuse_nan(here, left)
    refuse_nan(there, right)
    order = [step for step in names() if step in shapes]
    order += [step for step in shapes if step not in order]
    return Chosen(
        shapes={step: shapes[step] for step in order},
        arrays=right,
        other=left,
        unmatched_here=tuple(a for a in here.arrays if a not in left.values()),
        unmatched_there=tuple(a for a in there.arrays if a not in right.values()),
    )


def _with_shapes(dump: Dump) -> str:
    shapes = (f"{printable(a)} {shape_text(x.shape)}" for a, x in dump.arrays.items())
    return ", ".join(shapes) or "no arrays with axes"


def _alike(array: str, mine: tuple[str, ...], names: list[str]) -> list[str]:
    """Return the arrays of the other dump with this name, else those that mean the same."""
    if array in names:
        return [array]
    found = [other for other in names if set(meanings(other)) & set(mine)]
    return found if len(found) == 1 else []


def shape_alone(step: str, axes: tuple[str, ...] | None, values: Tensor) -> Shape:
    """Return the axes of an array for which only its file speaks: (batch, head, ...)."""
    sizes = values.shape
    if axes is not None:  # of attn's JSON, in the problem's own order
        order = turned(axes) if drawable(axes) else tuple(range(len(axes)))
        return Shape(axes=tuple(axes[a] for a in order), sizes=tuple(sizes[a] for a in order))
    own = next((stage.axes for stage in STAGES if stage.name == step), ("query", "dimension"))
    own = own[-len(sizes) :]
    lead = len(sizes) - len(own)
    names = {0: (), 1: ("head",), 2: ("batch", "head")}[lead]
    return Shape(axes=(*names, *own), sizes=sizes)
