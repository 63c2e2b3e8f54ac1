"""The changes of an exercise after which a mistake that it hides gives other numbers.

First one number of the inputs changed by +1 or -1, in their order, then two. Numbers that reach a
mistake are found by halves: if random numbers in the place of some inputs do not show it, no number
among them does. If random numbers in the place of all do not, only another shape can.

The search ends after a number of computations, not after a time: one exercise has one answer, on
any machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from attn_cli.arrays import AnyArray
from attn_cli.dataclass import replace
from attn_cli.errors import AttnError, Path, dotted
from attn_cli.lab.altered import rounded
from attn_cli.lab.answers.shapes import other_shapes
from attn_cli.lab.answers.trials import AllSteps
from attn_cli.lab.variants import Base, Variant
from attn_cli.reading.schema import read_problem
from attn_cli.sources.text.scalars import WHOLE, is_number, number

DECIMALS = 4
INPUTS = (
    "embeddings", "memory", "query", "key", "value", "weights", "biases", "scores", "mask",
    "next_word",
)  # fmt: skip
_DRAWS = 2  # of random numbers
_BY = (1.0, -1.0)
_STEPS = 1 << 14  # numbers of steps that take as long as all else in a computation
_INPUTS = 1 << 8  # numbers of inputs, which are read again

Leaf = tuple[Path, float]


class Difference(NamedTuple):
    """A number of the problem file with another value."""

    path: str
    before: float
    after: float


class Exercise:
    """The steps of a problem, and those of its variants that are other numbers."""

    def __init__(self, base: Base) -> None:
        self._base, self._all = base, AllSteps(base)
        self.right = self._all.of(base.problem)
        self._written = {name: rounded(x, DECIMALS) for name, x in self.right.items()}

    def changed(self, variant: Variant) -> dict[str, AnyArray] | None:
        """Return the steps that are other numbers; None if the variant means nothing here."""
        with np.errstate(all="ignore"):  # a mistake may overflow where the right way does not
            problem = variant.of(self._base)
        if problem is None:
            return None
        if problem is self._base.problem:
            return {}
        steps = self._all.of(problem)
        return {name: x for name, x in steps.items() if self._differs(name, x)}

    def _differs(self, name: str, values: AnyArray) -> bool:
        written = rounded(values, DECIMALS)
        return not np.array_equal(written, self._written[name], equal_nan=True)


class Parting:
    """The search for changes that show each of some variants.

    `work` is how many computations of a small exercise or of a variant of it the search may take;
    those of a large one count as several. `tried` counts the changed exercises.
    """

    def __init__(self, base: Base, variants: Sequence[Variant], work: float) -> None:
        self.parts: dict[str, tuple[Difference, ...]] = {}
        self.shapes: dict[str, str] = {}
        self.tried = 0
        self._base, self._work = base, work
        self._left = {variant.name: variant for variant in variants}
        document = base.document
        if document is None or not variants:
            self.by_numbers = frozenset(self._left)
            return
        self._document = document
        leaves = list(_leaves_of(document.tree))
        of_steps = sum(step.values.size for step in base.record.steps.values())
        self._of_one = 1 + of_steps / _STEPS
        self._of_reading = self._of_one + len(leaves) / _INPUTS
        self.by_numbers = frozenset(self._shown_by_random(leaves))
        without = {n: self._left.pop(n) for n in [*self._left] if n not in self.by_numbers}
        self._search_one(leaves)
        self._search_two(leaves)
        self._search_shapes(without)

    def _shown_by_random(self, leaves: Sequence[Leaf]) -> set[str]:
        """Return which of the variants random numbers show in the place of these."""
        names: set[str] = set()
        for seed in range(_DRAWS):
            rng = np.random.default_rng(seed)
            left = [name for name in self._left if name not in names]
            shown = self._shown([(path, _random(path, rng)) for path, _ in leaves], left)
            if shown is None:  # numbers that not every problem can have: none is ruled out
                return {*self._left}
            names.update(shown)
        return names

    def _search_one(self, leaves: Sequence[Leaf]) -> None:
        """Change one of the numbers, in their order."""
        if not self._left or self.over:
            return
        if len(leaves) == 1:
            for by in _BY:
                self._try([(*leaves[0], by)])
            return
        if self._shown_by_random(leaves):
            half = len(leaves) // 2
            self._search_one(leaves[:half])
            self._search_one(leaves[half:])

    def _search_two(self, leaves: Sequence[Leaf]) -> None:
        for one, other in combinations(leaves, 2):
            for by in _BY:
                for by_other in _BY:
                    if not self._left or self.over:
                        return
                    self._try([(*one, by), (*other, by_other)])

    def _try(self, changes: Sequence[tuple[Path, float, float]]) -> None:
        """Note the variants that some changes show."""
        shown = self._shown([(path, value + by) for path, value, by in changes], [*self._left])
        for name in shown or ():
            self.parts[name] = tuple(
                Difference(dotted(path), value, value + by) for path, value, by in changes
            )
            del self._left[name]

    def _shown(self, changes: Sequence[Leaf], names: Sequence[str]) -> list[str] | None:
        """Return which variants the exercise shows after changes; None if it cannot be read so."""
        self.tried += 1
        self._work -= self._of_reading + len(names) * self._of_one
        exercise = self._read(changes)
        if exercise is None:
            return None
        return [name for name in names if exercise.changed(self._left[name])]

    def _search_shapes(self, variants: dict[str, Variant]) -> None:
        for sentence, tree in other_shapes(self._document.tree, self._base.problem):
            if not variants:
                return
            exercise = self._of(tree)
            if exercise is None:
                continue
            for name in [n for n, variant in variants.items() if exercise.changed(variant)]:
                self.shapes[name] = sentence
                del variants[name]

    @property
    def over(self) -> bool:
        """Whether no work is left."""
        return self._work <= 0

    def _read(self, changes: Sequence[Leaf]) -> Exercise | None:
        """Return the exercise with other numbers; None if it cannot be read so."""
        tree: Any = _copied(self._document.tree)
        for path, value in changes:
            place: Any = tree
            for key in path[:-1]:
                place = place[key]
            text = f"{value:.17g}"
            place[path[-1]] = text if WHOLE.fullmatch(text) else repr(value)
        return self._of(tree)

    def _of(self, tree: dict[str, Any]) -> Exercise | None:
        try:
            changed = replace(self._document, tree=tree)
            return Exercise(Base(read_problem(changed), changed))
        except AttnError:
            return None


def _copied(node: Any) -> Any:
    """Return a node whose lists are copies, also those that it has twice: YAML may name a list."""
    if isinstance(node, Mapping):
        return {key: _copied(item) for key, item in node.items()}
    return [_copied(item) for item in node] if isinstance(node, list | tuple) else node


def _random(path: Path, rng: np.random.Generator) -> float:
    """Return a number for an input; masks hold 0 and 1."""
    return float(rng.integers(0, 2)) if path[0] == "mask" else float(rng.normal())


def _leaves_of(tree: Mapping[str, Any]) -> Iterator[Leaf]:
    for key in INPUTS:
        yield from _leaves(tree.get(key), (key,))


def _leaves(node: Any, path: Path) -> Iterator[Leaf]:
    """Yield the numbers of lists, with their paths."""
    if isinstance(node, Mapping):
        for key, item in node.items():
            yield from _leaves(item, (*path, key))
    elif isinstance(node, list | tuple):
        for at, item in enumerate(node):
            yield from _leaves(item, (*path, at))
    elif isinstance(path[-1], int) and is_number(node):
        yield path, number(node, path)
