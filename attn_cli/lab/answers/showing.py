"""What an exercise can show: the numbers of each usual mistake, and the mistakes that it hides.

A mistake is hidden if it gives the same numbers in every step, as they are written with some
decimals. Then one number of the problem, or two, changed by 1 may part it from the right answer.
If it gives the same numbers with random inputs too, no number can: then another shape may.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from itertools import chain, combinations
from time import monotonic
from typing import Any, NamedTuple

import numpy as np

from attn_cli.arrays import AnyArray
from attn_cli.dataclass import dataclass, replace
from attn_cli.errors import AttnError, Path, dotted
from attn_cli.lab.altered import rounded
from attn_cli.lab.variants import Base, Variant, variants_of
from attn_cli.maths.stage import CODE
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.document import Document
from attn_cli.sources.text.scalars import WHOLE, is_number, number

DECIMALS = 4
SECONDS = 5.0  # for the search of numbers that part hidden mistakes
INPUTS = (
    "embeddings", "memory", "query", "key", "value", "weights", "biases", "scores", "mask",
    "next_word",
)  # fmt: skip
DRAWS = 2  # of random inputs


class Difference(NamedTuple):
    """A number of the problem file with another value."""

    path: str
    before: float
    after: float


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

    `shape` says in words with which other shape it would, if no number can part it. Without any of
    these, `searched` says whether the time was not enough, or there was nothing to change.
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


def mistakes(base: Base, *, command: str = "check", seconds: float = SECONDS) -> Mistakes:
    """Return what an exercise shows of each variant that means something for it."""
    shown: list[Shown] = []
    hidden: list[Variant] = []
    for variant in variants_of(base):
        changed = _changed(base, variant)
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
    right = {
        name: base.shown(name)
        for name, spec in base.specs.items()
        if spec.stage.role != CODE and not spec.stage.aside
    }
    return Mistakes(
        command=command,
        decimals=DECIMALS,
        right=right,
        shown=tuple(shown),
        hidden=tuple(_parted(base, hidden, seconds)),
        warnings=base.record.warnings,
    )


def _changed(base: Base, variant: Variant) -> dict[str, AnyArray] | None:
    """Return the steps of a variant that are other numbers; None if it means nothing here."""
    varied = base.varied(variant)
    if varied is None:
        return None
    return {
        name: varied.shown(name)
        for name, spec in base.specs.items()
        if spec.stage.role != CODE and not spec.stage.aside and name in varied.specs
        if _differ(varied.shown(name), base.shown(name))
    }


def _differ(one: AnyArray, other: AnyArray) -> bool:
    if one.shape != other.shape:
        return True
    return not np.array_equal(rounded(one, DECIMALS), rounded(other, DECIMALS), equal_nan=True)


def _parted(base: Base, variants: list[Variant], seconds: float) -> Iterator[Hidden]:
    """Yield the hidden variants, each with the first changes that part it."""
    until = monotonic() + seconds
    by_numbers = _with_random_inputs(base, variants)
    found, in_time = _by_numbers(base, [v for v in variants if v.name in by_numbers], until)
    shapes = _by_shape(base, [v for v in variants if v.name not in by_numbers])
    for variant in variants:
        searched = "no number that was changed by 1, alone or with another, parts it"
        if variant.name not in by_numbers:
            searched = "it gives the right numbers whatever the numbers of the exercise are"
        elif not in_time:
            searched = f"no number was found in {seconds:g} s"
        parted = variant.name in found or variant.name in shapes
        yield Hidden(
            name=variant.name,
            sentence=variant.said(base),
            kind=variant.kind,
            parts=found.get(variant.name, ()),
            shape=shapes.get(variant.name, ""),
            searched="" if parted else searched,
        )


def _with_random_inputs(base: Base, variants: list[Variant]) -> set[str]:
    """Return the names of the variants that some numbers may part: random ones do."""
    left = {variant.name: variant for variant in variants}
    names: set[str] = set()
    if base.document is None:
        return names
    for seed in range(DRAWS if left else 0):
        rng = np.random.default_rng(seed)
        changes = tuple(
            (path, Difference(dotted(path), value, _random(path, rng)))
            for path, value in _numbers(base.document.tree)
        )
        changed = _read(base.document, changes)
        if changed is None:  # numbers that not every problem can have: none is ruled out
            return {*left, *names}
        names |= {name for name, variant in left.items() if _changed(changed, variant)}
        left = {name: variant for name, variant in left.items() if name not in names}
    return names


def _random(path: Path, rng: np.random.Generator) -> float:
    """Return a number for an input; masks hold 0 and 1."""
    return float(rng.integers(0, 2)) if path[0] == "mask" else float(rng.normal())


def _by_numbers(
    base: Base, variants: list[Variant], until: float
) -> tuple[dict[str, tuple[Difference, ...]], bool]:
    """Return the first changes that part each variant, and whether all were tried in time."""
    left = {variant.name: variant for variant in variants}
    found: dict[str, tuple[Difference, ...]] = {}
    for changes in _changes(base.document):
        if not left:
            break
        if monotonic() > until:
            return found, False
        changed = _read(base.document, changes)
        if changed is None:
            continue
        for name in [n for n, v in left.items() if _changed(changed, v)]:
            found[name] = tuple(change for _, change in changes)
            del left[name]
    return found, True


def _by_shape(base: Base, variants: list[Variant]) -> dict[str, str]:
    """Return, for each variant, the first other shape with which it gives other numbers."""
    from attn_cli.lab.answers.shapes import other_shapes

    left = {variant.name: variant for variant in variants}
    found: dict[str, str] = {}
    if base.document is None:
        return found
    for sentence, tree in other_shapes(base.document.tree, base.problem) if left else ():
        changed = _of_tree(base.document, tree)
        if changed is None:
            continue
        for name in [n for n, v in left.items() if _changed(changed, v)]:
            found[name] = sentence
            del left[name]
    return found


Change = tuple[Path, Difference]


def _changes(document: Document | None) -> Iterator[tuple[Change, ...]]:
    """Yield single numbers of the inputs changed by +1 or -1, then pairs of them."""
    if document is None:
        return
    single = [
        (path, Difference(dotted(path), value, value + step))
        for path, value in _numbers(document.tree)
        for step in (1.0, -1.0)
    ]
    pairs = (pair for pair in combinations(single, 2) if pair[0][0] != pair[1][0])
    yield from chain(((change,) for change in single), pairs)


def _numbers(tree: Mapping[str, Any]) -> Iterator[tuple[Path, float]]:
    for key in INPUTS:
        yield from _leaves(tree.get(key), (key,))


def _leaves(node: Any, path: Path) -> Iterator[tuple[Path, float]]:
    if isinstance(node, Mapping):
        for key, item in node.items():
            yield from _leaves(item, (*path, key))
    elif isinstance(node, list | tuple):
        for at, item in enumerate(node):
            yield from _leaves(item, (*path, at))
    elif len(path) > 1 and is_number(node):
        yield path, number(node, path)


def _read(document: Document | None, changes: tuple[Change, ...]) -> Base | None:
    """Return the problem with other numbers; None if it cannot be read so."""
    assert document is not None
    tree = deepcopy(document.tree)
    for path, change in changes:
        place: Any = tree
        for key in path[:-1]:
            place = place[key]
        text = f"{change.after:.17g}"
        place[path[-1]] = text if WHOLE.fullmatch(text) else repr(change.after)
    return _of_tree(document, tree)


def _of_tree(document: Document, tree: dict[str, Any]) -> Base | None:
    """Return the problem of other keys; None if it cannot be read so."""
    try:
        changed = replace(document, tree=tree)
        return Base(read_problem(changed), changed)
    except AttnError:
        return None
