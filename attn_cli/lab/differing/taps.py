"""Every stage of a problem, computed from another computation's earlier steps, in one run.

Each observed step replaces the values of its stage, so that the next stage reads it, after the
values of the stage itself have been noted. An array that was written of scores or weights may have
fewer digits than the kernel went on with: emulations move it by up to half a unit.

    noted["weights"] = softmax(masked there)       noted["context"] = weights there @ v there

So the difference `there - noted` is what the stage adds, not what it inherits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from attn_cli.arrays import AnyArray, Bools, Integers
from attn_cli.dataclass import dataclass, replace
from attn_cli.floats import FloatType
from attn_cli.formula import Formula, Words
from attn_cli.lab.altered import Steps, with_steps
from attn_cli.lab.noise import RandomPrecision, values_of
from attn_cli.lab.variants.visibility import with_schemes
from attn_cli.maths.block import Block
from attn_cli.maths.pipeline import pipeline
from attn_cli.maths.place import Place
from attn_cli.maths.precision import Precision
from attn_cli.maths.problem import Problem
from attn_cli.maths.ranges import Ranges, union
from attn_cli.maths.stage import BLOCK, PROBLEM, Alter, Rows, Side, StepSpec

GIVEN = ("embeddings", "positions")  # steps that are inputs: nothing is computed


@dataclass(frozen=True)
class Seen:
    """A scheme that hides keys as another computation does: (batch, heads, rows, n_k)."""

    reason: ClassVar[str] = "mask"
    visible: Bools
    rows: Integers  # the numbers of the rows, ascending

    @property
    def formula(self) -> Formula:
        """The condition, in words."""
        return Words("the other computation sees it")

    def sees(self, at: Place) -> Bools:
        """Return the part that belongs to this place."""
        batch = at.batch if self.visible.shape[0] > 1 else 0
        head = at.head if self.visible.shape[1] > 1 else 0
        found: Bools = self.visible[batch, head][np.searchsorted(self.rows, at.i)][:, at.j]
        return found

    def reach(self, at: Place, n_k: int) -> Ranges:  # noqa: ARG002
        """Return all keys."""
        return union([(0, n_k)])

    def open(self, at: Place, n_k: int) -> Ranges:  # noqa: ARG002
        """Return no key: which ones are seen is known only by reading."""
        return ()


def seeing(problem: Problem, visible: Bools, rows: Integers) -> Problem:
    """Return the problem in which these rows see exactly these keys."""
    return with_schemes(problem, (Seen(visible, rows),))


class Taps:
    """The observed steps of some query rows, as they are put into a problem.

    `steps` are in the order in which they are computed: (*lead, rows, ...); those of keys and of
    tokens have all their rows.
    """

    def __init__(
        self,
        problem: Problem,
        steps: Mapping[str, Any],
        rows: Integers,
        wanted: tuple[str, ...],
        stored: Mapping[str, FloatType],
    ) -> None:
        """`wanted` are the steps that `compute` returns; all steps are put into the problem.

        `stored` has the types of their arrays.
        """
        self._steps, self._rows, self._wanted = steps, rows, wanted
        specs = pipeline(problem)
        # A kernel may hold more of a step than the array that was written of it.
        self._eps = {
            name: type_.eps / 2
            for name, type_ in stored.items()
            if specs[name].scope == BLOCK and name != "context"
        }
        wholes = {name: x for name, x in steps.items() if specs[name].scope == PROBLEM}
        self.problem = with_steps(problem, wholes) if wholes else problem

    def compute(self, problem: Problem) -> Steps:
        """Return each wanted step as its stage gives it, before it is rounded."""
        noted = {name: np.full(self._steps[name].shape, np.nan) for name in self._wanted}
        specs = pipeline(problem)
        alter = {
            name: self._tap(specs[name], noted.get(name), problem.precision) for name in self._steps
        }
        tapped = replace(problem, altered={**problem.altered, **alter})
        values_of(tapped, self._wanted, tuple(map(int, self._rows)))
        precision = problem.precision
        if isinstance(precision, RandomPrecision):
            for name in self._wanted:
                _move(name, noted[name], precision)
        return {name: noted[name] for name in self._wanted}

    def _tap(self, spec: StepSpec, noted: AnyArray | None, precision: Precision) -> Alter:
        there, eps = self._steps[spec.name], self._eps.get(spec.name, 0.0)
        lead_axes = there.ndim - len(spec.axes)
        draws = precision.draws if isinstance(precision, RandomPrecision) and eps else None

        def tap(place: Any, values: AnyArray) -> AnyArray:
            at = self._place(place, spec, lead_axes)
            if noted is not None:
                noted[at] = values
            found = np.asarray(there[at], dtype=values.dtype)
            if draws is not None:
                moves = draws.generator.uniform(1 - eps, 1 + eps, found.shape)
                found = (found * moves).astype(values.dtype, copy=False)
            return found

        return tap

    def _place(self, place: Any, spec: StepSpec, lead_axes: int) -> tuple[Any, ...]:
        """Return the index of the values that a stage computes at a place."""
        if isinstance(place, Problem):
            return ()
        if isinstance(place, Side):
            of_queries = "query" in spec.axes
            return (*place.lead, self._positions(place.rows) if of_queries else place.rows)
        if isinstance(place, Block):
            rows = self._positions(place.at.i)
            lead = place.entry.lead
            if spec.axes[-1] != "key":
                return (*lead, rows)
            return (*lead, *np.ix_(rows, place.at.j))
        assert isinstance(place, Rows)
        problem = place.problem
        lead = (
            *((place.batch,) if problem.batch else ()),
            *((place.head,) if problem.heads else ()),
        )
        lead = lead[:lead_axes]
        return (*lead, self._positions(place.i)) if "query" in spec.axes else lead

    def _positions(self, rows: Integers | slice) -> Integers:
        """Return the places of query rows, by their numbers, among those that are observed."""
        if isinstance(rows, slice):
            return np.searchsorted(self._rows, np.arange(*rows.indices(int(self._rows[-1]) + 1)))
        return np.searchsorted(self._rows, rows)


def _move(name: str, values: AnyArray, precision: RandomPrecision) -> None:
    """Add the noise of operations inside a stage: each of them rounds, in the type it works in.

    softmax subtracts, raises, sums and divides: a weight p is off by about sqrt(3 + log(p)^2)
    roundings, as the rounding of s - max is one of log(p). A norm, a rotation and a tanh have some
    operations too.
    """
    operations = INSIDE.get(name)
    if operations is None:
        return
    eps = precision.softmax.eps if name in OF_SOFTMAX else precision.accumulate.eps
    with np.errstate(all="ignore"):
        count = np.full(values.shape, float(operations))
        if name in ("weights", "exp_scores", "dropped"):
            count += np.where(values > 0, np.log(values), 0) ** 2
        size = np.maximum(np.abs(values), 1.0) if name == "lse" else np.abs(values)
    moves = precision.draws.generator.uniform(-1, 1, values.shape)
    values += np.where(np.isfinite(size), moves * size * eps * ROUNDING * np.sqrt(count), 0)


# Step -> the operations of its stage, each of which rounds, besides the last rounding.
OF_SOFTMAX = ("weights", "exp_scores", "exp_sum", "lse", "dropped")
INSIDE = {
    **dict.fromkeys(OF_SOFTMAX, 3),
    "capped": 2, "q_rotated": 2, "k_rotated": 2, "q_normed": 3, "k_normed": 3, "layer_norm": 4,
    "layer_norm_2": 4, "hidden": 2, "gated": 2,
}  # fmt: skip
ROUNDING = 0.707  # the bound of a uniform error with the rms of a random rounding, 0.41 of a unit
