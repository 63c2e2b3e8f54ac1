"""What is learnt: the losses of examples, and the gradients with which the backward pass begins.

    word       loss = -log softmax(logits)_target      d logits = softmax(logits) - e_target
    attended   loss = -log w_target, where w is the mean over H heads of the weights of a query;
               d weights_target = -1 / (H w_target) in each head; the mean over several queries

Targets are the places of words in the vocabulary (examples), or of the keys that each query should
attend to (examples, queries).
"""

from __future__ import annotations

import numpy as np

from attn_cli.arrays import Array, Bools, Integers
from attn_cli.maths.answer import ReadAttended, ReadKept
from attn_cli.maths.problem import Problem
from attn_cli.train.passed import Forward

Targets = Integers


class OfWord:
    """The next word is learnt, from the logits: a small probability could be rounded to 0."""

    reads_words = True
    every = False  # whether the next word is predicted from every row, not from the pooled ones

    @staticmethod
    def losses(passed: Forward, targets: Targets) -> Array:
        """Return -log of the target's probability, of each example.

        log of the sum of exp(logits) = the largest logit - log of the largest probability, which is
        at least 1 over the number of words.
        """
        logits, each = passed.steps["logits"], np.arange(len(targets))
        likeliest = logits.argmax(axis=1)
        total = logits[each, likeliest] - np.log(passed.probabilities[each, likeliest])
        losses: Array = total - logits[each, targets]
        return losses

    @staticmethod
    def right(passed: Forward, targets: Targets) -> Bools:
        """Return whether the target is the likeliest word, of each example."""
        found: Bools = passed.probabilities.argmax(axis=1) == targets
        return found

    @staticmethod
    def d_logits(passed: Forward, targets: Targets) -> Array:
        """Return the gradient of the sum of the losses with respect to the logits."""
        found = passed.probabilities.copy()
        found[np.arange(len(found)), targets] -= 1
        return found


class OfEveryWord(OfWord):
    """After every word of a text the next one is learnt; logits and targets are of all positions.

    In causal order the row of a position is that of the text up to there.
    """

    every = True


class OfAttended:
    """The keys that queries attend to are learnt."""

    reads_words = every = False

    def __init__(self, rule: ReadAttended) -> None:
        self._rule = rule

    def _mean(self, passed: Forward) -> Array:
        """Return the weights (examples, queries, n_k) of the queries that are read."""
        weights = np.mean([head.steps["weights"] for head in passed.heads], axis=0)
        read: Array = weights[:, self._rule.rows(weights.shape[1])]
        return read

    def losses(self, passed: Forward, targets: Targets) -> Array:
        """Return the mean over the queries of -log of the weight of the target."""
        of_targets = np.take_along_axis(self._mean(passed), targets[..., None], axis=-1)
        losses: Array = -np.log(of_targets[..., 0]).mean(axis=1)
        return losses

    def right(self, passed: Forward, targets: Targets) -> Bools:
        """Return whether every query attends most to its target, of the keys that can be meant."""
        mean = self._mean(passed)
        keys = range(mean.shape[-1]) if self._rule.among is None else self._rule.among
        among = np.array(keys, dtype=np.intp)
        most = among[mean[..., among].argmax(axis=-1)]
        found: Bools = np.all(most == targets, axis=-1)
        return found

    def d_weights(self, passed: Forward, targets: Targets) -> Array:
        """Return the gradient with respect to the weights of each head (examples, n_q, n_k)."""
        mean = self._mean(passed)
        d_mean = np.zeros_like(mean)
        of_targets = np.take_along_axis(mean, targets[..., None], axis=-1)
        slope = -1 / (of_targets * mean.shape[1] * len(passed.heads))
        np.put_along_axis(d_mean, targets[..., None], slope, axis=-1)
        found = np.zeros_like(passed.heads[0].steps["weights"])
        found[:, self._rule.rows(found.shape[1])] = d_mean
        return found


Objective = OfWord | OfAttended


def objective_of(problem: Problem, *, text: bool = False) -> Objective:
    """Return what is learnt: the words of a text, what `answer` reads, else the next word."""
    rule = problem.answer
    assert not isinstance(rule, ReadKept)  # refused by `read_training`
    if text:
        return OfEveryWord()
    return OfAttended(rule) if isinstance(rule, ReadAttended) else OfWord()
