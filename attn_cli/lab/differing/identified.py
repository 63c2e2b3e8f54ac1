"""What `identify` says of a step that differs: which convention would have made its numbers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from attn_cli.errors import AttnError
from attn_cli.lab.differing.compare import Pair
from attn_cli.lab.differing.result import StepDifference
from attn_cli.lab.identify.asking import identify
from attn_cli.lab.identify.observed import Given
from attn_cli.lab.identify.result import Explanation, Hypothesis, Identified
from attn_cli.lab.variants.variant import Base

MOST = 1 << 22  # numbers of a step: above it `identify` is not asked
_TOO_LARGE = (
    "which has more than 4 million numbers or pairs; it can be, about the problem that is saved"
)
NAMED = 3  # hypotheses of one class that are named


class Answer(NamedTuple):
    """What it says: in words, and whether exactly one other convention explains the step."""

    sentences: tuple[str, ...]
    other: bool


NOTHING = Answer((), other=False)


def asked_about(pair: Pair, step: str) -> Answer:
    """Return what `identify` says of an observed step; nothing if it has no answer."""
    shape = pair.chosen.shapes[step]
    whole = np.arange(pair.problem.n_q)
    pairs = pair.problem.n_q * pair.problem.n_k * (pair.problem.heads or 1)
    if int(np.prod(shape.sizes)) > MOST or pairs > MOST:
        return Answer((f"identify: not asked about {step}, {_TOO_LARGE}",), other=False)
    values = pair.observed.rows((step,), whole)[step]
    try:
        with np.errstate(all="ignore"):  # hypotheses fill hidden scores with the lowest number
            base = Base(pair.problem, pair.model.document)
            found = identify(base, [Given(step, "", values)])
    except AttnError:  # all zero, or a single key: it says nothing about such a step
        return NOTHING
    return _answer(found, step)


def _answer(found: Identified, step: str) -> Answer:
    explaining = found.explaining
    other = found.agrees is False
    if len(explaining) == 1 and not explaining[0].believed:
        (one,) = explaining
        return Answer((f"as identify has it: {_said(one)}; {_how(one, step)}",), other)
    if len(explaining) > 1:
        names = "; or ".join(_said(each) for each in explaining[:NAMED])
        return Answer((f"as identify has it, one of several: {names}",), other)
    if not explaining:
        return Answer(
            (f"identify: none of {found.tried} usual faults and conventions explains {step}",),
            other,
        )
    return NOTHING


def _said(explanation: Explanation) -> str:
    """Return the sentences of a class, and the keys that say the same."""
    names = [_named(each) for each in explanation.hypotheses[:NAMED]]
    more = len(explanation.hypotheses) - NAMED
    return " = ".join(names) + (f" = {more} more" if more > 0 else "")


def _named(hypothesis: Hypothesis) -> str:
    if not hypothesis.changes:
        return hypothesis.sentence
    changes = ", ".join(f"{key}={value}" for key, value in hypothesis.changes.items())
    return f"{hypothesis.sentence} ({changes})"


def _how(explanation: Explanation, step: str) -> str:
    c = "" if explanation.c is None else f", c = {explanation.c:.3f}"
    return f"explains {step} to {explanation.rest:.2f} floors{c}"


def about(pair: Pair, first: StepDifference | None, last: str) -> Answer:
    """Return what is said of the first bug; without one, of the last step, which may hide one."""
    if first is None:
        return asked_about(pair, last) if last else NOTHING
    if first.step in pair.names:
        return asked_about(pair, first.step)
    for step in ("weights", "lse", last):  # of which keys are seen, and of sinks
        if step in pair.names:
            return asked_about(pair, step)
    return NOTHING
