"""The hypotheses about a problem, each with its problem; those of one problem are one candidate."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from attn_cli.lab.identify.alike import alike
from attn_cli.lab.identify.result import Hypothesis
from attn_cli.lab.identify.same import Same
from attn_cli.lab.noise import exactly
from attn_cli.lab.variants import Base, Variant, hypotheses
from attn_cli.maths.problem import Problem


class Candidate(NamedTuple):
    """Hypotheses that are one problem, to be computed in float64."""

    problem: Problem
    hypotheses: tuple[Hypothesis, ...]
    variants: tuple[Variant, ...] = ()  # those of the hypotheses, to be joined with others


ITSELF = Hypothesis(name="", sentence="the problem as it is", changes={})


def candidates(base: Base, observed: Collection[str] = ()) -> list[Candidate]:
    """Return the problem itself, then one candidate per problem that a hypothesis makes of it.

    Problems that differ in nothing from which the `observed` steps are computed are one candidate.
    """
    found = _Found(Candidate(base.problem, (ITSELF,)))
    same = Same(base, observed)
    for variant in hypotheses(base):
        varied = base.varied(variant)
        if varied is not None and varied.problem is not base.problem:  # the same by construction
            problem = same.as_base(exactly(varied.problem))
            found.add(Candidate(problem, (said(variant, base),), (variant,)))
    return found.candidates


def said(variant: Variant, base: Base) -> Hypothesis:
    """Return a variant of a base as a result names it."""
    return Hypothesis(
        name=variant.name,
        sentence=variant.said(base),
        changes=variant.changes(base),
        sources=variant.sources,
    )


class _Found:
    """Candidates, in order; hypotheses of one problem are one."""

    def __init__(self, first: Candidate) -> None:
        self.candidates: list[Candidate] = []
        self._places: dict[tuple[object, ...], list[int]] = {}
        self.add(first)

    def add(self, new: Candidate) -> None:
        """Add a candidate, to one of the same problem if there is one."""
        places = self._places.setdefault(_key(new.problem), [])
        for at in places:
            each = self.candidates[at]
            if alike(each.problem, new.problem):
                self.candidates[at] = Candidate(
                    each.problem,
                    (*each.hypotheses, *new.hypotheses),
                    (*each.variants, *new.variants),
                )
                return
        places.append(len(self.candidates))
        self.candidates.append(new)


def _key(problem: Problem) -> tuple[object, ...]:
    """Return some of what problems must have in common to be alike."""
    rules = problem.rules
    schemes = tuple(each.reason for each in rules.schemes)
    steps = tuple((each.step, getattr(each, "fill", 0)) for each in rules.adjustments)
    names = (rules.normalizer.name, problem.score.name)
    numbers = (problem.scale, rules.temperature, rules.top_k, problem.key_heads)
    return (*names, *numbers, schemes, steps, tuple(problem.altered))
