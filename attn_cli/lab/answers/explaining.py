"""Why an answer is wrong: the variants that give its numbers, and what these numbers are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from attn_cli.arrays import AnyArray
from attn_cli.dataclass import replace
from attn_cli.lab.answers.judging import agrees_rounded, off
from attn_cli.lab.answers.sheet import Answer
from attn_cli.lab.answers.solved import known_weights, solved_weights
from attn_cli.lab.variants import Base, variants_of

if TYPE_CHECKING:
    from attn_cli.lab.answers.judging import Judgement


FAR = 20  # tolerances: a larger distance is not from rounding


class Explanation(NamedTuple):
    """A variant that gives the numbers of an answer, and how many of them it does not give."""

    name: str
    sentence: str
    off: int = 0


def explained(base: Base, judgement: Judgement) -> Judgement:
    """Return the judgement with all explanations of its answer, or else the nearest variant.

    `base` is the problem as it goes on from the student's own earlier steps.
    """
    answer = judgement.answer
    tried = [(*each, off(answer, each[2].values)) for each in _variants(base, answer)]
    found = [Explanation(name, said) for name, said, _, wrong in tried if not wrong.any()]
    if not found:  # rounded intermediate results take longer
        found = [
            Explanation(name, said)
            for name, said, variant, _ in tried
            if _close(answer, variant) and agrees_rounded(variant.base, answer)
        ]
    near = [Explanation(name, said, int(wrong.sum())) for name, said, _, wrong in tried]
    found += _seen_in_numbers(base, judgement)
    solved = solved_weights(base, answer)
    if solved is not None:
        known = list(known_weights(base, answer, solved))
        found += [Explanation(*each) for each in known]
        judgement = replace(judgement, solved=solved)
    factor = None if found else _common_factor(answer, judgement.step.values)
    if factor is not None:
        found.append(Explanation("factor", f"each number is {factor:.4g} times the right one"))
    nearest = min(near, key=lambda each: each.off, default=None)
    if nearest is not None and 2 * nearest.off > int(judgement.wrong.sum()):
        nearest = None  # it explains less than half of what is wrong
    return replace(judgement, explanations=tuple(found), nearest=None if found else nearest)


class _Computed(NamedTuple):
    """The step of a variant."""

    base: Base
    values: AnyArray


def _close(answer: Answer, variant: _Computed) -> bool:
    """Return whether rounded intermediate results could explain the rest."""
    with np.errstate(invalid="ignore"):
        distance = np.abs(answer.values - variant.values) / answer.allowed(variant.values)
    compared = answer.given & ~np.isnan(distance)
    return bool(distance.max(where=compared, initial=0) < FAR)


def _variants(base: Base, answer: Answer) -> Iterator[tuple[str, str, _Computed]]:
    """Yield the name, sentence and values of each variant that changes the step of the answer."""
    right = base.shown(answer.step)
    for variant in variants_of(base):
        varied = base.varied(variant)
        if varied is None or answer.step not in varied.specs:
            continue
        values = varied.shown(answer.step)
        if values.shape != right.shape:
            continue
        if off(replace(answer, values=values.astype(np.float64)), right).any():  # or no reason
            yield variant.name, variant.said(base), _Computed(varied, values)


def _seen_in_numbers(base: Base, judgement: Judgement) -> Iterator[Explanation]:
    """Yield what the numbers of an answer are, if they are another arrangement of right ones."""
    answer, expected = judgement.answer, judgement.step.values
    if not answer.whole:
        return
    if expected.ndim > 1 and expected.shape[-1] == expected.shape[-2]:
        turned = replace(answer, values=answer.values.swapaxes(-1, -2))
        if not off(turned, expected).any():
            yield Explanation("transposed", f"this is {answer.step} transposed")
    for name, spec in base.specs.items():
        if name == answer.step or spec.stage.role == "code":
            continue
        values = base.shown(name)
        if values.shape == expected.shape and not off(answer, values).any():
            yield Explanation("another-step", f"these are the numbers of {name}")
    if expected.ndim > 1:
        yield from _rows_in_another_order(answer, expected)


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


def _rows_in_another_order(answer: Answer, expected: AnyArray) -> Iterator[Explanation]:
    rows = expected.shape[-2]
    if rows < 2 or expected.ndim != 2:
        return
    order: list[int] = []
    for row in range(rows):
        fits = [
            at for at in range(rows) if at not in order and not _row_off(answer, expected, row, at)
        ]
        if not fits:
            return
        order.append(fits[0])
    if order != sorted(order):
        yield Explanation("rows-in-another-order", "the rows are right, but in another order")


def _row_off(answer: Answer, expected: AnyArray, given: int, right: int) -> bool:
    alone = replace(
        answer, values=answer.values[given : given + 1], given=answer.given[given : given + 1]
    )
    return bool(off(alone, expected[right : right + 1]).any())
