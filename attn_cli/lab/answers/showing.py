"""What an exercise can show: the numbers of each usual mistake, and the mistakes that it hides.

A mistake is hidden if it gives the same numbers in every step, as they are written with some
decimals. Then one number of the problem, or two, or another shape may show it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attn_cli.arrays import AnyArray
from attn_cli.dataclass import dataclass
from attn_cli.lab.answers.parting import DECIMALS, Difference, Exercise, Parting
from attn_cli.lab.variants import Base, Variant, variants_of

WORK = 8_000  # computations in the search of numbers that show hidden mistakes: some seconds


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A mistake that the exercise shows: the first step in which it does, and all that change."""

    name: str
    sentence: str
    kind: str
    first: str
    steps: Mapping[str, AnyArray]  # in the problem's own order of axes


@dataclass(frozen=True, kw_only=True)
class Hidden:
    """A mistake that the exercise cannot show; `parts`: the changes after which it would.

    `shape` says in words with which other shape it would, if no number can show it. Without any of
    these, `searched` says whether the search was given up, or there was nothing to change.
    """

    name: str
    sentence: str
    kind: str
    parts: tuple[Difference, ...] = ()
    shape: str = ""
    searched: str = ""


@dataclass(frozen=True, kw_only=True)
class Mistakes:
    """What each usual mistake would give for an exercise, and which of them it cannot show."""

    command: str
    decimals: int
    right: Mapping[str, AnyArray]
    shown: tuple[Shown, ...]
    hidden: tuple[Hidden, ...]
    warnings: tuple[str, ...] = ()


def mistakes(base: Base, *, command: str = "check", work: float = WORK) -> Mistakes:
    """Return what an exercise shows of each variant that means something for it.

    `work` limits the search, as `Parting` counts it.
    """
    shown: list[Shown] = []
    hidden: list[Variant] = []
    exercise = Exercise(base)
    for variant in variants_of(base):
        changed = exercise.changed(variant)
        if changed is None:
            continue
        if not changed:
            hidden.append(variant)
            continue
        shown.append(
            Shown(
                name=variant.name,
                sentence=variant.said(base),
                kind=variant.kind,
                first=next(iter(changed)),
                steps=changed,
            )
        )
    return Mistakes(
        command=command,
        decimals=DECIMALS,
        right=exercise.right,
        shown=tuple(shown),
        hidden=tuple(_parted(base, hidden, work)),
        warnings=base.record.warnings,
    )


def _parted(base: Base, variants: list[Variant], work: float) -> Iterator[Hidden]:
    """Yield the hidden variants, each with the first changes that show it."""
    found = Parting(base, variants, work)
    for variant in variants:
        name = variant.name
        searched = "no number that is changed by 1, alone or with another, shows it"
        if name not in found.by_numbers:
            searched = "it gives the right numbers for any numbers of the exercise"
        elif found.over:
            searched = f"no number was found in the first {found.tried} changes"
        yield Hidden(
            name=name,
            sentence=variant.said(base),
            kind=variant.kind,
            parts=found.parts.get(name, ()),
            shape=found.shapes.get(name, ""),
            searched="" if name in found.parts or name in found.shapes else searched,
        )
