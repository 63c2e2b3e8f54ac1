"""Collects the parts of steps that a plan keeps, block by block, and what there is to warn of."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from attn_cli.arrays import AnyArray, Array, Bools, Integers
from attn_cli.engine.plan import Plan, StepPlan
from attn_cli.maths.axes import AFTER, ASIDES, AXES, WEIGHED, WHOLE_ROWS
from attn_cli.maths.block import Made
from attn_cli.maths.problem import Problem
from attn_cli.maths.rules import KINDS
from attn_cli.maths.visible.base import REASONS, Lead
from attn_cli.record import Choice, Step

MARKED = WHOLE_ROWS - {"products", "gate", "visible"}  # steps in which a key can be hidden
OF_WEIGHTS = WEIGHED | {"weights", "dropped"}  # steps that are NaN where weights are meant to be


class Collector:
    """What has been computed so far of the steps that are wanted."""

    def __init__(self, problem: Problem, plan: Plan) -> None:
        self._problem = problem
        self._plan = plan
        self._values: dict[str, AnyArray] = {
            name: np.zeros(step.held, dtype=step.dtype) for name, step in plan.steps.items()
        }
        self._hidden: dict[str, AnyArray] = {
            name: np.zeros(step.held, dtype=np.uint8)
            for name, step in plan.steps.items()
            if plan.marks and name in MARKED
        }
        self._peaks: dict[str, Array] = {
            name: np.zeros(step.held[:-1], dtype=problem.dtype)
            for name, step in plan.steps.items()
            if name == "weights"
        }
        self.choices: list[Choice] = []  # the next word of each batch entry
        self._empty: dict[str, list[tuple[Lead, int]]] = {}  # what they get -> who see no key
        self._forgiven: dict[Lead, Bools] = {}  # rows of the block at hand that are meant to be NaN
        self._wild: dict[str, tuple[int, list[int]]] = {}  # step -> how many not finite, the first

    def keep(self, name: str, lead: Lead, values: AnyArray, rows: Integers | None = None) -> None:
        """Copy the kept part of a step; `rows` are the positions of its queries, where it has any.

        `lead` is the batch entry and head; where the step has no axis of heads, the batch entry.
        """
        if name in self._values:
            self._copy(self._values[name], self._plan.steps[name], lead, values, rows)

    def _copy(
        self, held: AnyArray, step: StepPlan, lead: Lead, values: AnyArray, rows: Integers | None
    ) -> None:
        place = self._place(step, lead)
        if place is None:
            return
        columns = None if step.axes[-1] == "query" else step.kept[-1]
        part = values if columns is None else values[..., list(columns)]
        targets, sources = _matching(step, rows)
        held[place][targets] = part[sources]

    def keep_weights(self, lead: Lead, weights: Array, visible: Bools, rows: Integers) -> None:
        """Keep weights, and the largest that each query gives to a key it sees."""
        self.keep("weights", lead, weights, rows)
        step = self._plan.steps.get("weights")
        place = None if step is None else self._place(step, lead)
        if step is None or place is None:
            return
        targets, sources = _matching(step, rows)
        largest = np.max(weights, axis=1, where=visible, initial=-np.inf)
        self._peaks["weights"][place][targets] = largest[sources]

    def take(self, lead: Lead, made: Made, rows: Integers, keys: slice) -> None:
        """Keep a step of one block, and note what there is to warn of."""
        name, values = made.name, made.values
        if name == "empty":
            for at in np.flatnonzero(values):
                self._empty.setdefault(KINDS[values[at]], []).append((lead, int(rows[at])))
            if self._problem.rules.gives("nan"):
                self._forgiven[lead] = values == KINDS.index("nan")
            return
        if self.watches(name):
            wild = ~np.isfinite(values)
            if made.matters is not None and made.seen is not None:
                wild &= made.matters & made.seen  # elsewhere -inf says that a key is hidden
            self.note_wild(name, lead, self._forgive(name, lead, wild), rows, keys)
        if made.why is not None and made.seen is not None:
            self.mark(name, lead, np.where(made.seen, 0, made.why), rows)
        if name == "weights" and made.seen is not None:
            self.keep_weights(lead, values, made.seen, rows)
        else:
            self.keep(name, lead, values, rows)

    def forget_empty(self) -> None:
        """Begin a block of rows: which of them see no key is to be told anew."""
        self._forgiven = {}

    def _forgive(self, name: str, lead: Lead, wild: Bools) -> Bools:
        """Return what is not finite, but for what a row without a key is meant to give.

        What several heads make together is NaN where one of them is.
        """
        if name in OF_WEIGHTS:
            for entry, rows in self._forgiven.items():
                if entry[: len(lead)] == lead:
                    wild[rows] = False
        return wild

    def mark(self, name: str, lead: Lead, hidden: AnyArray, rows: Integers) -> None:
        """Keep why keys take no part in a step of pairs: the code of it, 0 where they do."""
        if name in self._hidden:
            self._copy(self._hidden[name], self._plan.steps[name], lead, hidden, rows)

    @property
    def answer(self) -> str | list[str] | None:
        """The next word, one a batch entry where there are several; None where none is asked."""
        words = [choice.answer for choice in self.choices]
        if not words:
            return None
        return words if self._plan.steps["probabilities"].free else words[0]

    def watches(self, name: str) -> bool:
        """Whether values of a step that are not finite are to be noted.

        Scores and logits are watched also where they are not shown: normalisers can hide what
        overflowed.
        """
        shown = name in {"scores", "logits"} or name in self._plan.steps
        shown = shown and name not in ASIDES  # which follow from the steps beside them
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
        place = [int(n) for n in np.unravel_index(int(wild.argmax()), wild.shape)]
        if rows is not None:
            place[0] = int(rows[place[0]])
        if AXES[name][-1] == "key":
            place[-1] += keys.start
        if self._problem.layout == "columns":
            place.reverse()
        place = [*lead, *place]
        if self._problem.heads_last and name in AFTER:
            place[-3:-1] = reversed(place[-3:-1])
        count, first = self._wild.get(name, (0, place))
        self._wild[name] = count + int(wild.sum()), min(first, place)

    def check(self, name: str, lead: Lead, values: Array, rows: Integers | None = None) -> None:
        """Note what is not finite in a step whose every value counts, and keep it."""
        if self.watches(name):
            wild = ~np.isfinite(values)
            forgiven = wild if rows is None else self._forgive(name, lead, wild)
            self.note_wild(name, lead, forgiven, rows)
        self.keep(name, lead, values, rows)

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
                hidden=self._hidden.get(name),
                legend=REASONS if name in self._hidden or name == "visible" else (),
            )
            for name, step in self._plan.steps.items()
        }

    def warnings(self) -> Iterator[str]:
        """Say which queries see no key, what is hardly an answer, and what is not finite."""
        for kind in (kind for kind in KINDS if kind in self._empty):
            yield self._empty_rows(self._empty[kind], _GIVEN[kind])
        yield from (choice.doubt for choice in self.choices if choice.doubt)
        for name, (count, first) in self._wild.items():
            values = "1 value" if count == 1 else f"{count} values"
            dtype = self._narrowest(name)
            yield f"{name} is not finite at {first} ({values}): {dtype} overflows there"

    def _narrowest(self, name: str) -> str:
        """Return the type in which a step overflows first: its own, or that of the softmax."""
        precision = self._problem.precision
        types = [precision.of(name), *([precision.softmax] if name == "weights" else [])]
        return min(types, key=lambda type_: -type_.lowest).name

    def _place(self, step: StepPlan, lead: Lead) -> tuple[int, ...] | None:
        """Return where a batch entry and head stands in a step; None where it is not kept."""
        if any(lead[axis] != index for axis, index in step.fixed.items()):
            return None
        held = [step.indices(axis) for axis in range(len(step.free))]
        wanted = [lead[axis] for axis in step.free]
        if any(index not in indices for index, indices in zip(wanted, held, strict=True)):
            return None
        return tuple(indices.index(i) for i, indices in zip(wanted, held, strict=True))

    def _empty_rows(self, empty: list[tuple[Lead, int]], given: str) -> str:
        names = []
        for lead, row in sorted(empty)[:3]:
            axes = self._problem.lead_axes
            entry = "".join(f"{name} {at}, " for name, at in zip(axes, lead, strict=True))
            word = self._problem.query_tokens[row]
            names.append(f"{entry}query {row}" + ("" if word == str(row) else f" ('{word}')"))
        more = len(empty) - len(names)
        rest = f" and {more} more" if more else ""
        verb = "has" if len(empty) == 1 else "have"
        return f"{'; '.join(names)}{rest} {verb} no key to attend to: the weights there are {given}"


_GIVEN = {
    "zero": "0",
    "nan": "NaN",
    "uniform": "equal, one part for every key",
    "fill": "what hidden keys give here",
}


def _matching(step: StepPlan, rows: Integers | None) -> tuple[slice | Integers, slice | Integers]:
    """Return where rows at these positions go among the held ones, and which of them go there."""
    if step.rows is None or rows is None:
        kept = step.kept[-2] if len(step.axes) - len(step.free) > 1 else None
        return slice(None), slice(None) if kept is None else np.array(kept, dtype=np.intp)
    targets = np.searchsorted(step.rows, rows)
    found = targets < len(step.rows)
    found[found] = step.rows[targets[found]] == rows[found]
    if found.all() and len(rows) and targets[-1] - targets[0] == len(rows) - 1:
        return slice(int(targets[0]), int(targets[-1]) + 1), slice(None)
    return targets[found], np.flatnonzero(found)
