"""Checks every value on its way from an engine to a sink, and collects warnings."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from attn_cli.arrays import AnyArray, Bools, Integers, every, some
from attn_cli.engine.order import in_order
from attn_cli.engine.plan import Plan
from attn_cli.maths.block import StepValues
from attn_cli.maths.problem import Problem
from attn_cli.maths.rules import KINDS
from attn_cli.maths.stage import downstream
from attn_cli.maths.visible.base import Lead
from attn_cli.record import Choice

if TYPE_CHECKING:
    from attn_cli.engine.deciding import Deciding
    from attn_cli.engine.protocol import Sink

NO_KEYS = slice(0, 0)
NAMED = 3  # rows without a key that a warning names


class Watch:
    """Passes steps on to a sink; records values that are not finite and rows that see no key."""

    def __init__(self, problem: Problem, plan: Plan, sink: Sink) -> None:
        self._problem, self._plan, self._sink = problem, plan, sink
        self._watched = _watched(problem, plan)
        self.words: dict[int, Choice] = {}  # the next word of each batch entry
        self._deciding = _deciding(problem, plan)
        # The choice for rows without a visible key -> their number, and the first of them.
        self._empty: dict[str, tuple[int, list[tuple[Lead, int]]]] = {}
        self._nan_rows: dict[Lead, Bools] = {}  # queries that `empty_rows` makes NaN
        self._zero_keys: dict[Lead, tuple[int, int]] = {}  # key head -> their number, of how many
        self._nonfinite: dict[str, tuple[int, list[int]]] = {}  # step -> number, place of the first

    def put(
        self, lead: Lead, made: StepValues, rows: Integers | None = None, keys: slice = NO_KEYS
    ) -> None:
        """Check values of a step, and pass them on if the sink takes them.

        `lead` and `rows` are as in `Sink.put`; `keys` is the range of keys of values of pairs.
        """
        if made.name == "empty":
            assert rows is not None  # it has a value for each query
            self._note_empty(lead, made.values, rows)
            return
        if made.name == "zero_keys":
            self._zero_keys[lead] = int(made.values.sum()), len(made.values)
            return
        if made.name in self._watched:
            finite = np.isfinite(made.values)
            if not every(finite):
                self._check(lead, made, ~finite, rows, keys)
        if self._deciding is not None and made.name == "weights" and rows is not None:
            self._deciding.add(lead, made.values, rows, keys)
        if self._sink.wants(made.name):
            self._sink.put(lead, made, rows)

    def note(self, name: str, lead: Lead, values: AnyArray, rows: Integers | None = None) -> None:
        """Put values of a step that has no hidden keys."""
        self.put(lead, StepValues(name, values), rows)

    @cached_property
    def choices(self) -> list[list[Choice]]:
        """What was chosen, for each batch entry; none if the problem asks for no answer."""
        if self._deciding is not None:
            return self._deciding.choices(self.words)
        return [[word] for _, word in sorted(self.words.items())]

    @property
    def answer(self) -> object:
        """The answer, one per batch entry if there are several; None if the problem has none."""
        answers = [[each.answer for each in of_entry] for of_entry in self.choices]
        if not answers:
            return None
        rule = None if self._deciding is None else self._problem.answer
        name = "probabilities" if rule is None else "weights"
        several = bool(self._problem.batch) and 0 in self._plan.steps[name].free
        of_one = rule is None or rule.of_one
        short = [of_entry[0] for of_entry in answers] if of_one else answers
        return short if several else short[0]

    @cached_property
    def _of_weights(self) -> frozenset[str]:
        """The steps that are NaN if `empty_rows` makes weights NaN."""
        return downstream(self._plan.pipeline.values(), "weights")

    def _check(
        self, lead: Lead, made: StepValues, nonfinite: Bools, rows: Integers | None, keys: slice
    ) -> None:
        """Record the values that are not finite, unless their key or their row is hidden."""
        if made.matters is not None and made.seen is not None:
            nonfinite &= made.matters & made.seen  # other -inf are hidden keys
        if rows is not None and self._nan_rows and made.name in self._of_weights:
            self._ignore_empty_rows(lead, nonfinite, rows)
        if some(nonfinite):
            self._note_nonfinite(made.name, lead, nonfinite, rows, keys)

    def _note_empty(self, lead: Lead, kinds: AnyArray, rows: Integers) -> None:
        """Record the queries that see no key, by the code of their choice."""
        if not some(kinds):
            return
        for number in range(1, len(KINDS)):
            at = rows[kinds == number]
            if len(at):
                count, first = self._empty.get(KINDS[number], (0, []))
                first = sorted([*first, *((lead, int(row)) for row in at[:NAMED])])
                self._empty[KINDS[number]] = count + len(at), first[:NAMED]
        nan = kinds == KINDS.index("nan")
        if some(nan):
            of_lead = self._nan_rows.setdefault(lead, np.zeros(self._problem.n_q, dtype=np.bool_))
            of_lead[rows] = nan

    def _ignore_empty_rows(self, lead: Lead, nonfinite: Bools, rows: Integers) -> None:
        """Remove from `nonfinite` the rows without a key that `empty_rows` makes NaN.

        A step of several heads is NaN if it is in one of them.
        """
        for entry, nan in self._nan_rows.items():
            if entry[: len(lead)] == lead:
                nonfinite[nan[rows]] = False

    def _note_nonfinite(
        self, name: str, lead: Lead, nonfinite: Bools, rows: Integers | None, keys: slice
    ) -> None:
        """Record the number of values of a step that are not finite, and the place of the first."""
        place = [int(n) for n in np.unravel_index(int(nonfinite.argmax()), nonfinite.shape)]
        if rows is not None:
            place[0] = int(rows[place[0]])
        spec = self._plan.pipeline[name]
        if spec.axes[-1] == "key":
            place[-1] += keys.start
        place = in_order(self._problem, spec, [*lead, *place])
        count, first = self._nonfinite.get(name, (0, place))
        self._nonfinite[name] = count + int(nonfinite.sum()), min(first, place)

    def warnings(self) -> Iterator[str]:
        """Yield warnings: queries that see no key, doubtful answers, values that are not finite."""
        yield from self._zero_vectors()
        for kind in (kind for kind in KINDS if kind in self._empty):
            yield self._empty_rows(*self._empty[kind], _GIVEN[kind])
        yield from (each.doubt for of_entry in self.choices for each in of_entry if each.doubt)
        for name, (count, first) in self._nonfinite.items():
            values = "1 value" if count == 1 else f"{count} values"
            dtype = self._narrowest(name)
            yield f"{name} is not finite at {first} ({values}): {dtype} overflows there"

    def _zero_vectors(self) -> Iterator[str]:
        """Yield a warning if keys are hidden because the score function has no value for them."""
        zero, keys = (sum(each) for each in zip((0, 0), *self._zero_keys.values(), strict=True))
        if zero:
            function, _ = self._problem.score.innermost(self._problem.parameters)
            whose = " of all heads and batch entries" if len(self._zero_keys) > 1 else ""
            yield zero_keys(zero, keys, function.name, whose)

    def _narrowest(self, name: str) -> str:
        """Return the type in which a step overflows first: its own, or that of the softmax."""
        own = self._plan.pipeline[name].type
        assert own is not None  # codes are finite
        types = [own, *([self._problem.precision.softmax] if name == "weights" else [])]
        return min(types, key=lambda type_: -type_.lowest).name

    def _empty_rows(self, count: int, first: list[tuple[Lead, int]], given: str) -> str:
        names = []
        for lead, row in first:
            axes = self._problem.lead_axes
            entry = "".join(f"{name} {at}, " for name, at in zip(axes, lead, strict=True))
            word = self._problem.query_tokens[row]
            names.append(f"{entry}query {row}" + ("" if word == str(row) else f" ('{word}')"))
        more = count - len(names)
        rest = f" and {more} more" if more else ""
        verb = "has" if count == 1 else "have"
        return f"{'; '.join(names)}{rest} {verb} no key to attend to: the weights there are {given}"


def _watched(problem: Problem, plan: Plan) -> frozenset[str]:
    """Return the steps whose values are checked to be finite.

    Scores and logits are checked even if they are not shown: normalisers can hide an overflow.
    Asides are computed from steps that are checked.
    """
    if problem.nonfinite != "refuse":
        return frozenset()
    stages = [spec.stage for spec in plan.pipeline.values() if not spec.stage.aside]
    return frozenset(each.name for each in stages if each.watched or each.name in plan.steps)


def _deciding(problem: Problem, plan: Plan) -> Deciding | None:
    """Return what decides on the answer from the weights; None if the weights are not read."""
    if problem.answer is None or not plan.answers:
        return None
    from attn_cli.engine.deciding import Deciding

    return Deciding(problem, problem.answer, plan.top)


_GIVEN = {
    "zero": "0",
    "nan": "NaN",
    "uniform": "equal, one part for every key",
    "fill": "what hidden keys give here",
}


def zero_keys(zero: int, keys: int, score: str, whose: str = "") -> str:
    """Return the warning that a score function has no value for some keys."""
    what = "is a zero vector" if zero == 1 else "are zero vectors"
    them = "it" if zero == 1 else "them"
    return f"{zero} of {keys} keys{whose} {what}, without a direction: {score} hides {them}"
