"""A derivation, finished: lines, each a template with its numbers. Views draw it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from attn_cli.dataclass import dataclass
from attn_cli.lab.derivation.arithmetic import Tree, evaluate, parse, present

Number = float | tuple[float, ...]
Slots = Mapping[str, Any]  # name -> a number, or an array with one for each term


@dataclass(frozen=True, kw_only=True)
class Template:
    """One row of the table: how a step is worked out, as text with named slots.

    `when` are facts that must hold; of the rows of a step the first holds. `label` is what text
    calls the line, `symbols` the same arithmetic in letters, `tex` the left side in LaTeX. Of
    `numbers` `<terms>` is the sum of `term` over an axis, and of that `<inner>` the sum of `inner`.
    `then` are the numbers once more, further worked out. In labels and notes `<query>`, `<key>`,
    `<token>`, `<word>` and `<n>` are the words and the dimension of the line.
    """

    step: str
    kind: str  # one of KINDS
    when: tuple[str, ...] = ()
    label: str = ""
    symbols: str = ""
    tex: str = ""
    numbers: str = ""
    term: str = ""
    inner: str = ""
    then: str = ""
    note: str = ""


KINDS = (
    "value", "dot", "times", "plus", "product", "function", "softmax", "normalise", "hidden",
    "weighted_sum", "row",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line: a template, its numbers in full, and the value of the record.

    Arrays among the slots have the terms that are written out: `rest` is the number of the others
    and their sum. `index` has the places along query, key, dimension and so on, `words` what the
    labels call them.
    """

    template: Template
    step: str
    formula: str
    index: Mapping[str, int]
    words: Mapping[str, str]
    slots: Slots
    result: Number
    count: int = 0  # the number of terms that are written out
    rest: tuple[int, float] | None = None
    note: str = ""

    @property
    def tree(self) -> Tree | None:
        """The arithmetic; None if there is none."""
        pattern = present(self.template.numbers, self.slots)
        return parse(pattern) if pattern else None

    @property
    def term(self) -> Tree:
        """The arithmetic of one of the terms."""
        return parse(present(self.template.term, self.slots))

    @property
    def inner(self) -> Tree:
        """The arithmetic of one of the inner terms."""
        return parse(present(self.template.inner, self.slots))

    @property
    def then(self) -> Tree | None:
        """The arithmetic further worked out; None if there is none, or it has no numbers."""
        names = set(self.slots)
        pattern = present(f"[{self.template.then}]", names) if self.template.then else ""
        return parse(pattern) if pattern else None

    def value(self, rounded: Callable[[Any], Any] = np.asarray) -> float:
        """Return what the arithmetic gives with its numbers, each rounded first."""
        assert self.tree is not None  # only lines with arithmetic have a value
        return float(evaluate(self.tree, lambda name: self.slot(name, rounded)))

    def slot(self, name: str, rounded: Callable[[Any], Any] = np.asarray) -> Any:
        """Return the number of a slot, or of each term; `terms` and `inner` are sums."""
        if name == "terms":
            terms = evaluate(self.term, lambda each: self.slot(each, rounded))
            rest = 0.0 if self.rest is None else rounded(self.rest[1])
            return np.sum(np.broadcast_to(terms, (self.count,))) + rest
        if name == "inner":
            return evaluate(self.inner, lambda each: self.slot(each, rounded)).sum(axis=-1)
        return rounded(self.slots[name])


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a row's table: one number for each key, and their sum if it means something."""

    step: str
    heading: str
    values: tuple[float, ...]
    others: float | None = None  # the sum of those that are not shown
    total: float | None = None
    beside: float | None = None  # the exponential of the sink, which has no key


@dataclass(frozen=True, kw_only=True)
class Row(Line):
    """The line of kind `row`: the keys of one query side by side, as columns."""

    heading: str  # of the labels
    labels: tuple[str, ...]  # the keys that are shown, in order
    marked: tuple[int, ...]  # which of them are marked: the key that is explained, or the largest
    columns: tuple[Column, ...]
    others: int = 0  # the number of keys that see the query and are not shown
    hidden: Mapping[str, int]  # reason -> the number of keys that it hides


@dataclass(frozen=True, kw_only=True)
class Derivation:
    """How a number, or a row, comes about. `chosen` says what was chosen because nobody did."""

    command: str
    step: str
    formula: str
    index: Mapping[str, int]  # batch, head, query, key
    lead: tuple[str, ...]  # of batch and head, the axes that the step has
    words: Mapping[str, str]  # query, key
    result: Number
    lines: tuple[Line, ...]
    type: str  # of the numbers
    chosen: str
    settings: Mapping[str, object]
    warnings: tuple[str, ...] = ()
