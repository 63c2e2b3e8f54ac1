"""Which keys are hidden from a query, and why."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tests.conformance.oracle.plain import Axes, Heads, axes_of, element, of_head
from tests.conformance.oracle.positions import Positions, length, start
from tests.conformance.oracle.scores import inner_score

CAUSAL, WINDOW, LENGTH, DOCUMENT, SPARSE, USER, TOP_K, START, ZERO_KEY = range(1, 10)
MASKING = ("window", "key_start", "key_lengths", "documents", "mask")


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
        self.positions = Positions(problem, axes)
        reasons: list[tuple[str, int, Callable[[int, int, int, int], bool]]] = [
            ("causal", CAUSAL, self.causal),
            ("window", WINDOW, self.window),
            ("key_lengths", LENGTH, self.length),
            ("documents", DOCUMENT, self.document),
            ("mask", USER, self.user.hides),
            ("key_start", START, self.start),
        ]
        self.reasons = [(code, hides) for key, code, hides in reasons if key in problem]
        """Every reason that the problem has and that does not depend on scores, in order."""
        self.found: dict[tuple[int, int, int, int], list[int]] = {}

    @property
    def by_mask(self) -> bool:
        """Whether the problem has the stage mask: hides anything but by `sparse` and `top_k`."""
        return bool(self.problem.get("causal")) or any(key in self.problem for key in MASKING)

    def causal(self, b: int, h: int, i: int, j: int) -> bool:
        """The future, except the prefix."""
        p = self.positions.key(b, j)
        if not self.problem.get("causal") or self.first(p, "prefix"):
            return False
        return p > self.positions.query(b, i)

    def first(self, p: int, key: str) -> bool:
        """Whether a position is one of the first that `prefix` or `sink_tokens` counts."""
        return bool(0 < self.problem.get(key, 0) > p)

    def window(self, b: int, h: int, i: int, j: int) -> bool:
        """Further back than `left` or further on than `right`; -1: no bound.

        A prefix is exempt from both, sink tokens from the first.
        """
        window = of_head(self.problem.get("window", "none"), h)
        p_k = self.positions.key(b, j)
        if window in ("none", None) or self.first(p_k, "prefix"):
            return False
        window = {name: of_head(bound, h) for name, bound in window.items()}
        if "keys" in window:
            window = {"left": window["keys"] - 1, "right": 0}
        left, right = window.get("left", -1), window.get("right", -1)
        p_q = self.positions.query(b, i)
        before = left != -1 and p_k < p_q - left and not self.first(p_k, "sink_tokens")
        return bool(before or (right != -1 and p_k > p_q + right))

    def length(self, b: int, h: int, i: int, j: int) -> bool:
        """Beyond the keys that the batch entry has."""
        return j >= length(self.problem, self.axes, b)

    def start(self, b: int, h: int, i: int, j: int) -> bool:
        """Before the first key of the batch entry."""
        return j < start(self.problem, b)

    def document(self, b: int, h: int, i: int, j: int) -> bool:
        """Of another document than the query."""
        documents = self.positions.documents[b]
        return documents.queries[i] != documents.keys[j]

    def otherwise(self, b: int, h: int, i: int, j: int) -> bool:
        """Whether any reason hides that does not depend on scores."""
        return bool(self.those(b, h, i, j))

    def those(self, b: int, h: int, i: int, j: int) -> list[int]:
        """The reasons that hide and do not depend on scores, in order; looked up once."""
        at = b, h, i, j
        if at not in self.found:
            self.found[at] = [code for code, hides in self.reasons if hides(b, h, i, j)]
        return self.found[at]

    def code(self, left_out: int, b: int, h: int, i: int, j: int) -> int:
        """The first reason that hides, 0 if none does; `left_out`: the score's own reason, 0."""
        reasons = self.those(b, h, i, j)
        return min([*reasons, left_out] if left_out else reasons, default=0)


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


def selects(problem: dict[str, Any]) -> bool:
    """Whether the score function can leave pairs out."""
    return is_sparse(problem) or inner_score(problem)["function"] == "cosine"


def not_selected(problem: dict[str, Any], axes: Axes, hidden: Hidden, scores: Heads) -> Any:
    """[batch][head][query][key]: why the score leaves the pair out, 0 where it does not.

    `sparse` does not select it, or `cosine` has no value there (NaN: the key is zero). The top_k of
    `sparse` ranks the keys that nothing else hides.
    """
    if not is_sparse(problem):
        cosine = inner_score(problem)["function"] == "cosine"
        return axes.pairs(
            lambda b, h, i, j: ZERO_KEY if cosine and math.isnan(scores[b][h][i][j]) else 0
        )
    score = problem["score"]

    def row(b: int, h: int, i: int) -> list[int]:
        seen = [not hidden.otherwise(b, h, i, j) for j in range(axes.n_k)]
        best = [False] * axes.n_k
        if "top_k" in score:
            best = reaches(scores[b][h][i], seen, score["top_k"])
        return [0 if best[j] or selected(score, i, j) else SPARSE for j in range(axes.n_k)]

    return axes.rows(row)
