"""The next-word head: the stages after all rows of the attention are computed.

    pooled z1      = mean of the rows, or the row of one token
    logits z2      = z1 W + b, one number per word of the vocabulary
    probabilities  = softmax(z2)

The answer is the word of the largest probability, the first on a tie.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from attn_cli.arrays import Array, Integers
from attn_cli.dataclass import dataclass
from attn_cli.formula import Call, Formula, Symbol, Words
from attn_cli.maths.linear import Linear
from attn_cli.maths.normalizers.softmax import normalize
from attn_cli.maths.rows import last_of_rows
from attn_cli.maths.stage import (
    POOLED,
    PROBABILITY,
    SCORE,
    VECTOR,
    Rows,
    Stage,
    StepSpec,
    define,
)
from attn_cli.record import Choice, Labels

if TYPE_CHECKING:
    from collections.abc import Mapping

    from attn_cli.maths.problem import Problem


@dataclass(frozen=True)
class NextWord:
    """The vocabulary, the projection onto it, and which rows are pooled."""

    vocabulary: Labels
    linear: Linear  # (d x words)
    row: int | None  # of the token whose row is taken; None: the mean of all
    pooling: str  # as the formula names it
    end: str | None = None  # the word that ends a text

    def rows(self, n_q: int) -> Integers:
        """Return the positions of the query rows that are pooled."""
        return np.arange(n_q) if self.row is None else np.array([self.row], dtype=np.intp)

    def backward(self, pooled: Array, n_q: int | None, d_logits: Array) -> tuple[Array, Linear]:
        """Return d rows, 0 for those not pooled, and the gradients of the projection.

        pooled (examples, d), d_logits (examples, words) -> d rows (examples, n_q, d). `n_q` None:
        nothing is pooled, and the rows are those of the logits.
        """
        d_pooled, of_linear = self.linear.backward(pooled, d_logits)
        if n_q is None:
            return d_pooled, of_linear
        rows = self.rows(n_q)
        d_rows = np.zeros((len(d_pooled), n_q, d_pooled.shape[1]), dtype=d_pooled.dtype)
        d_rows[:, rows] = d_pooled[:, None] / len(rows)
        return d_rows, of_linear


def probabilities(logits: Array) -> Array:
    """Return softmax(logits) of one row (words)."""
    weights: Array = normalize(logits[None, :], np.ones((1, len(logits)), dtype=np.bool_))[0]
    return weights


def choice(next_word: NextWord, tokens: Labels, probabilities: Array, top: int) -> Choice:
    """Return the likeliest word, the first on a tie, and the ranking of the `top` first."""
    return chosen(" ".join(tokens), next_word.vocabulary, probabilities, top, _LIKELIEST)


def chosen(asked: str, names: Labels, values: Array, top: int, doubts: tuple[str, str]) -> Choice:
    """Return the name of the largest value, the first on a tie, and the ranking of the first ones.

    `doubts` says what is doubtful if the value is not finite, and if the second is equal to it.
    """
    order = np.argsort(-values, kind="stable")[: max(top, 2)]
    ranking = tuple((names[at], float(values[at])) for at in order)
    best, value = ranking[0]
    second = ranking[1] if len(ranking) > 1 else None
    doubt = ""
    if not np.isfinite(value):
        doubt = doubts[0].format(asked=asked)
    elif second is not None and second[1] == value:
        doubt = doubts[1].format(asked=asked, best=best, second=second[0])
    return Choice(
        asked=asked,
        answer=best,
        value=value,
        runner_up=second and second[0],
        margin=second and value - second[1],
        ranking=ranking[:top],
        doubt=doubt,
    )


_LIKELIEST = (
    "the word after '{asked}' is unknown: its probabilities are not finite",
    "after '{asked}', '{best}' and '{second}' are equally likely",
)


class Pooling:
    """The mean of rows that come in blocks."""

    def __init__(self, rows: Integers) -> None:
        self._wanted = rows
        self._sum: Array | None = None
        self._dtype: np.dtype[Any] = np.dtype(np.float64)

    def add(self, positions: Integers, values: Array) -> None:
        """Add those of these rows that are pooled; positions and rows of values go together."""
        # In float64, so that a mean of many narrow numbers does not overflow on its way.
        part = values[np.isin(positions, self._wanted)].sum(axis=0, dtype=np.float64)
        self._sum = part if self._sum is None else self._sum + part
        self._dtype = values.dtype

    def pooled(self) -> Array:
        """Return the mean."""
        assert self._sum is not None  # there is at least one block
        mean: Array = (self._sum / len(self._wanted)).astype(self._dtype)
        return mean


def logits(rows: Rows, pooled: Array) -> Array:
    """Return pooled W + b, one number per word."""
    return _head(rows.problem).linear(rows.problem.precision.wide(pooled))


def _head(problem: Problem) -> NextWord:
    assert problem.next_word is not None  # this stage applies
    return problem.next_word


def _d_pooled(problem: Problem, before: Mapping[str, StepSpec]) -> int:
    return before[last_of_rows(problem)].depth


def _words(problem: Problem, _: object) -> int:
    return len(_head(problem).vocabulary)


def _pooled_formula(problem: Problem) -> Formula:
    rows = Symbol(last_of_rows(problem))
    return define("pooled", Words(f"{_head(problem).pooling} of ", rows))


def _logits_formula(problem: Problem) -> Formula:
    linear, pooled = _head(problem).linear, Symbol("pooled")
    return define("logits", linear.formula(pooled, "W", "b", problem.layout, one_row=True))


NEXT_WORD = (
    Stage(
        name="pooled",
        meaning="one vector for the whole sentence: the mean of its rows, or one of them",
        usual=lambda: define("pooled", Words("mean of the rows of ", Symbol("output"))),
        scope=POOLED,
        axes=("dimension",),
        shape=("d_out",),
        role=VECTOR,
        letter="p",
        reads=lambda problem: None if problem.next_word is None else (last_of_rows(problem),),
        formula=_pooled_formula,
        may_read=("output", "residual", "layer_norm", "feed_forward", "residual_2", "layer_norm_2"),
        depth=_d_pooled,
        apply=lambda _, mean: mean,  # rows come in blocks, of which `Pooling` makes the mean
        condition="next_word is given",
    ),
    Stage(
        name="logits",
        meaning="one number per word of the vocabulary",
        usual=lambda: define("logits", Symbol("pooled") @ Symbol("W") + Symbol("b")),
        scope=POOLED,
        axes=("word",),
        shape=("words",),
        role=SCORE,
        reads=lambda problem: None if problem.next_word is None else ("pooled",),
        formula=_logits_formula,
        may_read=("pooled",),
        depth=_words,
        apply=logits,
        condition="next_word is given",
        watched=True,
    ),
    Stage(
        name="probabilities",
        meaning="how likely each word of the vocabulary is to come next",
        usual=lambda: define("probabilities", Call("softmax", Symbol("logits"))),
        scope=POOLED,
        axes=("word",),
        shape=("words",),
        role=PROBABILITY,
        reads=lambda problem: None if problem.next_word is None else ("logits",),
        formula=lambda _: define("probabilities", Call("softmax", Symbol("logits"))),
        may_read=("logits",),
        depth=_words,
        apply=lambda rows, logits: probabilities(rows.problem.precision.wide(logits)),
        condition="next_word is given",
    ),
)
