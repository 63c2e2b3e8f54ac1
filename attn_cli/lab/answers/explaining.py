"""Why an answer is wrong: the variants that give its numbers, and what these numbers are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import compress

import numpy as np

from attn_cli.arrays import AnyArray, Bools
from attn_cli.dataclass import replace
from attn_cli.lab.answers.arrangements import arrangements
from attn_cli.lab.answers.judgement import RIGHT, Explanation, Judgement
from attn_cli.lab.answers.rounding import distance, off
from attn_cli.lab.answers.sheet import Answer
from attn_cli.lab.answers.slips import slip_in
from attn_cli.lab.answers.solved import changed_weights, known_weights, solved_weights
from attn_cli.lab.answers.trials import Trial, Trials
from attn_cli.lab.variants import Base

_TOGETHER = 1 << 14  # numbers of variants that are compared at once


def explained(trials: Trials, judgement: Judgement) -> Judgement:
    """Return the judgement with all explanations of its answer, or else the nearest variant.

    `trials` are of the problem as it goes on from the student's own earlier steps.
    """
    base, answer = trials.base, judgement.answer
    right = base.shown(answer.step)
    tried = list(_changing(trials, answer, right))
    found = [_of_variant(base, each) for each in _giving(answer, tried)]
    if not found and tried:  # rounded intermediate results take longer
        found = list(_with_rounding(trials, answer, tried))
    found += [Explanation(*each) for each in arrangements(base, answer, judgement.step)]
    solved = solved_weights(base, answer)
    if solved is not None:
        found += [Explanation(*each) for each in known_weights(base, answer, solved)]
        changed = () if found else changed_weights(base, answer, solved)
        judgement = replace(judgement, solved=solved, changed=changed)
    factor = None if found else _common_factor(answer, judgement.step.values)
    if factor is not None:
        found.append(Explanation("factor", f"each number is {factor:.4g} times the right one"))
    if found:
        return replace(judgement, explanations=tuple(found))
    nearest = _nearest(base, answer, right, tried)
    return replace(judgement, nearest=nearest, slip=slip_in(base, answer))


def _of_variant(base: Base, trial: Trial) -> Explanation:
    return Explanation(trial.variant.name, trial.variant.said(base))


def _changing(trials: Trials, answer: Answer, right: AnyArray) -> Iterator[Trial]:
    """Yield the variants that change the step of the answer."""
    for part, values in _together(trials.of(answer.step)):
        changed = off(replace(answer, values=values), right)
        yield from compress(part, _any_of_each(changed))


def _giving(answer: Answer, tried: Sequence[Trial]) -> Iterator[Trial]:
    """Yield the variants whose numbers are those of the answer."""
    for part, values in _together(tried):
        left = off(answer, values)
        yield from compress(part, ~_any_of_each(left))


def _any_of_each(cells: Bools) -> Bools:
    """Return whether a cell is True, for each place along the first axis."""
    return np.asarray(cells.reshape(len(cells), -1).any(axis=1))


def _together(trials: Sequence[Trial]) -> Iterator[tuple[Sequence[Trial], AnyArray]]:
    """Yield some variants at a time, with the values of all of them in one array."""
    count = max(1, _TOGETHER // max(1, trials[0].values.size)) if trials else 1
    for start in range(0, len(trials), count):
        part = trials[start : start + count]
        yield part, np.stack([each.values.astype(np.float64) for each in part])


def _with_rounding(trials: Trials, answer: Answer, tried: list[Trial]) -> Iterator[Explanation]:
    """Yield the variants that give the numbers of an answer with rounded intermediate results.

    Only those are tried that are near: rounding moves a variant about as far as the right answer.
    """
    near = [(distance(answer, trial.values), trial) for trial in tried]
    if min(far for far, _ in near) > _NEAREST:
        return
    room = 2 + 3 * trials.rounding(answer).width(answer)
    for far, trial in near:
        if far <= room and trials.rounding(answer, trial).agrees(answer):
            yield _of_variant(trials.base, trial)


_NEAREST = 50.0  # tolerances: more cannot be from rounding


def _nearest(base: Base, answer: Answer, right: AnyArray, tried: list[Trial]) -> Explanation:
    """Return the variant that is nearest, or the right numbers if no variant is nearer.

    A variant is nearest if it gives the most numbers, at least half of those that are wrong; if
    none gives so many, the least distance decides. It may not leave more unexplained than are
    wrong.
    """
    wrong = int(off(answer, right).sum())

    def near(values: AnyArray) -> tuple[bool, float, float]:
        left, far = int(off(answer, values).sum()), distance(answer, values)
        return (False, left, far) if left <= wrong / 2 else (True, far, far)

    best, nearest = near(right), None
    for trial in (each for each in tried if int(off(answer, each.values).sum()) <= wrong):
        if near(trial.values) < best:
            best, nearest = near(trial.values), trial
    values = right if nearest is None else nearest.values
    with np.errstate(invalid="ignore"):
        apart = np.abs(answer.values - values)
    counted = answer.given & np.isfinite(apart)
    return (RIGHT if nearest is None else _of_variant(base, nearest))._replace(
        off=int(off(answer, values).sum()), far=float(apart.max(where=counted, initial=0))
    )


def _common_factor(answer: Answer, expected: AnyArray) -> float | None:
    """Return the number that turns all right values into the given ones, if there is one."""
    finite = np.isfinite(expected) & np.isfinite(answer.values)
    right, given = expected[finite].astype(np.float64), answer.values[finite]
    if right.size < 2 or not right.any() or np.count_nonzero(right) < 2:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        factor = float((right * given).sum() / (right * right).sum())
        scaled = np.where(finite, expected.astype(np.float64) * factor, expected)
    if factor == 0 or not np.isfinite(factor) or off(answer, scaled).any():
        return None
    return factor
