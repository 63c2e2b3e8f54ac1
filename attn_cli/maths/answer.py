"""The answer to the question that a problem asks: the key `answer` of a problem file.

    word       the word of the largest probability of next_word
    attended   the key with the largest weight of a query; the mean over the heads counts
    kept       the keys that receive the largest sums of weights, the sum over all other queries of
               the mean over the heads; in the order of the text

Of equal numbers the first counts. The weights are read while they are computed: `kept` adds up the
rows, `attended` holds the rows of the queries that it reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from attn_cli.arrays import Array, Integers
from attn_cli.dataclass import dataclass, replace
from attn_cli.errors import AttnError, printable
from attn_cli.maths.next_word import chosen
from attn_cli.record import Choice, Labels

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True)
class ReadWord:
    """The likeliest next word; the weights of the pooled rows tell which words decided it."""

    pooled: int | None  # the row that is pooled; None: the mean of all

    reads = ("weights", "probabilities")

    @property
    def of_one(self) -> bool:
        """Whether the answer is one word, not a list."""
        return True

    @property
    def settings(self) -> Mapping[str, object]:
        """What is read, as a problem file has it; tokens by their numbers."""
        return {"read": "word"}

    def rows(self, n_q: int) -> Integers:
        """Return the queries whose weights are read."""
        return np.arange(n_q) if self.pooled is None else np.array([self.pooled], dtype=np.intp)

    def held(self, _: int, n_k: int) -> int:
        """Return how many numbers of a batch entry are held until all are read."""
        return n_k

    def tally(self, n_q: int, n_k: int, heads: int) -> Tally:
        """Return what adds up the weights of the pooled rows."""
        return Received(self.rows(n_q), n_k, heads)

    def choices(self, found: Found, words: Choice | None) -> Iterator[Choice]:
        """Yield the word that the next-word head chose, with the weight of each key."""
        if words is not None:
            paid = found.weights / len(found.rows)
            yield replace(words, attention=tuple(_named(found.key_tokens, paid)))


@dataclass(frozen=True)
class ReadAttended:
    """The key that a query attends to most: of `query`, or of every query if that is None."""

    query: int | None
    among: tuple[int, ...] | None  # the keys that can be the answer; None: all

    reads = ("weights",)

    @property
    def of_one(self) -> bool:
        """Whether the answer is one word, not a list."""
        return self.query is not None

    @property
    def settings(self) -> Mapping[str, object]:
        """What is read, as a problem file has it; tokens by their numbers."""
        return {
            "read": "attended",
            "query": "all" if self.query is None else self.query,
            "among": None if self.among is None else list(self.among),
        }

    def rows(self, n_q: int) -> Integers:
        """Return the queries whose weights are read."""
        return np.arange(n_q) if self.query is None else np.array([self.query], dtype=np.intp)

    def held(self, n_q: int, n_k: int) -> int:
        """Return how many numbers of a batch entry are held until all are read."""
        return len(self.rows(n_q)) * n_k

    def tally(self, n_q: int, n_k: int, heads: int) -> Tally:
        """Return what holds the weights of the queries that are read."""
        return Rows(self.rows(n_q), n_k, heads)

    def choices(self, found: Found, words: Choice | None) -> Iterator[Choice]:
        """Yield the key with the largest weight, for each query that is read."""
        del words
        keys = range(len(found.key_tokens)) if self.among is None else self.among
        for row, weights in zip(found.rows, found.weights, strict=True):
            asked = found.query_tokens[int(row)]
            if not weights[list(keys)].any():
                raise _without_answer(asked, among=self.among is not None)
            names = [found.key_tokens[at] for at in keys]
            yield chosen(asked, names, weights[list(keys)], found.top, _ATTENDED)


@dataclass(frozen=True)
class ReadKept:
    """The keys that receive most, as many as `keep`. Queries and keys are the same tokens."""

    keep: int

    reads = ("weights",)

    @property
    def of_one(self) -> bool:
        """Whether the answer is one word, not a list."""
        return False

    @property
    def settings(self) -> Mapping[str, object]:
        """What is read, as a problem file has it; tokens by their numbers."""
        return {"read": "kept", "keep": self.keep}

    def rows(self, n_q: int) -> Integers:
        """Return the queries whose weights are read."""
        return np.arange(n_q)

    def held(self, _: int, n_k: int) -> int:
        """Return how many numbers of a batch entry are held until all are read."""
        return n_k

    def tally(self, n_q: int, n_k: int, heads: int) -> Tally:
        """Return what adds up the weights that other queries give."""
        return Received(self.rows(n_q), n_k, heads, of_others=True)

    def choices(self, found: Found, words: Choice | None) -> Iterator[Choice]:
        """Yield the kept keys in their order, each with its sum and the largest that is not kept.

        The last one has the ranking of all keys.
        """
        del words
        received = found.weights
        order = np.argsort(-received, kind="stable")
        kept, rest = sorted(order[: self.keep].tolist()), order[self.keep :]
        ranked = [(found.key_tokens[at], float(received[at])) for at in order]
        last = received[order[self.keep - 1]]
        doubt = ""
        if len(rest) and received[rest[0]] == last:
            words_ = f"'{ranked[self.keep - 1][0]}' and '{ranked[self.keep][0]}'"
            doubt = f"{words_} receive the same sum of weights, and the first is kept"
        for at in kept:
            value = float(received[at])
            beaten = float(received[rest[0]]) if len(rest) else None
            yield Choice(
                asked="kept",
                answer=found.key_tokens[at],
                value=value,
                runner_up=ranked[self.keep][0] if beaten is not None else None,
                margin=None if beaten is None else value - beaten,
                ranking=tuple(ranked[: max(found.top, self.keep)]) if at == kept[-1] else (),
                doubt=doubt if at == kept[-1] else "",
            )


Answer = ReadWord | ReadAttended | ReadKept


@dataclass(frozen=True)
class Found:
    """What a rule has read of one batch entry: the weights of its tally."""

    rows: Integers
    weights: Array
    query_tokens: Labels
    key_tokens: Labels
    top: int


class Tally(Protocol):
    """Collects weights of one batch entry, the mean over its heads, while they are computed."""

    weights: Array

    def add(self, rows: Integers, keys: slice, weights: Array) -> None:
        """Add a block of one head: its queries, the range of its keys, and its weights."""
        ...


class Rows:
    """The rows of some queries, (queries, n_k)."""

    def __init__(self, rows: Integers, n_k: int, heads: int) -> None:
        self.weights: Array = np.zeros((len(rows), n_k))
        self._rows, self._heads = rows, heads

    def add(self, rows: Integers, keys: slice, weights: Array) -> None:
        """Add a block of one head."""
        read = np.isin(rows, self._rows)
        targets = np.searchsorted(self._rows, rows[read])
        self.weights[targets, keys] += weights[read].astype(np.float64) / self._heads


class Received:
    """The sums of the rows of some queries, (n_k); `of_others`: no key counts for itself."""

    def __init__(self, rows: Integers, n_k: int, heads: int, *, of_others: bool = False) -> None:
        self.weights: Array = np.zeros(n_k)
        self._rows, self._heads, self._of_others = rows, heads, of_others

    def add(self, rows: Integers, keys: slice, weights: Array) -> None:
        """Add a block of one head."""
        read = np.isin(rows, self._rows)
        part = weights[read].astype(np.float64)
        if self._of_others:
            part[rows[read, None] == np.arange(keys.start, keys.stop)] = 0
        self.weights[keys] += part.sum(axis=0) / self._heads


def _without_answer(asked: str, *, among: bool) -> AttnError:
    """Return the error for a query that attends to none of the keys that can be the answer."""
    which = "none of the keys in answer.among" if among else "no key"
    return AttnError(
        f"'{printable(asked)}' attends to {which}: its weights are 0, and so it has no answer",
        path=("answer", "query"),
        help="let it see such a key, name another token in answer.query, or leave answer out",
    )


_ATTENDED = ("'{asked}' attends to nothing: its weights are not finite",
             "'{asked}' attends to '{best}' and '{second}' alike")  # fmt: skip


def _named(names: Labels, values: Array) -> Iterator[tuple[str, float]]:
    return ((name, float(value)) for name, value in zip(names, values, strict=True))
