"""The hypotheses about a problem, each with its problem; those of one problem are one candidate."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from attn_cli.dataclass import replace
from attn_cli.lab.identify.result import Hypothesis
from attn_cli.lab.noise import exactly
from attn_cli.lab.variants import Base, Variant, hypotheses
from attn_cli.maths.problem import Problem

# Parts of a problem that change no number, or its last digit at most.
_SAID = ("conventions", "warnings", "title", "narrow", "tokens_of", "scale_given", "layout")
_ROUNDED = ("placement", "precision")
_LABELS = ("token_labels", "query_tokens", "key_tokens", "cross", "nonfinite")


class Candidate(NamedTuple):
    """Hypotheses that are one problem, to be computed in float64."""

    problem: Problem
    hypotheses: tuple[Hypothesis, ...]
    variants: tuple[Variant, ...] = ()  # those of the hypotheses, to be joined with others


_IGNORED = frozenset((*_SAID, *_LABELS, *_ROUNDED))
_LARGE = 1 << 26  # cells
ITSELF = Hypothesis(name="", sentence="the problem as it is", changes={})


def candidates(base: Base) -> list[Candidate]:
    """Return the problem itself, then one candidate per problem that a hypothesis makes of it."""
    found = [Candidate(base.problem, (ITSELF,))]
    full = _every_query_sees_a_key(base)
    for variant in hypotheses(base):
        varied = base.varied(variant)
        if varied is not None and varied.problem is not base.problem:  # the same by construction
            problem = exactly(varied.problem)
            if full and alike(problem.rules.schemes, base.problem.rules.schemes):
                empty_rows = base.problem.rules.empty_rows  # changes no number
                problem = replace(problem, rules=replace(problem.rules, empty_rows=empty_rows))
            add(found, Candidate(problem, (said(variant, base),), (variant,)))
    return found


def _every_query_sees_a_key(base: Base) -> bool:
    problem = base.problem
    if problem.score.selection is not None:
        return False
    entries = (problem.batch or (1,))[0] * (problem.heads or 1)
    if problem.rules.schemes and entries * problem.n_q * problem.n_k > _LARGE:
        return False
    return not problem.rules.schemes or bool(base.visible.any(axis=-1).all())


def said(variant: Variant, base: Base) -> Hypothesis:
    """Return a variant of a base as a result names it."""
    return Hypothesis(
        name=variant.name,
        sentence=variant.said(base),
        changes=variant.changes(base),
        sources=variant.sources,
    )


def add(found: list[Candidate], new: Candidate) -> None:
    """Add a candidate, to one of the same problem if there is one."""
    key = _key(new.problem)
    for at, each in enumerate(found):
        if _key(each.problem) == key and alike(each.problem, new.problem):
            found[at] = Candidate(
                each.problem, (*each.hypotheses, *new.hypotheses), (*each.variants, *new.variants)
            )
            return
    found.append(new)


def _key(problem: Problem) -> tuple[object, ...]:
    """Return some of what problems must have in common to be alike."""
    rules = problem.rules
    schemes = tuple(each.reason for each in rules.schemes)
    steps = tuple(each.step for each in rules.adjustments)
    named = (rules.normalizer.name, problem.score.name, *schemes, *steps, *problem.altered)
    return (problem.scale, rules.temperature, rules.top_k, problem.key_heads, *named)


def alike(one: Any, other: Any) -> bool:
    """Return whether two problems, or parts of them, are computed in the same way."""
    return one is other or not any(differing(one, other))


def differing(one: Any, other: Any) -> Iterator[str]:
    """Yield the names of the fields in which two values differ; of others than records, one."""
    if one is other:
        return
    if type(one) is not type(other):
        yield "type"
    elif hasattr(one, "_form"):
        for name in one._form.names:
            if name not in _SAID + _LABELS + _ROUNDED and not alike(
                getattr(one, name), getattr(other, name)
            ):
                yield name
    elif not _equal(one, other):
        yield "value"


def _equal(one: Any, other: Any) -> bool:
    """Return whether two values of one type, which are not records, are equal."""
    if isinstance(one, np.ndarray):
        nan = one.dtype.kind == "f"
        return one.shape == other.shape and np.array_equal(one, other, equal_nan=nan)
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, partial):
        return alike((one.func, one.args, one.keywords), (other.func, other.args, other.keywords))
    return bool(one == other)
