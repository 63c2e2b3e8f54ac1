"""What a hypothesis changes without a change of a number: that part is taken from the problem.

Then problems of several hypotheses are one candidate, which is computed once:

    the weights of rows without a key, if every query sees one
    a fill of hidden scores so low that exp(fill - largest score) is 0 in float64, for one of -inf
    another lse, if no step that was observed is computed from it
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property

import numpy as np

from attn_cli.dataclass import replace
from attn_cli.lab.identify.alike import alike
from attn_cli.lab.variants import Base
from attn_cli.maths.adjustments import Masking
from attn_cli.maths.pipeline import pipeline
from attn_cli.maths.problem import Problem
from attn_cli.maths.stage import downstream

_LARGE = 1 << 26  # cells
_NOTHING = -746.0  # exp of less is 0 in float64
_EXPONENTIAL = ("softmax", "softmax1", "sink_logits")
_BEFORE_EXP = ("scores", "masked")


class Same:
    """A problem, and the steps of it that were observed; without any, all matter."""

    def __init__(self, base: Base, observed: Collection[str] = ()) -> None:
        self._base, self._observed = base, frozenset(observed)

    def as_base(self, problem: Problem) -> Problem:
        """Return a problem with the parts of the base that give the same observed numbers."""
        problem = self._unread_alterations(problem)
        if not self._full or not alike(problem.rules.schemes, self._base.problem.rules.schemes):
            return problem
        rules = replace(problem.rules, empty_rows=self._base.problem.rules.empty_rows)
        return self._without_fill(replace(problem, rules=rules))

    @cached_property
    def _full(self) -> bool:
        """Whether every query sees a key."""
        problem = self._base.problem
        if problem.score.selection is not None:
            return False
        entries = (problem.batch or (1,))[0] * (problem.heads or 1)
        if problem.rules.schemes and entries * problem.n_q * problem.n_k > _LARGE:
            return False
        return not problem.rules.schemes or bool(self._base.visible.any(axis=-1).all())

    def _unread_alterations(self, problem: Problem) -> Problem:
        """Return the problem without alterations from which nothing observed is computed."""
        of_base = self._base.problem.altered
        new = [n for n, alter in problem.altered.items() if alter is not of_base.get(n)]
        if not self._observed or not new:
            return problem
        specs = pipeline(problem)
        unread = {n for n in new if self._observed.isdisjoint(downstream(specs.values(), n))}
        if not unread:
            return problem
        kept = {n: alter for n, alter in problem.altered.items() if n not in unread}
        return replace(problem, altered={**of_base, **kept})

    def _without_fill(self, problem: Problem) -> Problem:
        """Return the problem with the base's fill, if hidden keys get no weight by either."""
        here, there = self._fill_of(self._base.problem), self._fill_of(problem)
        if here is None or there is None or not alike(there.mask, here.mask):
            return problem
        if not (self._hides_all(here) and self._hides_all(there)):
            return problem
        rules = problem.rules
        return replace(problem, rules=replace(rules, adjustments=(*rules.adjustments[:-1], here)))

    def _fill_of(self, problem: Problem) -> Masking | None:
        """Return the mask, if it is the last change of scores whose exponentials are weights."""
        rules = problem.rules
        last = rules.adjustments[-1] if rules.adjustments else None
        if not isinstance(last, Masking) or not self._observed.isdisjoint(_BEFORE_EXP):
            return None
        plain = rules.temperature is None and rules.top_k is None and not problem.altered
        plain = plain and rules.normalizer.name in _EXPONENTIAL and bool(self._observed)
        return last if plain and alike(last.hides, rules.schemes) else None

    def _hides_all(self, masking: Masking) -> bool:
        """Return whether exp(hidden score - the largest of its row) is 0 in every row."""
        if masking.hides_permanently:
            return True
        largest = self._largest
        return masking.fill + (largest if masking.adds else 0.0) + largest < _NOTHING

    @cached_property
    def _largest(self) -> float:
        """The largest size of a score before it is masked; infinity if that is not known."""
        base = self._base
        adjustments = base.problem.rules.adjustments
        if not base.small or not adjustments[-1].only_hides:
            return np.inf
        before = adjustments[-2].step if len(adjustments) > 1 else "scores"
        return float(np.max(np.abs(base.step(before)), initial=0.0))
