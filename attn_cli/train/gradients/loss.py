"""The loss of one example and its gradients: forward, every value kept, then back.

    loss = -log softmax(logits)_target,   d logits = softmax(logits) - e_target

Gradients are by the names of `train.learnt`, in the shapes of the problem's arrays.
"""

from __future__ import annotations

import numpy as np

from attn_cli.arrays import AnyArray, Array, Bools, Integers
from attn_cli.dataclass import dataclass
from attn_cli.engine.entry import Preparation
from attn_cli.maths.block import steps
from attn_cli.maths.heads import of_head
from attn_cli.maths.linear import Linear
from attn_cli.maths.next_word import NextWord, Pooling
from attn_cli.maths.problem import Problem, Projection
from attn_cli.maths.visible.base import Lead
from attn_cli.train.gradients.after import of_after, of_next_word
from attn_cli.train.gradients.sums import Gradients


@dataclass(frozen=True)
class Head:
    """What the forward pass of one head gave."""

    lead: Lead
    Q: Array
    K: Array
    V: Array
    visible: Bools
    steps: dict[str, Array]


@dataclass(frozen=True)
class Forward:
    """What the forward pass gave."""

    heads: tuple[Head, ...]
    context: Array  # the contexts of all heads, side by side
    after: dict[str, Array]
    pooled: Array
    logits: Array
    probabilities: Array

    def loss(self, target: int) -> float:
        """Return -log of the target's probability, from the logits, so that it cannot be log 0."""
        top = self.logits.max()
        return float(top + np.log(np.exp(self.logits - top).sum()) - self.logits[target])


def forward(problem: Problem) -> Forward:
    """Run the definitions of `core` over all rows at once, for a problem without batches."""
    head = _next_word(problem)
    leads: list[Lead] = [()] if problem.heads is None else [(h,) for h in range(problem.heads)]
    heads = tuple(_head(problem, lead) for lead in leads)
    context = np.concatenate([h.steps["context"] for h in heads], axis=1)
    X = problem.positioned(slice(None)) if problem.after.residual else None
    after = dict(problem.after.steps(context, X, problem.precision))
    pooling = Pooling(head.rows(problem.n_q))
    pooling.add(np.arange(problem.n_q), list(after.values())[-1])
    last = dict(head.steps(pooling.pooled(), problem.precision))
    return Forward(heads, context, after, **last)


def _next_word(problem: Problem) -> NextWord:
    assert problem.next_word is not None  # who trains has checked
    return problem.next_word


def _head(problem: Problem, lead: Lead) -> Head:
    kept: dict[str, Array] = {"q": np.zeros((problem.n_q, 0)), "k": np.zeros((problem.n_k, 0))}

    def keep(name: str, _lead: Lead, values: AnyArray, _rows: Integers | None) -> None:
        kept[name] = values

    prepare = Preparation(problem, np.arange(problem.n_q), frozenset({"context"}), keep)
    made = list(steps(prepare.entry(lead), slice(0, problem.n_q), slice(0, problem.n_k)))
    visible = next(step.seen for step in made if step.name == "weights")
    assert visible is not None  # weights always say which keys take part
    values = {step.name: step.values for step in made}
    return Head(lead, kept["q"], kept["k"], kept["v"], visible, values)


def loss_and_gradients(problem: Problem, target: int) -> tuple[Forward, Gradients]:
    """Return the forward pass and, by name, the gradients of its loss."""
    made, sums = forward(problem), Gradients()
    d_logits = made.probabilities.copy()
    d_logits[target] -= 1
    d_rows = of_next_word(_next_word(problem), made.pooled, problem.n_q, d_logits, sums)
    d_context, dX = of_after(problem.after, made.context, made.after, d_rows, sums)
    if dX is not None:
        _of_embeddings(problem, dX, sums)
    for head, dC in zip(made.heads, np.split(d_context, len(made.heads), axis=1), strict=True):
        _of_head(problem, head, dC, sums)
    return made, sums


def _of_head(problem: Problem, head: Head, dC: Array, sums: Gradients) -> None:
    """Add those of one head: context = weights V, weights = normalize(scale * score + mask)."""
    weights = head.steps["weights"]
    _of_projection(problem, problem.value, "value", head.lead, weights.T @ dC, sums)
    normalizer, score = problem.rules.normalizer, problem.score
    assert normalizer.backward is not None  # checked by `refuse_functions_without_gradient`
    assert score.backward is not None
    scale = of_head(problem.scale, head.lead[-1] if head.lead else 0)
    dS = scale * normalizer.backward(weights, head.visible, dC @ head.V.T)
    dQ, dK, of_parameters = score.backward(head.Q, head.K, problem.parameters, head.steps, dS)
    for name, d in of_parameters.items():
        sums.add(f"score.{name}", d)
    if dQ is not None and problem.query is not None:
        _of_projection(problem, problem.query, "query", head.lead, dQ, sums)
    if dK is not None and problem.key is not None:
        _of_projection(problem, problem.key, "key", head.lead, dK, sums)


def _of_projection(
    problem: Problem, source: Projection, side: str, lead: Lead, d: Array, sums: Gradients
) -> None:
    """Add those of the weight and bias of a head, and of what they were applied to."""
    if not source.letter:
        return  # given as it is
    head = lead[-1] if lead else 0
    own, linear = Gradients(), source.linear
    inputs = source.embedded[lead] if source.split else source.embedded
    dx = own.linear("weights", "biases", linear.of_head(head), inputs, d)
    for group, gradient in own.items():
        sums.add(f"{group}.{side}", _placed(gradient, _whole(linear, group), head))
    if source.split:  # a head's columns of the embeddings
        part, dx = dx, np.zeros((source.count, dx.shape[1] * source.inputs.shape[0]))
        dx[:, head * part.shape[1] : (head + 1) * part.shape[1]] = part
    if source.letter == "M":
        sums.add("memory.embeddings", dx)
    else:
        _of_embeddings(problem, dx, sums)


def _whole(linear: Linear, group: str) -> Array:
    """Return the weight or the bias of all heads."""
    whole = linear.weight if group == "weights" else linear.bias
    assert whole is not None  # it has a gradient
    return whole


def _placed(gradient: Array, whole: Array, head: int) -> Array:
    """Return a gradient as that of the array of all heads; itself where they share one."""
    if gradient.ndim == whole.ndim:
        return gradient
    placed = np.zeros_like(whole)
    placed[head] = gradient
    return placed


def _of_embeddings(problem: Problem, dX: Array, sums: Gradients) -> None:
    """Add those of X' = X + P: the same for both."""
    sums.add("embeddings", dX)
    if problem.positions is not None:
        sums.add("positions.learned", dX)
