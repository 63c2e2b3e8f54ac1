"""Answers judged: whether each step agrees, exactly or with rounded intermediate results.

agrees      |given - expected| is within the tolerance of the decimals
rounded     it is, if earlier steps are rounded to these decimals as well
truncated   each wrong number is the expected one cut off, not rounded
differs     none of these; the first such step has explanations
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from attn_cli.arrays import AnyArray, Bools
from attn_cli.dataclass import dataclass, replace
from attn_cli.lab.altered import computed, own, rounded, steps_of, with_rounded, with_steps
from attn_cli.lab.answers.sheet import Answer, Sheet
from attn_cli.lab.variants.variant import Base
from attn_cli.maths.problem import Problem
from attn_cli.maths.stage import CODE, PROBLEM, closure
from attn_cli.record import Step

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from attn_cli.lab.answers.explaining import Explanation

Verdict = Literal["agrees", "rounded", "truncated", "differs"]
RIGHT = ("agrees", "rounded")
DECIMALS = 4  # of intermediate results, if the answer has no decimal point


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What is to be said of the answer for one step. Arrays have the problem's order of axes."""

    answer: Answer
    verdict: Verdict
    step: Step  # the right one
    wrong: Bools  # which of the given values are not within the tolerance
    follows: tuple[str, ...] = ()  # the earlier, wrong steps from which it follows correctly
    explanations: tuple[Explanation, ...] = ()
    nearest: Explanation | None = None  # if there is no explanation
    solved: AnyArray | None = None  # the weights with which a wrong context was computed

    @property
    def right(self) -> bool:
        """Whether it agrees, also with rounded intermediate results."""
        return self.verdict in RIGHT


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A sheet with a judgement for each of its answers."""

    command: str
    sheet: Sheet
    judgements: tuple[Judgement, ...]
    order: tuple[str, ...]  # of all steps of the problem
    warnings: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether all answers are right."""
        return all(each.right for each in self.judgements)

    @property
    def first_wrong(self) -> Judgement | None:
        """The judgement of the first step that is not right; None if all are."""
        return next((each for each in self.judgements if not each.right), None)


@dataclass(frozen=True, kw_only=True)
class Graded:
    """The judged sheets of several people."""

    command: str
    sheets: tuple[Judged, ...]
    warnings: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether all answers of all sheets are right."""
        return all(sheet.agrees for sheet in self.sheets)


def judge(base: Base, sheet: Sheet, *, command: str = "check") -> Judged:
    """Return the judgement of each answer, in the order in which the steps are computed.

    `base` is the problem. Each step is compared with the right numbers; if it differs, with what
    follows from the student's own earlier steps.
    """
    from attn_cli.lab.answers.explaining import explained

    found: list[Judgement] = []
    for answer in sheet.answers:
        judgement = _judged(base, answer)
        if not judgement.right:
            earlier = [each for each in found if each.verdict == "differs"]
            follows = _follows(base, answer, found) if earlier else ()
            judgement = replace(judgement, follows=follows)
            if not follows and judgement.verdict == "differs":
                judgement = explained(_from_own(base, found), judgement)
        found.append(judgement)
    return Judged(
        command=command,
        sheet=sheet,
        judgements=tuple(found),
        order=tuple(base.specs),
        warnings=base.record.warnings,
    )


def _judged(base: Base, answer: Answer) -> Judgement:
    """Return the judgement of an answer by itself."""
    expected = base.shown(answer.step)
    wrong = off(answer, expected)
    verdict: Verdict = "agrees"
    if wrong.any():
        if agrees_rounded(base, answer):
            verdict = "rounded"
        else:
            verdict = "truncated" if _truncated(answer, expected, wrong) else "differs"
    return Judgement(
        answer=answer, verdict=verdict, step=base.record.steps[answer.step], wrong=wrong
    )


def off(answer: Answer, expected: AnyArray) -> Bools:
    """Return which of the given values are not within the tolerance of the expected ones."""
    return _outside(answer, expected, expected)


def _outside(answer: Answer, low: AnyArray, high: AnyArray) -> Bools:
    """Return which of the given values are outside a span by more than the tolerance."""
    given = answer.values
    with np.errstate(invalid="ignore"):
        below = given < low - answer.allowed(low)
        above = given > high + answer.allowed(high)
    infinite = ~np.isfinite(low) | ~np.isfinite(high) | ~np.isfinite(given)
    same = (given == low) | (np.isnan(given) & np.isnan(low))
    found: Bools = np.where(infinite, ~same, below | above) & answer.given
    return found


def agrees_rounded(base: Base, answer: Answer) -> bool:
    """Return whether an answer lies in the span of what rounded intermediate results give.

    The step is computed with all earlier steps rounded to the decimals of the answer, and with each
    of them alone.
    """
    low = high = base.steps[answer.step]
    spec = base.specs[answer.step]
    for values in _with_rounding(base, answer):
        if values.shape != low.shape:
            continue
        low, high = np.fmin(low, values), np.fmax(high, values)
        span = (own(base.problem, spec, low), own(base.problem, spec, high))
        if not _outside(answer, *span).any():
            return True
    return not off(answer, base.shown(answer.step)).any()


def _with_rounding(base: Base, answer: Answer) -> Iterator[AnyArray]:
    """Yield the values of the step with all earlier steps rounded, then with each of them alone."""
    if answer.step in base.problem.altered:
        return  # it is not computed from earlier steps
    decimals = DECIMALS if answer.decimals is None else answer.decimals
    before = _before(base, answer.step)
    inputs = {name for name in before if base.specs[name].scope == PROBLEM}
    if not any(_has_more(base.steps[name], decimals) for name in inputs):
        before = tuple(name for name in before if name not in inputs)
    for names in (before, *((name,) for name in before if _has_more(base.steps[name], decimals))):
        if any(_has_more(base.steps[name], decimals) for name in names):
            yield _rounded_before(base.problem, names, decimals, answer.step)


def _has_more(values: AnyArray, decimals: int) -> bool:
    """Return whether rounding changes some of the values."""
    finite = np.where(np.isfinite(values), values, 0).astype(np.float64)
    return bool(np.abs(rounded(finite, decimals) - finite).max(initial=0) > 1e-12)


def _before(base: Base, step: str) -> tuple[str, ...]:
    """Return the steps that a step is computed from, by hand: weights from the exponentials too."""
    needed = closure(base.specs.values(), [step])
    if "weights" in needed:
        needed |= {"exp_scores", "exp_sum"} & base.specs.keys()
    numbers = (n for n, spec in base.specs.items() if spec.stage.role != CODE)
    return tuple(name for name in numbers if name in needed and name != step)


def _rounded_before(problem: Problem, names: Sequence[str], decimals: int, step: str) -> AnyArray:
    """Return a step with these earlier steps rounded; weights = exp_scores / exp_sum then."""
    by_hand = step not in {"exp_scores", "exp_sum"} and "weights" not in problem.altered
    problem = with_rounded(problem, dict.fromkeys(names, decimals))
    if by_hand and {"exp_scores", "exp_sum"} & set(names):
        parts = steps_of(problem, ["exp_scores", "exp_sum"])
        raised, total = parts["exp_scores"], parts["exp_sum"][..., None]
        with np.errstate(all="ignore"):
            weights = np.where(total > 0, raised / total, 0)
        if "weights" in names:
            weights = rounded(weights, decimals)
        problem = with_steps(problem, {"weights": weights})
    return steps_of(problem, [step])[step]


def _truncated(answer: Answer, expected: AnyArray, wrong: Bools) -> bool:
    """Return whether each wrong value is the expected one cut toward 0."""
    if answer.decimals is None or not np.isfinite(expected[wrong]).all():
        return False
    unit = 10.0**answer.decimals
    finite = np.where(np.isfinite(expected), expected, 0).astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        cut = np.trunc(finite * unit * (1 + 1e-12)) / unit
    return bool(np.isclose(answer.values[wrong], cut[wrong], rtol=0, atol=1e-9).all())


def _own_steps(base: Base, before: Sequence[Judgement]) -> Mapping[str, NDArray[np.float64]]:
    """Return the student's own steps, as computed; values that were not given are the right ones.

    Steps that agree are left out: the exact numbers are as good, and better if few decimals are
    written.
    """
    return {
        each.answer.step: computed(
            base.problem,
            base.specs[each.answer.step],
            np.where(each.answer.given, each.answer.values, each.step.values),
        )
        for each in before
        if not each.right
    }


def _from_own(base: Base, before: Sequence[Judgement]) -> Base:
    """Return the problem as it goes on from the student's own wrong steps."""
    steps = _own_steps(base, before)
    return Base(with_steps(base.problem, steps)) if steps else base  # of no document any more


def _follows(base: Base, answer: Answer, before: Sequence[Judgement]) -> tuple[str, ...]:
    """Return the wrong steps from which an answer follows correctly; none if it does not."""
    needed = closure(base.specs.values(), [answer.step])
    used = [each for each in before if each.answer.step in needed]
    # Steps that follow were written with few decimals; the student may have gone on from all.
    for chosen in (used, [each for each in used if not each.follows]):
        steps = _own_steps(base, chosen)
        if not steps:
            continue
        onward = Base(with_steps(base.problem, steps))
        if not off(answer, onward.shown(answer.step)).any() or agrees_rounded(onward, answer):
            # Of several wrong steps the last alone may explain it.
            return (next(e.answer.step for e in reversed(used) if not e.right),)
    return ()
