"""Which keys the queries of a variant see: other schemes, and the same at other positions."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, TypeVar

import numpy as np

from attn_cli.arrays import Bools
from attn_cli.dataclass import replace
from attn_cli.formula import Formula, Words
from attn_cli.lab.variants.variant import Base
from attn_cli.maths.adjustments import Masking
from attn_cli.maths.place import Place
from attn_cli.maths.problem import Problem
from attn_cli.maths.ranges import Ranges
from attn_cli.maths.rules import Rules
from attn_cli.maths.token_positions import TokenPositions
from attn_cli.maths.visible.base import Scheme
from attn_cli.maths.visible.causal import Causal
from attn_cli.maths.visible.user import Mask
from attn_cli.maths.visible.window import Window, Windows

Kind = TypeVar("Kind")


def found(problem: Problem, kind: type[Kind]) -> Kind | None:
    """Return the scheme of a kind, if the problem has one."""
    return next((each for each in problem.rules.schemes if isinstance(each, kind)), None)


def seeing(base: Base, visible: Bools) -> Problem | None:
    """Return the problem in which exactly these keys are seen; None if that changes nothing."""
    if np.array_equal(visible, base.visible):
        return None
    mask = Mask(visible, None, Words("the variant sees it"), hides=not visible.all())
    return with_schemes(base.problem, (mask,))


def with_schemes(problem: Problem, schemes: tuple[Scheme, ...]) -> Problem:
    """Return the problem with other schemes, also in the step that masks."""
    return replace(problem, rules=_of_rules(problem.rules, schemes))


def _of_rules(rules: Rules, schemes: tuple[Scheme, ...]) -> Rules:
    adjustments = [
        replace(each, hides=schemes) if isinstance(each, Masking) else each
        for each in rules.adjustments
    ]
    masks = any(isinstance(each, Masking) for each in adjustments)
    if not masks and schemes:
        adjustments.append(Masking(None, schemes))
    return replace(rules, schemes=schemes, adjustments=tuple(adjustments))


def with_each(problem: Problem, change: Callable[[Scheme], Scheme | None]) -> Problem | None:
    """Return the problem with each scheme changed; without those of which it makes None.

    None if nothing changes.
    """
    changed = [change(each) for each in problem.rules.schemes]
    if all(new is old for new, old in zip(changed, problem.rules.schemes, strict=True)):
        return None
    return with_schemes(problem, tuple(each for each in changed if each is not None))


class Elsewhere:
    """Causal order or a window, for which queries and keys have other positions."""

    reason: ClassVar[str] = "causal"

    def __init__(self, scheme: Causal | Window | Windows, positions: TokenPositions) -> None:
        self._scheme, self._positions = scheme, positions

    @property
    def formula(self) -> Formula:
        """The condition, with the other positions."""
        if isinstance(self._scheme, Windows):
            return self._scheme.formula
        return replace(self._scheme, token_positions=self._positions).formula

    def sees(self, at: Place) -> Bools:
        """Return whether query i sees key j."""
        return self._scheme.sees(self._there(at))

    def reach(self, at: Place, n_k: int) -> Ranges:
        """Return the ranges of keys outside which the queries see none."""
        return self._scheme.reach(self._there(at), n_k)

    def open(self, at: Place, n_k: int) -> Ranges:
        """Return ranges of which each query sees every key."""
        return self._scheme.open(self._there(at), n_k)

    def _there(self, at: Place) -> Place:
        return at._replace(token_positions=self._positions)


class WindowElsewhere(Elsewhere):
    """A window, for which queries and keys have other positions."""

    reason: ClassVar[str] = "window"


def moved(problem: Problem, positions: TokenPositions) -> Problem | None:
    """Return the problem whose causal order and windows use other positions; None without any."""

    def change(scheme: Scheme) -> Scheme:
        if isinstance(scheme, Causal):
            return Elsewhere(scheme, positions)
        return (
            WindowElsewhere(scheme, positions) if isinstance(scheme, Window | Windows) else scheme
        )

    return with_each(problem, change)


def shifted(positions: TokenPositions, by: int) -> TokenPositions:
    """Return the positions with each query further on by so many keys."""
    if positions.query is not None:
        return replace(positions, query=positions.query + by)
    return replace(positions, offsets=tuple(offset + by for offset in positions.offsets))


def mask_of(problem: Problem) -> Mask | None:
    """Return the user's mask, also one that hides nothing."""
    masks = (each.mask for each in problem.rules.adjustments if isinstance(each, Masking))
    return next((mask for mask in masks if mask is not None), None)


def with_mask(problem: Problem, mask: Mask | None) -> Problem:
    """Return the problem with another mask of the user; None: without."""
    kept = tuple(each for each in problem.rules.schemes if not isinstance(each, Mask))
    schemes = kept if mask is None or not mask.hides else (*kept, mask)
    problem = with_schemes(problem, schemes)
    adjustments = tuple(
        replace(each, mask=mask) if isinstance(each, Masking) else each
        for each in problem.rules.adjustments
    )
    return replace(problem, rules=replace(problem.rules, adjustments=adjustments))
