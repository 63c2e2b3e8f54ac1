"""The search: every hypothesis at some rows first, those in question against the noise.

The centre is what is believed: at first the problem itself. A hypothesis beyond the centre becomes
the new centre if its rest is noise by its own emulations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import numpy as np

from attn_cli.arrays import AnyArray, Array, Integers
from attn_cli.dataclass import replace
from attn_cli.floats import FLOAT_TYPES
from attn_cli.lab.altered import Steps
from attn_cli.lab.identify import parts
from attn_cli.lab.identify.candidates import Candidate
from attn_cli.lab.identify.fitting import heads_of
from attn_cli.lab.identify.judging import SAME, Judge, Test, size
from attn_cli.lab.identify.observed import Observed, Part
from attn_cli.lab.identify.result import Hypothesis
from attn_cli.lab.noise import NARROW, Noise, difference, in_types, kernel_types, to_nearest
from attn_cli.lab.variants import Base
from attn_cli.lab.variants.shared import Sample
from attn_cli.maths.precision import Precision
from attn_cli.maths.problem import Problem

IN_QUESTION = 12.0  # floors: a hypothesis with more left at the first look explains nothing
_NEAREST = 3  # hypotheses that are ranked though they explain nothing
_ODD = 1e6


class Group:
    """Candidates that give the same numbers where they are judged."""

    def __init__(self, candidate: Candidate, values: Mapping[str, AnyArray], d: Array) -> None:
        self.candidates, self.values, self.d = [candidate], values, d
        self.rest, self.test, self.near = 0.0, Test(0.0, np.inf), False

    @property
    def first(self) -> Candidate:
        """The likeliest of them."""
        return self.candidates[0]

    @property
    def hypotheses(self) -> tuple[Hypothesis, ...]:
        """All that they are."""
        return tuple(each for candidate in self.candidates for each in candidate.hypotheses)

    @property
    def believed(self) -> bool:
        """Whether the problem itself is one of them."""
        return any(not each.name for each in self.hypotheses)


class Look:
    """The observed steps at some rows and heads, and the values of problems there."""

    def __init__(self, base: Base, observed: Sequence[Observed], part: Part) -> None:
        self.part, self._observed = part, observed
        self._sample = Sample(
            base, [each.step for each in observed], rows=part.rows, heads=part.heads
        )

    def of(self, problem: Problem) -> Steps | None:
        """Return the observed steps of a problem there; None if it has none of that size."""
        found = self._sample.of(problem)
        return found if found is None or self._fits(found) else None

    def _fits(self, found: Steps) -> bool:
        return all(found[each.step].shape == self.array(each).shape for each in self._observed)

    def array(self, observed: Observed, layout: str | None = None) -> AnyArray:
        """Return the observed step there, in a layout (None: the first that fits)."""
        values = observed.fitted[layout or next(iter(observed.fitted))]
        return self.part.of(values, observed.axes)


class Searched:
    """What the observed arrays are, and the groups of hypotheses so far."""

    def __init__(
        self, base: Base, observed: Sequence[Observed], stated: Precision | None = None
    ) -> None:
        """`stated`: the types of the problem, if it says them."""
        self.base, self.observed = base, observed
        judged = parts.whole(base.problem)
        self.judged = Look(base, observed, judged)
        self._first = Look(base, observed, parts.first(base.problem, judged))
        self.layouts: dict[str, str] = {}
        self.stated = stated
        self._names = {each.step: each for each in observed}
        self._vectors = [each.step for each in observed if each.axes[-1] != "query"]

    @cached_property
    def dtype(self) -> str:
        """The type of the arithmetic: the stated one, or the narrowest of the observed arrays."""
        if self.stated is not None:
            return self.stated.dtype.name
        narrow = min(self.observed, key=lambda each: -each.dtype.eps)
        return narrow.dtype.name

    def types(self, *, scores: bool) -> Precision:
        """Return the types of the emulation; `scores`: with scores rounded to the type."""
        stated, dtype = self.stated, FLOAT_TYPES[self.dtype]
        if stated is not None:
            return replace(stated, scores=dtype) if scores else stated
        return kernel_types(self.dtype, scores=self.dtype if scores else "")

    def choose_layouts(self, looked: Iterable[Steps]) -> None:
        """Choose the layout of each observed step that any hypothesis comes nearest in."""
        every = list(looked)
        for each in self.observed:
            names = list(each.fitted)
            if len(names) > 1:
                names.sort(key=lambda name: self._nearest(each, name, every))
            self.layouts[each.step] = names[0]

    def _nearest(self, observed: Observed, layout: str, looked: Sequence[Steps]) -> float:
        there = self._first.array(observed, layout)
        return min(_size(difference(there, values[observed.step])) for values in looked)

    @property
    def first_part(self) -> Part:
        """The rows and heads of the first look."""
        return self._first.part

    def averaged(self, observed: Observed) -> Array | None:
        """Return V of the batch entries and heads of a step that is an average of it."""
        problem = self.base.problem
        if observed.step not in ("context", "output") or "v" not in self.base.specs:
            return None
        plain = problem.after.output.weight is None and problem.after.output.bias is None
        if problem.joined or not plain or problem.past is not None or problem.gate is not None:
            return None
        values = Sample(self.base, ("v",)).own["v"]
        if problem.heads is None:
            return values
        heads = self.judged.part.heads or range(problem.heads)
        return values[..., [problem.key_heads[head] for head in heads], :, :]

    @property
    def heads(self) -> Integers | None:
        """The head of each number where hypotheses are judged; None if some have none."""
        if self.judged.part.heads is not None:
            return None
        return heads_of([(self.there[n].shape, each.axes) for n, each in self._names.items()])

    @cached_property
    def there(self) -> dict[str, AnyArray]:
        """The observed steps where hypotheses are judged."""
        return {n: self.judged.array(each, self.layouts[n]) for n, each in self._names.items()}

    def look(self, candidate: Candidate) -> Steps | None:
        """Return the steps of a candidate at the rows of the first look."""
        return self._first.of(candidate.problem)

    def differ(self, one: Problem, other: Problem, judge: Judge) -> bool:
        """Return whether two problems give different numbers at the rows of the first look."""
        here, there = self._first.of(one), self._first.of(other)
        if here is None or there is None:
            return True
        return any(
            _size(difference(there[name], here[name])) > SAME * judge.floors[name] for name in here
        )

    def judge(self, candidate: Candidate) -> tuple[Judge, str]:
        """Return the judge whose centre is a candidate, and the type of the scores."""
        problem, rounded = candidate.problem, False
        if self.dtype in NARROW:
            rounded = self._scores_were_rounded(problem)
        types = self.types(scores=rounded)
        noise = Noise.of(
            problem,
            tuple(self._names),
            types,
            stored={name: each.dtype for name, each in self._names.items()},
            compute=self._computed,
        )
        scores = types.scores.name if self.dtype in NARROW else ""
        return Judge(noise, self.there, self._vectors), scores

    def _scores_were_rounded(self, problem: Problem) -> bool:
        """Return whether the observed steps are nearer to a problem whose scores are rounded.

        A few rows do not tell: both may be about as near.
        """
        kept, rounded = (self._left_to_nearest(problem, scores=scores) for scores in (False, True))
        return rounded < kept

    def _left_to_nearest(self, problem: Problem, *, scores: bool) -> float:
        """Return how far the observed steps are from a problem with the usual roundings."""
        found = self._computed(in_types(problem, to_nearest(self.types(scores=scores))))
        return sum(
            _size(difference(there, found[name])) / (_size(there) or 1.0)
            for name, there in self.there.items()
        )

    def _computed(self, problem: Problem) -> Steps:
        found = self.judged.of(problem)
        assert found is not None  # it has been looked at
        return found

    def in_question(
        self, looked: Sequence[tuple[Candidate, Steps]], judge: Judge
    ) -> tuple[list[Candidate], list[Candidate]]:
        """Return the candidates that may explain the observed steps, and the nearest others."""
        left = self.rests(looked, judge)
        near = [each for (each, _), rest in zip(looked, left, strict=True) if rest <= IN_QUESTION]
        far = [at for at in _ranked(left) if left[at] > IN_QUESTION]
        return near, [looked[at][0] for at in far[:_NEAREST]]

    def ranked(self, looked: Sequence[tuple[Candidate, Steps]], judge: Judge) -> list[int]:
        """Return the numbers of candidates, from the smallest rest at the first look on."""
        return _ranked(self.rests(looked, judge))

    def rests(self, looked: Sequence[tuple[Candidate, Steps]], judge: Judge) -> list[float]:
        """Return the rest of each candidate at the first look, in floors."""
        there = {n: self._first.array(e, self.layouts[n]) for n, e in self._names.items()}
        return [_rest(there, values, judge) for _, values in looked]

    def groups(self, found: Iterable[Candidate], judge: Judge) -> list[Group]:
        """Return the groups of candidates with the same numbers, nearest first."""
        groups: list[Group] = []
        for candidate in found:
            itself = candidate.problem is self.base.problem
            values = judge.noise.exact if itself else self.judged.of(candidate.problem)
            if values is None:
                continue
            d = judge.off(values)
            rest = judge.rest(d)  # of the same numbers it is the same
            alike = (g for g in groups if abs(g.rest - rest) <= SAME)
            same = next((g for g in alike if size(g.d - d) <= SAME), None)
            if same is not None:
                same.candidates.append(candidate)
                continue
            group = Group(candidate, values, d)
            group.rest, group.test = rest, judge.test(d)
            # `_rest` may be less: larger numbers have larger floors.
            group.near = rest <= IN_QUESTION or _rest(self.there, values, judge) <= IN_QUESTION
            groups.append(group)
        return sorted(groups, key=lambda each: each.rest)


def _ranked(left: Sequence[float]) -> list[int]:
    return sorted(range(len(left)), key=lambda at: left[at])


def _rest(there: Mapping[str, AnyArray], values: Mapping[str, AnyArray], judge: Judge) -> float:
    """Return the rms of observed steps less those of a hypothesis, in floors.

    Numbers that are larger than those of the centre have larger floors: they are rounded too.
    """
    parts = []
    for name, array in there.items():
        with np.errstate(invalid="ignore", over="ignore"):
            floor = np.fmax(judge.floors[name], judge.noise.eps[name] * np.abs(values[name]))
            off = difference(array, values[name]) / np.where(np.isfinite(floor), floor, 1.0)
        parts.append(off.ravel())
    return _size(np.concatenate(parts))


def _size(x: Mapping[str, AnyArray] | AnyArray) -> float:
    return size(np.nan_to_num(np.asarray(x), nan=_ODD, posinf=_ODD, neginf=-_ODD))
