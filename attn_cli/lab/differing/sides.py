"""The two sides of a comparison: where the values of each step come from, a few rows at a time."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import log

import numpy as np

from attn_cli.arrays import AnyArray, Integers, Tensor
from attn_cli.dataclass import dataclass
from attn_cli.engine.plan import plan_unheld
from attn_cli.engine.step_plan import StepPlan
from attn_cli.errors import AttnError, argument, printable
from attn_cli.lab.altered import Steps
from attn_cli.lab.differing.names import VISIBLE
from attn_cli.lab.layouts import Layout, arranged, fitting, letters
from attn_cli.lab.noise import FROM_NARROW, difference, exactly, narrowest, rms, values_of
from attn_cli.maths.pipeline import pipeline
from attn_cli.maths.problem import Problem, Request
from attn_cli.maths.stage import POOLED
from attn_cli.reading.dumps import Dump
from attn_cli.sources.matrices.shapes import shape_text

LN2 = log(2)
NO_PROBLEM: Problem | None = None


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The axes of a step in the order in which it is computed, and their sizes."""

    axes: tuple[str, ...]
    sizes: tuple[int, ...]

    @property
    def of_queries(self) -> bool:
        """Whether it has a row per query."""
        return "query" in self.axes

    @property
    def text(self) -> str:
        """The axes and sizes, for messages."""
        return f"({', '.join(self.axes)}) = {shape_text(self.sizes)}"


def shapes_of(problem: Problem) -> dict[str, Shape]:
    """Return the shape of each step of a problem, except those of pooled rows."""
    names = tuple(n for n, spec in pipeline(problem).items() if spec.scope != POOLED)
    steps: dict[str, StepPlan] = plan_unheld(problem, Request(steps=names)).steps
    return {name: Shape(axes=step.axes, sizes=step.shape) for name, step in steps.items()}


class OfProblem:
    """The steps of a problem, in its own types, or exact."""

    def __init__(self, name: str, problem: Problem, *, exact: bool) -> None:
        self.name, self.problem, self._exact = name, problem, exact
        self._computed = exactly(problem) if exact else problem
        self.types: Mapping[str, str] = {
            name: spec.type.name
            for name, spec in pipeline(problem).items()
            if spec.type is not None
        }
        self.notes: Mapping[str, str] = {}

    def rows(self, names: tuple[str, ...], rows: Integers) -> Steps:
        """Return steps: these rows of those of queries, all of the others."""
        return values_of(self._computed, names, tuple(map(int, rows)))

    def keys_of(self, name: str, lead: tuple[int, ...], keys: slice) -> AnyArray:
        """Return some keys of K or V that is given, of one key head."""
        side = self.problem.key if name == "k" else self.problem.value
        assert side is not None  # it is given
        found = side.rows(lead, keys, lambda x: x).astype(np.float64)
        type_ = self.problem.precision.dtype
        return found if self._exact else type_.round(found)


class OfDump:
    """The arrays of a dump that are steps, each in the layout that fits best."""

    def __init__(self, dump: Dump, arrays: Mapping[str, str], shapes: Mapping[str, Shape]) -> None:
        """`arrays` maps steps to arrays. Raises AttnError for one of no layout."""
        self.name, self.problem = dump.name, NO_PROBLEM
        self._tensors: dict[str, Tensor] = {}
        self._layouts: dict[str, Layout] = {}
        self._factors: dict[str, float] = {}
        self._read: dict[str, str] = {}
        self._truths: set[str] = set()  # arrays of truth values
        self._shapes = shapes
        self._candidates = {
            step: candidates(dump, array, shapes[step]) for step, array in arrays.items()
        }
        self._raw = {step: dump.arrays[array] for step, array in arrays.items()}
        self._own = {step: array for step, array in arrays.items() if array != step}
        for step, found in self._candidates.items():
            if not found:
                shape = shape_text(self._raw[step].shape)
                raise AttnError(
                    f"{dump.name}: {printable(arrays[step])} has shape {shape}, which fits no "
                    f"layout of {step}: {shapes[step].text}",
                    help=f"leave it out, or say which step it is: {argument('map', 'here=there')}",
                )
            self._choose(step, found[0])

    def _choose(self, step: str, layout: Layout, factor: float = 1.0) -> None:
        self._layouts[step], self._factors[step] = layout, factor
        self._tensors[step] = arranged(self._raw[step], layout, self._shapes[step].axes)

    def fit(self, expected: Steps, rows: Integers) -> None:
        """Choose the layout of each step that is nearest to what is expected of some rows."""
        for step, found in self._candidates.items():
            factors = (1.0, LN2) if step == "lse" else (1.0,)
            if step not in expected or len(found) * len(factors) == 1:
                continue
            best = (np.inf, np.inf)
            for layout in found:
                tensor = arranged(self._raw[step], layout, self._shapes[step].axes)
                values = _rows_of(tensor, self._shapes[step], rows).astype(np.float64)
                for factor in factors:
                    distance = _distance(values * factor, expected[step])
                    if distance < (best[0], best[1] * (1 - 1e-9)):
                        best = distance
                        self._choose(step, layout, factor)

    def unsure(self, names: Collection[str]) -> bool:
        """Return whether a step can be read in several ways."""
        return any(len(self._candidates[n]) > 1 or n == "lse" for n in names)

    @property
    def notes(self) -> Mapping[str, str]:
        """Step -> the name of its array, its layout and its base."""
        return {step: self._note(step) for step in self._tensors if self._note(step)}

    def _note(self, step: str) -> str:
        usual = self._candidates[step][0].name
        layout = self._layouts[step].name
        parts = [
            printable(self._own[step]) if step in self._own else "",
            f"in the layout {layout}"
            if layout not in (usual, letters(self._shapes[step].axes))
            else "",
            "in base 2" if self._factors[step] != 1.0 else "",
        ]
        return ", ".join(part for part in parts if part)

    @property
    def types(self) -> Mapping[str, str]:
        """Step -> the narrowest type that holds its values, as far as they were read."""
        return self._read

    def coded(self, name: str) -> bool:
        """Return whether an array that was read has truth values or codes: nothing rounds them."""
        return name == VISIBLE or name in self._truths

    def rows(self, names: tuple[str, ...], rows: Integers) -> Steps:
        """Return steps: these rows of those of queries, all of the others."""
        found = {}
        for name in names:
            values = _rows_of(self._tensors[name], self._shapes[name], rows)
            self._note_type(name, values)
            found[name] = values.astype(np.float64, copy=False) * self._factors[name]
        return found

    def keys_of(self, name: str, lead: tuple[int, ...], keys: slice) -> AnyArray:
        """Return some keys of K or V, of one key head."""
        tensor = self._tensors[name]
        values = np.asarray(tensor[lead][keys] if lead else tensor[keys])
        if name not in self._read:  # of all numbers it would take as long as to compare them
            self._note_type(name, values)
        return values.astype(np.float64, copy=False)

    def _note_type(self, name: str, values: AnyArray) -> None:
        if values.dtype == np.bool_:
            self._truths.add(name)
        known = self._read.get(name)
        type_ = narrowest(values).name
        self._read[name] = type_ if known is None else wider(known, type_)


def _distance(there: AnyArray, here: AnyArray) -> tuple[float, float]:
    """Return how many numbers are infinite or NaN on one side alone, and the rms of the rest."""
    with np.errstate(all="ignore"):
        apart = difference(there, here)
    return float(np.count_nonzero(~np.isfinite(apart))), rms(apart)


def candidates(dump: Dump, array: str, shape: Shape) -> list[Layout]:
    """Return the layouts in which an array of a dump can be a step."""
    tensor = dump.arrays[array]
    found = fitting(shape.axes, shape.sizes, tensor.shape)
    own = dump.axes.get(array)
    if own is not None:  # the file says the order of its axes
        order = tuple(own.index(axis) for axis in shape.axes) if set(own) == set(shape.axes) else ()
        if order:
            return [each for each in found if _order(each, shape) == order] or found
    return found


def _order(layout: Layout, shape: Shape) -> tuple[int, ...]:
    return tuple(
        next(at for at, group in enumerate(layout.groups) if letter in group)
        for letter in letters(shape.axes)
        if any(letter in group for group in layout.groups)
    )


def _rows_of(tensor: Tensor, shape: Shape, rows: Integers) -> AnyArray:
    """Return some query rows of a step, or all of one that has none; unread ones are not read."""
    if not shape.of_queries:
        return np.asarray(tensor[:])
    lead = shape.sizes[: shape.axes.index("query")]
    found = [np.asarray(tensor[at][rows] if at else tensor[rows]) for at in np.ndindex(*lead)]
    return np.stack(found).reshape(*lead, *found[0].shape)


def wider(one: str, other: str) -> str:
    """Return the type that holds the numbers of both."""
    if one == other:
        return one
    if {one, other} <= {"bfloat16", "float16"}:
        return "float32"
    return max(one, other, key=FROM_NARROW.index)
