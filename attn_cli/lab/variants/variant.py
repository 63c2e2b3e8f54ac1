"""What a variant is: a problem computed in another way, by a usual mistake or another convention.

A variant is a name, a sentence that says what was done, and a change: a function from a problem to
the problem that gives the numbers of that variant, or None if the variant means nothing for it.
If keys of a problem file can say the same, the variant has them too, as `compute --set` takes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from math import prod, sqrt
from typing import Any, NamedTuple

import numpy as np

from attn_cli.arrays import AnyArray, Bools
from attn_cli.conventions.knobs import Plain
from attn_cli.dataclass import replace
from attn_cli.engine.run import run
from attn_cli.errors import AttnError
from attn_cli.lab.altered import Steps, computed, steps_of
from attn_cli.maths.pairs import last_of_scores
from attn_cli.maths.pipeline import pipeline
from attn_cli.maths.place import Place
from attn_cli.maths.problem import Problem, Request
from attn_cli.maths.stage import KEYS, QUERIES, StepSpec
from attn_cli.maths.visible.base import all_of
from attn_cli.reading.schema import read_problem
from attn_cli.record import Record
from attn_cli.sources.matrices.document import Document, Held

SMALL = 1 << 22  # scores of a problem; of more, variants that need all at once are left out


class Base:
    """The problem of which there are variants; its steps are computed once, when they are read.

    `document` is what the problem was read from; without it there are no variants of conventions.
    """

    def __init__(self, problem: Problem, document: Document | None = None) -> None:
        self.problem, self.document = problem, document
        self._varied: dict[str, Base | None] = {}
        self._some: Steps = {}

    @classmethod
    def read(cls, document: Document) -> Base:
        """Return the problem of a document; its files are read once for all variants."""
        document.held = document.held or Held()
        return cls(read_problem(document), document)

    def varied(self, variant: Variant) -> Base | None:
        """Return the base of a variant, made once; None if the variant means nothing here."""
        if variant.name not in self._varied:
            with np.errstate(all="ignore"):  # a mistake may overflow where the right way does not
                problem = variant.change(self)
            self._varied[variant.name] = None if problem is None else Base(problem)
        return self._varied[variant.name]

    def read_with(self, changes: Changes) -> Problem | None:
        """Return the problem with other values of keys, without those of None.

        None if it cannot be read so.
        """
        if self.document is None:
            return None
        changed = replace(
            self.document, tree=_copied(self.document.tree), options=dict(self.document.options)
        )
        try:
            for key, value in changes.items():
                path = tuple(key.split("."))
                if value is None:
                    changed.remove(path)
                else:
                    changed.replace(path, _copied(value), key)
            return read_problem(changed)
        except AttnError:
            return None

    @cached_property
    def specs(self) -> dict[str, StepSpec]:
        """The steps that the problem has, by name."""
        return pipeline(self.problem)

    @cached_property
    def steps(self) -> Steps:
        """The values of all steps, in the order in which they are computed."""
        record = self.record
        return {
            name: computed(self.problem, self.specs[name], step.values)
            for name, step in record.steps.items()
        }

    def step(self, name: str) -> AnyArray:
        """Return the values of one step; if not all are known already, no later ones."""
        if "record" in vars(self):
            return self.steps[name]
        if name not in self._some:
            together = (QUERIES, KEYS)
            names = [name]
            if self.specs[name].scope in together:
                names = [n for n, spec in self.specs.items() if spec.scope in together]
            self._some |= steps_of(self.problem, names)
        return self._some[name]

    @property
    def small(self) -> bool:
        """Whether all scores may be computed for one variant."""
        return prod(self.problem.lead) * self.problem.n_q * self.problem.n_k <= SMALL

    @cached_property
    def record(self) -> Record:
        """The record of all steps, in the problem's own order of axes."""
        return run(self.problem, Request(steps=tuple(self.specs)))

    def shown(self, step: str) -> AnyArray:
        """Return the values of a step in the problem's own order of axes."""
        return self.record.steps[step].values

    @property
    def scores(self) -> AnyArray:
        """The scores as they are normalised."""
        return self.step(last_of_scores(self.problem))

    @cached_property
    def visible(self) -> Bools:
        """Which keys each query sees: (batch entries, heads, n_q, n_k), 1 for axes that are not."""
        problem = self.problem
        batches, heads = (problem.batch or (1,))[0], problem.heads or 1
        i, j = np.arange(problem.n_q), np.arange(problem.n_k)
        found = np.ones((batches, heads, problem.n_q, problem.n_k), dtype=np.bool_)
        for batch in range(batches):
            for head in range(heads):
                at = Place(batch, head, i, j, problem.token_positions)
                found[batch, head] = all_of(problem.rules.schemes, at)
        return found

    @cached_property
    def hides(self) -> bool:
        """Whether a key is hidden; of a large problem, whether anything could hide one."""
        return not self.visible.all() if self.small else bool(self.problem.rules.schemes)

    @cached_property
    def empty_rows(self) -> bool:
        """Whether a query sees no key; of a large problem, whether that could be."""
        if self.small:
            return not self.visible.any(axis=-1).all()
        return bool(self.problem.rules.schemes)

    @property
    def facts(self) -> Mapping[str, str]:
        """The numbers that sentences name."""
        problem = self.problem
        d_k = problem.key.depth if problem.key else 0
        d_model = 0 if problem.embeddings is None else int(problem.embeddings.shape[1])
        d_model = d_model or d_k * (problem.heads or 1)
        numbers = {"d_k": d_k, "sqrt_d_k": sqrt(d_k), "d_model": d_model, "root": sqrt(d_model)}
        return {name: f"{number:.5g}" for name, number in numbers.items()}


def _copied(node: Any) -> Any:
    """Return a node whose mappings are copies; nothing changes its lists and arrays."""
    if isinstance(node, dict):
        return {key: _copied(inner) for key, inner in node.items()}
    return node


Change = Callable[[Base], "Problem | None"]
# Dotted keys of a problem -> their values, as `attn compute --set KEY=VALUE` takes them; None is
# written null, and removes the key.
Changes = Mapping[str, Plain]
MISTAKE, CONVENTION, KERNEL = "mistake", "convention", "kernel"
KINDS = (MISTAKE, CONVENTION, KERNEL)


class Variant(NamedTuple):
    """One variant. `sentence` has slots for `Base.facts`; `sources` tell where it was met.

    `keys` gives the changes of keys that have the same effect, if keys can say it; `needs` says
    in words which problems the variant means something for, empty for all of them.
    """

    name: str
    sentence: str
    change: Change
    sources: tuple[str, ...] = ()
    kind: str = MISTAKE
    keys: Callable[[Base], Changes | None] | None = None
    needs: str = ""

    def of(self, base: Base) -> Problem | None:
        """Return the problem of this variant; None if it means nothing for the problem."""
        return self.change(base)

    def changes(self, base: Base) -> Changes | None:
        """Return the changed keys, as `compute --set` takes them; None if keys cannot say it."""
        return None if self.keys is None else self.keys(base)

    def said(self, base: Base) -> str:
        """Return the sentence, with the numbers of the problem."""
        return self.sentence.format(**base.facts)


def of_keys(
    name: str, sentence: str, keys: Callable[[Base], Changes | None], *, kind: str, **more: Any
) -> Variant:
    """Return a variant that is a change of keys: the problem is read again with them."""

    def changed(base: Base) -> Problem | None:
        changes = keys(base)
        return None if changes is None else base.read_with(changes)

    return Variant(name, sentence, changed, kind=kind, keys=keys, **more)
