"""What is learnt: the loss of an example, and the gradients with which its backward pass begins.

    word       loss = -log softmax(logits)_target      d logits = softmax(logits) - e_target
    attended   loss = -log w_target, where w is the mean over H heads of the weights of a query;
               d weights_target = -1 / (H w_target) in each head; the mean over several queries

`Target` is the place of a word in the vocabulary, or of the key that each query should attend to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from attn_cli.arrays import Array
from attn_cli.maths.answer import ReadAttended, ReadKept
from attn_cli.maths.problem import Problem

if TYPE_CHECKING:
    from attn_cli.train.loss import Forward

Target = int | tuple[int, ...]


class OfWord:
    """The next word is learnt, from the logits: a small probability could be rounded to 0."""

    reads_words = True

    @staticmethod
    def loss(passed: Forward, target: Target) -> float:
        """Return -log of the target's probability."""
        logits = passed.steps["logits"]
        top = logits.max()
        return float(top + np.log(np.exp(logits - top).sum()) - logits[target])

    @staticmethod
    def is_right(passed: Forward, target: Target) -> bool:
        """Return whether the target is the likeliest word."""
        return int(np.argmax(passed.probabilities)) == target

    @staticmethod
    def d_logits(passed: Forward, target: Target) -> Array:
        """Return the gradient of the loss with respect to the logits."""
        found = passed.probabilities.copy()
        found[target] -= 1
        return found


class OfAttended:
    """The keys that queries attend to are learnt."""

    reads_words = False

    def __init__(self, rule: ReadAttended) -> None:
        self._rule = rule

    def _mean(self, passed: Forward) -> Array:
        """Return the weights of the queries that are read (queries, n_k), the mean over heads."""
        weights = np.mean([head.steps["weights"] for head in passed.heads], axis=0)
        read: Array = weights[self._rule.rows(len(weights))]
        return read

    def loss(self, passed: Forward, target: Target) -> float:
        """Return the mean of -log of the weights of the targets."""
        mean = self._mean(passed)
        return float(-np.log(mean[np.arange(len(mean)), np.atleast_1d(target)]).mean())

    def is_right(self, passed: Forward, target: Target) -> bool:
        """Return whether every query attends most to its target, of the keys that can be meant."""
        mean = self._mean(passed)
        among = np.arange(mean.shape[1]) if self._rule.among is None else np.array(self._rule.among)
        most: Array = among[mean[:, among].argmax(axis=1)]
        return bool((most == np.atleast_1d(target)).all())

    def d_weights(self, passed: Forward, target: Target) -> Array:
        """Return the gradient of the loss with respect to the weights of each head (n_q, n_k)."""
        mean = self._mean(passed)
        found = np.zeros_like(passed.heads[0].steps["weights"])
        each, targets = np.arange(len(mean)), np.atleast_1d(target)
        rows = self._rule.rows(len(found))
        found[rows, targets] = -1 / (mean[each, targets] * len(mean) * len(passed.heads))
        return found


def objective_of(problem: Problem) -> OfWord | OfAttended:
    """Return what is learnt: what `answer` reads, else the next word."""
    rule = problem.answer
    assert not isinstance(rule, ReadKept)  # refused by `read_training`
    return OfAttended(rule) if isinstance(rule, ReadAttended) else OfWord()
