"""Collects the parts of steps that a plan keeps, block by block, and what there is to warn of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from attn_cli.core.arrays import Array, Bools, Integers
from attn_cli.core.formulas import AXES
from attn_cli.core.plan import LEADING, Plan, StepPlan
from attn_cli.core.problem import Problem
from attn_cli.core.visible import Lead
from attn_cli.record import Step


class Collector:
    """What has been computed so far of the steps that are wanted."""

    def __init__(self, problem: Problem, plan: Plan) -> None:
        self._problem = problem
        self._plan = plan
        self._values: dict[str, Array] = {
            name: np.zeros(step.held, dtype=problem.dtype) for name, step in plan.steps.items()
        }
        self._peaks: dict[str, Array] = {
            name: np.zeros(step.held[:-1], dtype=problem.dtype)
            for name, step in plan.steps.items()
            if name == "weights"
        }
        self._empty: list[tuple[Lead, int]] = []  # queries that see no key
        self._wild: dict[str, tuple[int, list[int]]] = {}  # step -> how many not finite, the first

    def keep(self, name: str, lead: Lead, values: Array, rows: Integers | None = None) -> None:
        """Copy the kept part of a step; `rows` says which rows of it these are (None: all)."""
        step = self._plan.steps.get(name)
        if step is None:
            return
        place = self._place(step, lead)
        if place is None:
            return
        if rows is None:
            rows = np.arange(step.shape[-2])
        targets, sources = _matching(step.indices(-2), rows)
        part = values[sources]
        columns = step.kept[-1]
        self._values[name][place][targets] = part if columns is None else part[:, list(columns)]

    def keep_weights(self, lead: Lead, weights: Array, visible: Bools, rows: Integers) -> None:
        """Keep weights, and the largest that each query gives to a key it sees."""
        self.keep("weights", lead, weights, rows)
        step = self._plan.steps.get("weights")
        place = None if step is None else self._place(step, lead)
        if step is None or place is None:
            return
        targets, sources = _matching(step.indices(-2), rows)
        largest = np.max(weights, axis=1, where=visible, initial=-np.inf)
        self._peaks["weights"][place][targets] = largest[sources]

    def note_visible(self, lead: Lead, visible: Bools, rows: Integers) -> None:
        """Remember the queries, by their positions, that see no key."""
        self._empty += [(lead, int(row)) for row in rows[~visible.any(axis=1)]]

    def watches(self, name: str) -> bool:
        """Whether values of a step that are not finite are to be noted.

        Scores are watched also where they are not shown: normalisers can hide what overflowed.
        """
        shown = name == "scores" or name in self._plan.steps
        return shown and self._problem.nonfinite == "refuse"

    def note_wild(
        self,
        name: str,
        lead: Lead,
        wild: Bools,
        rows: Integers | None = None,
        keys: slice = slice(0, 0),
    ) -> None:
        """Remember how many values of a step are not finite, and where the first of them stands."""
        if not wild.any():
            return
        row, column = (int(n) for n in np.unravel_index(int(wild.argmax()), wild.shape))
        row = row if rows is None else int(rows[row])
        place = [row, column + keys.start if AXES[name][1] == "key" else column]
        count, first = self._wild.get(name, (0, [*lead, *self._turned(place)]))
        self._wild[name] = count + int(wild.sum()), first

    def _turned(self, place: list[int]) -> list[int]:
        return place[::-1] if self._problem.layout == "columns" else place

    def steps(self) -> dict[str, Step]:
        """Return the finished steps."""
        return {
            name: Step(
                name=name,
                formula=step.formula,
                axes=step.axes,
                labels=step.labels,
                values=self._values[name],
                shape=step.shape,
                kept=step.kept,
                peaks=self._peaks.get(name),
            )
            for name, step in self._plan.steps.items()
        }

    def warnings(self) -> Iterator[str]:
        """Say which queries see no key, and which steps are not finite."""
        if self._empty:
            yield self._empty_rows()
        for name, (count, first) in self._wild.items():
            values = "1 value" if count == 1 else f"{count} values"
            dtype = self._problem.dtype
            yield f"{name} is not finite at {first} ({values}): {dtype} overflows there"

    def _place(self, step: StepPlan, lead: Lead) -> tuple[int, ...] | None:
        """Return where a batch entry and head stands in a step; None where it is not kept."""
        if step.name == "embeddings":
            return ()
        held = [step.indices(axis) for axis in range(len(self._plan.free))]
        wanted = [lead[axis] for axis in self._plan.free]
        if any(index not in indices for index, indices in zip(wanted, held, strict=True)):
            return None
        return tuple(indices.index(i) for i, indices in zip(wanted, held, strict=True))

    def _empty_rows(self) -> str:
        names = []
        for lead, row in self._empty[:3]:
            entry = "".join(f"{LEADING[axis]} {index}, " for axis, index in enumerate(lead))
            word = self._problem.query_tokens[row]
            names.append(f"{entry}query {row}" + ("" if word == str(row) else f" ('{word}')"))
        more = len(self._empty) - len(names)
        rest = f" and {more} more" if more else ""
        verb = "has" if len(self._empty) == 1 else "have"
        return f"{'; '.join(names)}{rest} {verb} no key to attend to: the weights there are 0"


def _matching(kept: Sequence[int], rows: Integers) -> tuple[slice | Integers, slice | Integers]:
    """Return where these rows go among the kept ones, and which of them go there."""
    if isinstance(kept, range):  # all rows are kept, and blocks of them come in order
        return slice(int(rows[0]), int(rows[-1]) + 1), slice(None)
    places = {row: at for at, row in enumerate(kept)}
    pairs = [(places[int(row)], at) for at, row in enumerate(rows) if int(row) in places]
    targets = np.array([p[0] for p in pairs], dtype=np.intp)
    return targets, np.array([p[1] for p in pairs], dtype=np.intp)
