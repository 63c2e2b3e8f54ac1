"""Two hypotheses at once: the nearest ones, each with all that change something else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from attn_cli.errors import AttnError
from attn_cli.lab.identify.alike import differing
from attn_cli.lab.identify.candidates import Candidate
from attn_cli.lab.identify.result import Hypothesis
from attn_cli.lab.noise import exactly
from attn_cli.lab.variants import Base
from attn_cli.maths.problem import Problem

NEAREST = 24  # hypotheses that are joined with all others


def pairs(base: Base, nearest: Sequence[Candidate]) -> Iterator[Candidate]:
    """Yield the problems of two hypotheses that change different parts, nearest first."""
    single = [each for each in nearest if each.variants and each.problem is not base.problem]
    changed = [set(_parts(base.problem, each.problem)) for each in single]
    for at, one in enumerate(single[:NEAREST]):
        for other_at in range(at + 1, len(single)):
            other = single[other_at]
            if changed[at].isdisjoint(changed[other_at]):
                problem = _joined(base, one, other)
                if problem is not None:
                    yield Candidate(problem, (_both(one, other),))


def _both(one: Candidate, other: Candidate) -> Hypothesis:
    first, second = one.hypotheses[0], other.hypotheses[0]
    changes = None
    if first.changes is not None and second.changes is not None:
        changes = {**first.changes, **second.changes}
    return Hypothesis(
        name=f"{first.name} and {second.name}",
        sentence=f"{first.sentence}, and {second.sentence}",
        changes=changes,
        sources=(*first.sources, *second.sources),
    )


def _joined(base: Base, one: Candidate, other: Candidate) -> Problem | None:
    """Return the problem of both; None if they cannot be joined."""
    first, second = one.hypotheses[0].changes, other.hypotheses[0].changes
    if first and second:
        found = base.read_with({**first, **second})
        return None if found is None else exactly(found)
    if second:  # keys first: other changes keep what was read
        one, other = other, one
    try:
        with np.errstate(all="ignore"):
            found = other.variants[0].change(Base(one.problem, base.document))
    except (AttnError, AssertionError, ValueError, KeyError, IndexError):
        return None
    return None if found is None else exactly(found)


def _parts(one: Problem, other: Problem) -> Iterator[str]:
    """Yield the names of the parts in which two problems differ."""
    for name in differing(one, other):
        if name == "rules":
            yield from _of_rules(one, other)
        elif name == "altered":
            yield from (f"step {step}" for step in other.altered)
        else:
            yield name


def _of_rules(one: Problem, other: Problem) -> Iterator[str]:
    for name in differing(one.rules, other.rules):
        if name == "adjustments":
            yield from _of_items(
                _by(one.rules.adjustments, "step"), _by(other.rules.adjustments, "step")
            )
        elif name == "schemes":
            yield from _of_items(
                _by(one.rules.schemes, "reason"), _by(other.rules.schemes, "reason")
            )
        else:
            yield name


def _by(items: Sequence[Any], name: str) -> Mapping[str, Any]:
    return {getattr(each, name): each for each in items}


def _of_items(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    for name in {**one, **other}:
        if any(differing(one.get(name), other.get(name))):
            yield name
