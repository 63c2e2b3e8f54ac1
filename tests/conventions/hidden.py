"""Where a query stands, and which keys are hidden from it, and why."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tests.conventions.plain import Axes, Heads, axes_of, element

CAUSAL, WINDOW, LENGTH, DOCUMENT, SPARSE, USER, TOP_K = range(1, 8)
MASKING = ("window", "key_lengths", "documents", "mask")


def an_entry(value: Any, b: int) -> Any:
    """The value for batch entry b: of a list, or the one for all."""
    return value[b] if isinstance(value, list) else value


def offset(problem: dict[str, Any], axes: Axes, b: int) -> int:
    """Query i of batch entry b stands at i + offset."""
    if "offset" in problem:
        return int(an_entry(problem["offset"], b))
    if "past" in problem:
        return axes.past
    if problem.get("causal") == "bottom-right":
        return int(an_entry(problem.get("key_lengths", axes.n_k), b)) - axes.n_q
    return 0


class User:
    """The mask of the problem: what it hides, and what it adds elsewhere.

    A mask that is shorter than the keys hides the rest.
    """

    def __init__(self, problem: dict[str, Any], axes: Axes) -> None:
        self.axes = axes
        mask = problem.get("mask", [[0.0]])
        given = mask if isinstance(mask, dict) else {"values": mask}
        self.values = given["values"]
        self.true_means = given.get("true_means")
        row = self.values
        while axes_of(row) > 1:
            row = row[0]
        self.width = axes.n_k if len(row) == 1 else len(row)

    def number(self, b: int, h: int, i: int, j: int) -> float:
        """What is added to the score: -infinity hides."""
        if j >= self.width:
            return -math.inf
        value = element(self.values, self.axes.index(b, h, i, j))
        if self.true_means is None:
            return float(value)
        return 0.0 if bool(value) == (self.true_means == "attend") else -math.inf

    def hides(self, b: int, h: int, i: int, j: int) -> bool:
        """Whether query i may not see key j."""
        return self.number(b, h, i, j) == -math.inf


class Hidden:
    """Whether key j is hidden from query i, by each of the reasons."""

    def __init__(self, problem: dict[str, Any], axes: Axes) -> None:
        self.problem, self.axes = problem, axes
        self.user = User(problem, axes)
        self.offsets = [offset(problem, axes, b) for b in range(axes.batch)]
        self.reasons: dict[int, Callable[[int, int, int, int], bool]] = {
            CAUSAL: self.causal,
            WINDOW: self.window,
            LENGTH: self.length,
            DOCUMENT: self.document,
            USER: self.user.hides,
        }
        """Every reason that does not depend on scores."""

    @property
    def by_mask(self) -> bool:
        """Whether the problem has the stage mask: hides anything but by `sparse` and `top_k`."""
        return bool(self.problem.get("causal")) or any(key in self.problem for key in MASKING)

    def position(self, b: int, i: int) -> int:
        """p(b, i)."""
        return i + self.offsets[b]

    def causal(self, b: int, h: int, i: int, j: int) -> bool:
        """The future, but for the prefix."""
        if not self.problem.get("causal") or j < self.problem.get("prefix", 0):
            return False
        return j > self.position(b, i)

    def window(self, b: int, h: int, i: int, j: int) -> bool:
        """Further back than `left` or further on than `right`; -1 is no bound.

        A prefix is exempt from both, sink tokens from the first.
        """
        window = self.problem.get("window")
        if window is None or j < self.problem.get("prefix", 0):
            return False
        if "keys" in window:
            window = {"left": window["keys"] - 1, "right": 0}
        left, right = window.get("left", -1), window.get("right", -1)
        p = self.position(b, i)
        before = left != -1 and j < p - left and j >= self.problem.get("sink_tokens", 0)
        return bool(before or (right != -1 and j > p + right))

    def length(self, b: int, h: int, i: int, j: int) -> bool:
        """Beyond the keys that the batch entry has."""
        return j >= int(an_entry(self.problem.get("key_lengths", self.axes.n_k), b))

    def document(self, b: int, h: int, i: int, j: int) -> bool:
        """Of another document than the query, which is of that of the key where it stands."""
        documents = self.problem.get("documents")
        if documents is None:
            return False
        if isinstance(documents, dict):
            query = element(documents["query"], [b, i])
            return bool(query != element(documents["key"], [b, j]))
        p = self.position(b, i)
        assert 0 <= p < self.axes.n_k, "a query that stands at no key has no document"
        return bool(element(documents, [b, p]) != element(documents, [b, j]))

    def otherwise(self, b: int, h: int, i: int, j: int) -> bool:
        """Whether any reason hides that does not depend on scores."""
        return any(hides(b, h, i, j) for hides in self.reasons.values())

    def code(self, sparse: bool, b: int, h: int, i: int, j: int) -> int:
        """The first reason that hides, 0 where none does; `sparse`: whether that score does."""
        reasons = {n for n, hides in self.reasons.items() if hides(b, h, i, j)}
        return min(reasons | ({SPARSE} if sparse else set()), default=0)


def selected(score: dict[str, Any], i: int, j: int) -> bool:
    """Whether the score `sparse` selects (i, j), its top_k aside."""
    return (
        [i, j] in [list(pair) for pair in score.get("pairs", [])]
        or ("window" in score and abs(i - j) <= score["window"])
        or ("stride" in score and (i - j) % score["stride"] == 0)
        or ("block" in score and i // score["block"] == j // score["block"])
        or ("global_tokens" in score and min(i, j) < score["global_tokens"])
    )


def reaches(row: list[float], taking_part: list[bool], k: int) -> list[bool]:
    """Which of those that take part are at least as large as the k-th largest of them."""
    ranked = sorted((s for s, part in zip(row, taking_part, strict=True) if part), reverse=True)
    least = ranked[:k][-1] if ranked else math.inf
    return [part and s >= least for s, part in zip(row, taking_part, strict=True)]


def is_sparse(problem: dict[str, Any]) -> bool:
    """Whether the score function is `sparse`."""
    score = problem.get("score")
    return (score["function"] if isinstance(score, dict) else score) == "sparse"


def not_selected(problem: dict[str, Any], axes: Axes, hidden: Hidden, scores: Heads) -> Any:
    """[batch][head][query][key]: whether the score `sparse` leaves the pair out.

    Its top_k ranks the keys that nothing else hides.
    """
    if not is_sparse(problem):
        return axes.pairs(lambda b, h, i, j: False)
    score = problem["score"]

    def row(b: int, h: int, i: int) -> list[bool]:
        seen = [not hidden.otherwise(b, h, i, j) for j in range(axes.n_k)]
        best = [False] * axes.n_k
        if "top_k" in score:
            best = reaches(scores[b][h][i], seen, score["top_k"])
        return [not (best[j] or selected(score, i, j)) for j in range(axes.n_k)]

    return axes.rows(row)
