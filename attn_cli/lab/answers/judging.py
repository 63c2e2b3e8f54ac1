"""Answers judged: whether each step agrees, exactly or with rounded intermediate results.

agrees      |given - expected| is within the tolerance of the decimals
rounded     it is, if earlier steps are rounded to these decimals as well
truncated   each wrong number is the expected one cut off, not rounded
differs     none of these; the first such step has explanations
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from attn_cli.arrays import AnyArray, Bools
from attn_cli.dataclass import replace
from attn_cli.lab.altered import computed, with_steps
from attn_cli.lab.answers.judgement import Judged, Judgement, Verdict
from attn_cli.lab.answers.rounding import Rounding, off
from attn_cli.lab.answers.sheet import Answer, Sheet
from attn_cli.lab.variants.variant import Base
from attn_cli.maths.stage import closure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from attn_cli.lab.answers.trials import Trials


def judge(base: Base, sheet: Sheet, *, command: str = "check") -> Judged:
    """Return the judgement of each answer of a sheet."""
    return next(judge_all(base, (sheet,), command=command))


def judge_all(base: Base, sheets: Iterable[Sheet], *, command: str = "check") -> Iterator[Judged]:
    """Yield the judgement of each answer of each sheet, in the order of the computation.

    `base` is the problem. Each step is compared with the right numbers; if it differs, with what
    follows from the student's own earlier steps.
    """
    from attn_cli.lab.answers.trials import Trials

    trials = Trials(base)
    for sheet in sheets:
        yield Judged(
            command=command,
            sheet=sheet,
            judgements=tuple(_judgements(trials, sheet)),
            order=tuple(base.specs),
            warnings=base.record.warnings,
        )


def _judgements(trials: Trials, sheet: Sheet) -> list[Judgement]:
    from attn_cli.lab.answers.explaining import explained

    found: list[Judgement] = []
    for answer in sheet.answers:
        judgement = _judged(trials, answer)
        if not judgement.right:
            earlier = [each for each in found if each.verdict == "differs"]
            follows = _follows(trials.base, answer, found) if earlier else ()
            judgement = replace(judgement, follows=follows)
            if not follows and judgement.verdict == "differs":
                judgement = explained(_from_own(trials, found), judgement)
        found.append(judgement)
    return found


def _judged(trials: Trials, answer: Answer) -> Judgement:
    """Return the judgement of an answer by itself."""
    base = trials.base
    expected = base.shown(answer.step)
    wrong = off(answer, expected)
    verdict: Verdict = "agrees"
    if wrong.any():
        if trials.rounding(answer).agrees(answer):
            verdict = "rounded"
        else:
            verdict = "truncated" if _truncated(answer, expected, wrong) else "differs"
    return Judgement(
        answer=answer, verdict=verdict, step=base.record.steps[answer.step], wrong=wrong
    )


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


def _from_own(trials: Trials, before: Sequence[Judgement]) -> Trials:
    """Return the variants of the problem as it goes on from the student's own wrong steps."""
    from attn_cli.lab.answers.trials import Trials as OfSteps

    steps = _own_steps(trials.base, before)
    if not steps:
        return trials
    return OfSteps(Base(with_steps(trials.base.problem, steps)))  # of no document any more


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
        right = onward.shown(answer.step)
        if not off(answer, right).any() or Rounding.of(onward, answer).agrees(answer):
            # Of several wrong steps the last alone may explain it.
            return (next(e.answer.step for e in reversed(used) if not e.right),)
    return ()
