"""The position of every query and key: causal order, windows, alibi, relative_bias, rope read it.

    without documents   P_k(j) = j - start,           P_q(i) = i + offset - start
    with documents      P_k(j) = rank(j) - before,    P_q(i) = rank(i) + shift - before

start is the key_start of the batch entry, rank the number of earlier ones of the same id, and
before how many keys of that id are hidden by key_start.
"""

from __future__ import annotations

import itertools
from typing import Any

from tests.conformance.oracle.plain import Axes, axes_of, element

ALIGNMENTS = ("top-left", "bottom-right")
ROWS = ("temporal", "height", "width")


def an_entry(value: Any, b: int) -> Any:
    """The value for batch entry b: of a list, or the one for all."""
    return value[b] if isinstance(value, list) else value


def start(problem: dict[str, Any], b: int) -> int:
    """The first key of the batch entry that is there."""
    return int(an_entry(problem.get("key_start", 0), b))


def length(problem: dict[str, Any], axes: Axes, b: int) -> int:
    """The number of keys of the batch entry, those before its start included."""
    return int(an_entry(problem.get("key_lengths", axes.n_k), b))


def offset(problem: dict[str, Any], axes: Axes, b: int) -> int:
    """Without documents: query i of batch entry b is at the key of index i + offset."""
    if "offset" in problem:
        return int(an_entry(problem["offset"], b))
    if "past" in problem:
        return axes.past
    if problem.get("causal") == "bottom-right":
        return length(problem, axes, b) - axes.n_q
    return 0


def alignment(problem: dict[str, Any]) -> str | None:
    """The alignment that is named, beside causal order or beside documents."""
    documents, causal = problem.get("documents"), problem.get("causal")
    if isinstance(documents, dict) and "alignment" in documents:
        return str(documents["alignment"])
    return causal if isinstance(causal, str) else None


def numbered(cumulative: list[int]) -> list[int]:
    """[0, 2, 2, 3] as [0, 0, 2]: the number of the document of each place."""
    return [d for d, (a, z) in enumerate(itertools.pairwise(cumulative)) for _ in range(a, z)]


def ids(problem: dict[str, Any], axes: Axes, b: int) -> tuple[list[int], list[int]]:
    """The document ids of the queries and of the keys of a batch entry."""
    given = problem["documents"]
    if isinstance(given, dict) and "cu_seqlens_q" in given:
        q, k = given["cu_seqlens_q"], given["cu_seqlens_k"]
        q, k = (ends[b] if axes_of(ends) == 2 else ends for ends in (q, k))
        return numbered(q), numbered(k)
    if isinstance(given, dict):
        of_queries = [element(given["query"], [b, i]) for i in range(axes.n_q)]
        return of_queries, [element(given["key"], [b, j]) for j in range(axes.n_k)]
    of_keys = [element(given, [b, j]) for j in range(axes.n_k)]
    first = 0
    if axes.n_q != axes.n_k and problem.get("causal") == "bottom-right":
        first = length(problem, axes, b) - axes.n_q
    assert 0 <= first <= axes.n_k - axes.n_q, "a query without an id"
    return of_keys[first : first + axes.n_q], of_keys


def rank(of: list[int], n: int) -> int:
    """How many before number n have the same id."""
    return of[:n].count(of[n])


class Documents:
    """The documents of one batch entry."""

    def __init__(self, problem: dict[str, Any], axes: Axes, b: int) -> None:
        self.queries, self.keys = ids(problem, axes, b)
        self.start, self.end = start(problem, b), length(problem, axes, b)

    def before(self, d: int) -> int:
        """How many keys of a document are hidden by key_start."""
        return self.keys[: self.start].count(d)

    def there(self, d: int) -> int:
        """How many keys of a document are neither before key_start nor beyond key_lengths."""
        return self.keys[self.start : self.end].count(d)

    def first(self, d: int, alignment: str) -> int:
        """The position of the first query of a document.

        The first query is at the first key, or the last query at the last key that is there.
        """
        if alignment == "top-left":
            return -self.before(d)
        return self.there(d) - self.queries.count(d)

    def agree(self) -> bool:
        """Whether every alignment gives the same positions to queries that have a key."""
        with_both = {d for d in self.queries if self.there(d)}
        return all(len({self.first(d, name) for name in ALIGNMENTS}) == 1 for d in with_both)

    def query(self, i: int, alignment: str) -> int:
        """P_q(i)."""
        return rank(self.queries, i) + self.first(self.queries[i], alignment)

    def key(self, j: int) -> int:
        """P_k(j)."""
        return rank(self.keys, j) - self.before(self.keys[j])

    def last(self) -> int:
        """The largest position of a key, also of one beyond key_lengths."""
        return max(map(self.key, range(len(self.keys))))


class Positions:
    """P_q, P_k and the position of the last key, of every batch entry."""

    def __init__(self, problem: dict[str, Any], axes: Axes) -> None:
        entries = range(axes.batch)
        self.documents: list[Documents] = []
        if "documents" in problem:
            self.documents = [Documents(problem, axes, b) for b in entries]
        self.starts = [start(problem, b) for b in entries]
        self.offsets = [offset(problem, axes, b) for b in entries]
        self.alignment = alignment(problem) or ALIGNMENTS[0]
        self.n_k = axes.n_k

    def query(self, b: int, i: int) -> int:
        """P_q(i) of batch entry b."""
        if self.documents:
            return self.documents[b].query(i, self.alignment)
        return i + self.offsets[b] - self.starts[b]

    def key(self, b: int, j: int) -> int:
        """P_k(j) of batch entry b."""
        return self.documents[b].key(j) if self.documents else j - self.starts[b]

    def last(self, b: int) -> int:
        """What the form last_key of alibi counts from."""
        return self.documents[b].last() if self.documents else self.n_k - 1 - self.starts[b]


def of_side(given: Any, side: str) -> Any:
    """Positions as the user gives them, for one side: {query:, key:}, or one for both."""
    return given[side] if isinstance(given, dict) and side in given else given


class Given:
    """Positions that a bias is given, in the place of `Positions`."""

    def __init__(self, given: Any, axes: Axes) -> None:
        self.given, self.n_k = given, axes.n_k

    def query(self, b: int, i: int) -> int:
        """The position of query i of batch entry b."""
        return int(element(of_side(self.given, "query"), [b, i]))

    def key(self, b: int, j: int) -> int:
        """The position of key j of batch entry b."""
        return int(element(of_side(self.given, "key"), [b, j]))

    def last(self, b: int) -> int:
        """The largest position of a key."""
        return max(self.key(b, j) for j in range(self.n_k))


def three_rows(values: Any, b: int, n: int) -> list[int]:
    """The temporal, height and width position of number n, from any form of three rows."""
    if isinstance(values, dict):
        return [element(values[name], [b, n]) for name in ROWS]
    if axes_of(values) == 2:
        return [row[n] for row in values]
    if len(values) == 3:
        return [row[b][n] for row in values]
    return [row[n] for row in values[b]]
