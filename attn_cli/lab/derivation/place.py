"""One query of a head and its keys in the record of a computation: the source of all numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from attn_cli.arrays import AnyArray, Array, Bools
from attn_cli.dataclass import dataclass
from attn_cli.maths.pairs import last_of_scores
from attn_cli.maths.place import Place
from attn_cli.maths.problem import Problem
from attn_cli.maths.rules import KINDS
from attn_cli.maths.select import k_largest
from attn_cli.maths.stage import StepSpec
from attn_cli.maths.visible.base import REASONS, Lead
from attn_cli.record import Labels, Numbered, Record


@dataclass(frozen=True)
class Query:
    """A query row of a head of a batch entry, with a record of it; `record` has no other row."""

    problem: Problem
    specs: Mapping[str, StepSpec]
    record: Record
    batch: int
    head: int
    i: int
    pooled_rows: Array | None = None  # the rows that the next-word head pools

    @property
    def lead(self) -> Lead:
        """The indices of the batch entry and the head, of those that there are."""
        problem = self.problem
        entry = (self.batch,) * len(problem.batch)
        return entry if problem.heads is None else (*entry, self.head)

    def query_word(self, at: int) -> str:
        """Return the label of a query: its word, with its position if the word is there twice."""
        return _placed(self.problem.query_tokens, at, self._query_words)

    def key_word(self, at: int) -> str:
        """Return the label of a key."""
        return _placed(self.problem.key_tokens, at, self._key_words)

    def token_word(self, at: int) -> str:
        """Return the label of a row of the embeddings."""
        labels = self.problem.token_labels
        return _placed(labels, at, _counted(labels))

    @cached_property
    def _query_words(self) -> Counter[str]:
        return _counted(self.problem.query_tokens)

    @cached_property
    def _key_words(self) -> Counter[str]:
        return _counted(self.problem.key_tokens)

    def has(self, step: str) -> bool:
        """Return whether the record has a step."""
        return step in self.record.steps

    def at(self, step: str, key: int | None = None, token: int | None = None) -> Any:
        """Return the values of a step for this query, and for one key or token: the other axes."""
        found = self.record.steps[step]
        values: AnyArray = found.values
        index: list[Any] = []
        for axis in found.axes:
            if axis == "query":
                index.append(0)
            elif axis == "key" and key is not None:
                index.append(key - self.first(step))
            elif axis == "token":
                index.append(token)
            else:
                index.append(slice(None))
        return values[tuple(index)].astype(np.float64)

    def of_keys(self, step: str, n: int) -> Array:
        """Return one dimension of all keys of a step."""
        found = self.record.steps[step]
        index = tuple(n if axis == "dimension" else slice(None) for axis in found.axes)
        values: Array = found.values[index].astype(np.float64)
        return values

    def first(self, step: str) -> int:
        """Return the number of the first key that a step has: with a past, `k` has the new ones."""
        problem = self.problem
        return problem.n_k - problem.value.count if self.specs[step].new_keys else 0

    @property
    def place(self) -> Place:
        """The query against all keys, for masks and biases."""
        problem, i = self.problem, np.array([self.i])
        return Place(self.batch, self.head, i, np.arange(problem.n_k), problem.token_positions)

    @cached_property
    def codes(self) -> Array:
        """The code of the reason why each key is hidden, 0 if it is not."""
        if not self.has("visible"):
            return np.zeros(self.problem.n_k)
        return np.asarray(self.at("visible"))

    @cached_property
    def last(self) -> Array:
        """The scores of the row as they are normalised."""
        return np.asarray(self.at(last_of_scores(self.problem)))

    @cached_property
    def seen(self) -> Bools:
        """Which keys take part; behind a finite fill hidden ones do."""
        rules = self.problem.rules
        if rules.hides_permanently:
            return np.asarray(self.codes == 0)
        seen = ~np.isneginf(self.last)
        if rules.top_k is not None:
            seen = k_largest(self.last[None], seen[None], rules.top_k)[0]
        return seen

    @cached_property
    def empty(self) -> str:
        """What the weights of a row without a visible key are; empty if it sees one."""
        lonely = np.array([not bool((self.codes == 0).any())])
        kind = KINDS[int(self.problem.rules.kinds(lonely, self.place)[0])]
        return "" if kind in {"seen", "fill"} else kind

    def reason(self, key: int) -> str:
        """Return why a key is hidden; empty if it is not."""
        code = int(self.codes[key])
        return REASONS[code] if code else ""


def _counted(labels: Labels) -> Counter[str]:
    """Return how often each label is there; numbers are there once."""
    return Counter() if isinstance(labels, Numbered) else Counter(labels)


def _placed(labels: Labels, at: int, count: Counter[str]) -> str:
    return f"{labels[at]} ({at})" if count[labels[at]] > 1 else labels[at]
