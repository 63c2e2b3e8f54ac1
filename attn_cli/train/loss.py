"""The loss of one example and its gradients, by hand: forward, every value kept, then back.

The forward pass is that of `maths`. The backward pass begins with the gradient of the loss, with
respect to the logits or the weights (`objective`). Each part has its gradient in its own module
(`backward`); here they are applied in reverse, through heads and projections to the embeddings.
Gradients have the names of `train.learnt`, and the shapes of the problem's arrays.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from attn_cli.arrays import AnyArray, Array, Bools, Integers
from attn_cli.dataclass import dataclass
from attn_cli.engine.entry import EntryBuilder, Schedules
from attn_cli.maths.block import steps
from attn_cli.maths.heads import of_head
from attn_cli.maths.inputs import embedded
from attn_cli.maths.linear import Linear
from attn_cli.maths.next_word import NextWord, Pooling
from attn_cli.maths.pipeline import pipeline
from attn_cli.maths.problem import Problem, Projection
from attn_cli.maths.rows import last_of_rows
from attn_cli.maths.stage import BLOCK, JOINED, Rows, Schedule, StepSpec, schedule_of
from attn_cli.maths.visible.base import Lead
from attn_cli.train.learnt import EMBEDDINGS, MEMORY, NAMES, POSITIONS, Gradients
from attn_cli.train.objective import OfAttended, Target, objective_of


@dataclass(frozen=True)
class Stages:
    """The stages of a problem, which hold for all values of its arrays."""

    specs: Mapping[str, StepSpec]
    schedules: Schedules  # of queries, keys and values
    blocks: Schedule  # from the scores to the context

    @classmethod
    def of(cls, problem: Problem) -> Stages:
        """Return the stages of a problem."""
        specs = pipeline(problem)
        blocks = [spec for spec in specs.values() if spec.scope == BLOCK]
        return cls(specs, Schedules.of(specs, {"context"}), schedule_of(blocks, {"context"}))


@dataclass(frozen=True)
class Head:
    """The results of the forward pass of one head."""

    lead: Lead
    Q: Array
    K: Array
    V: Array
    visible: Bools
    steps: dict[str, Array]


@dataclass(frozen=True)
class Forward:
    """The results of the forward pass."""

    heads: tuple[Head, ...]
    steps: Mapping[str, Array]  # of all heads together, from concat or output on

    @property
    def probabilities(self) -> Array:
        """The probabilities of all words."""
        return self.steps["probabilities"]


def forward(problem: Problem, stages: Stages) -> Forward:
    """Run the stages of `maths` over all rows at once, for a problem without batches."""
    every, specs = np.arange(problem.n_q), stages.specs
    leads: list[Lead] = [()] if problem.heads is None else [(h,) for h in range(problem.heads)]
    heads = tuple(_head(problem, stages, lead) for lead in leads)
    values: dict[str, Array] = {}
    if not objective_of(problem).reads_words:
        return Forward(heads, values)
    if problem.after.residual:
        values[embedded(problem)] = problem.positioned(every)
    for spec in specs.values():
        if spec.scope == JOINED:
            read: list[Array] = []
            for name in spec.reads:
                read += [values[name]] if name in values else [head.steps[name] for head in heads]
            values[spec.name] = spec.apply(Rows(problem, 0, 0, every), *read)
    pooling = Pooling(_next_word(problem).rows(problem.n_q))
    pooling.add(every, values[last_of_rows(problem)])
    values["pooled"] = pooling.pooled()
    for name in ("logits", "probabilities"):
        values[name] = specs[name].apply(Rows(problem, 0, 0, every), values[specs[name].reads[0]])
    return Forward(heads, values)


def _next_word(problem: Problem) -> NextWord:
    assert problem.next_word is not None  # checked by `read_training`
    return problem.next_word


def _head(problem: Problem, stages: Stages, lead: Lead) -> Head:
    kept: dict[str, Array] = {"q": np.zeros((problem.n_q, 0)), "k": np.zeros((problem.n_k, 0))}

    def keep(name: str, _lead: Lead, values: AnyArray, _rows: Integers | None) -> None:
        kept[name] = values

    entry = EntryBuilder(problem, stages.schedules, np.arange(problem.n_q), keep).entry(lead)
    rows, keys = slice(0, problem.n_q), slice(0, problem.n_k)
    computed = list(steps(entry, rows, keys, stages.blocks))
    visible = next(step.seen for step in computed if step.name == "weights")
    assert visible is not None  # weights always have it
    values = {step.name: step.values for step in computed}
    return Head(lead, kept["q"], kept["k"], kept["v"], visible, values)


def loss_and_gradients(
    problem: Problem, target: Target, stages: Stages | None = None
) -> tuple[Forward, Gradients]:
    """Return the forward pass and, by name, the gradients of its loss.

    `stages` are those of the problem, or of one that differs in the numbers of its arrays.
    """
    passed, sums = forward(problem, stages or Stages.of(problem)), Gradients()
    objective = objective_of(problem)
    if isinstance(objective, OfAttended):
        d_weights = objective.d_weights(passed, target)
        for head in passed.heads:
            _of_weights(problem, head, d_weights, sums)
        return passed, sums
    d_logits = objective.d_logits(passed, target)
    d_rows, of_linear = _next_word(problem).backward(passed.steps["pooled"], problem.n_q, d_logits)
    sums.add_all(of_linear, NAMES["next_word"]["linear"])
    context = np.concatenate([head.steps["context"] for head in passed.heads], axis=1)
    d_context, dX, after = problem.after.backward(context, passed.steps, d_rows)
    sums.add_all(after, NAMES["after"])
    if dX is not None:
        _of_embeddings(problem, dX, sums)
    for head, dC in zip(passed.heads, np.split(d_context, len(passed.heads), axis=1), strict=True):
        _of_head(problem, head, dC, sums)
    return passed, sums


def _of_head(problem: Problem, head: Head, dC: Array, sums: Gradients) -> None:
    """Add those of one head: context = weights V, weights = normalize(scale * score + mask)."""
    weights = head.steps["weights"]
    _of_projection(problem, problem.value, "value", head.lead, weights.T @ dC, sums)
    _of_weights(problem, head, dC @ head.V.T, sums)


def _of_weights(problem: Problem, head: Head, dW: Array, sums: Gradients) -> None:
    """Add those of weights = normalize(scale * score + mask), from the gradient of the weights."""
    weights = head.steps["weights"]
    normalizer, score = problem.rules.normalizer, problem.score
    assert normalizer.backward is not None  # checked by `refuse_functions_without_gradient`
    assert score.backward is not None
    scale = of_head(problem.scale, head.lead[-1] if head.lead else 0)
    dS = scale * normalizer.backward(weights, head.visible, dW)
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
    """Add the gradients of the weight and bias of a head, and of their input."""
    if not source.letter:
        return  # given as it is
    head = lead[-1] if lead else 0
    inputs = source.embedded[lead] if source.split else source.embedded
    dx, of_linear = source.linear.of_head(head).backward(inputs, d)
    sums.add_all(_of_all_heads(of_linear, source.linear, head), NAMES[side]["linear"])
    if source.split:  # a head's columns of the embeddings
        part, dx = dx, np.zeros((source.count, dx.shape[1] * source.inputs.shape[0]))
        dx[:, head * part.shape[1] : (head + 1) * part.shape[1]] = part
    if source.letter == "M":
        sums.add(MEMORY, dx)
    else:
        _of_embeddings(problem, dx, sums)


def _of_all_heads(own: Linear, whole: Linear, head: int) -> Linear:
    """Return the gradients of one head as those of the projection of all heads."""
    return Linear(_placed(own.weight, whole.weight, head), _placed(own.bias, whole.bias, head))


def _placed(gradient: Array | None, whole: Array | None, head: int) -> Array | None:
    """Return a gradient as that of the array of all heads; itself if they share one."""
    if gradient is None or whole is None or gradient.ndim == whole.ndim:
        return gradient
    placed = np.zeros_like(whole)
    placed[head] = gradient
    return placed


def _of_embeddings(problem: Problem, dX: Array, sums: Gradients) -> None:
    """Add those of X' = X + P: the same for both."""
    sums.add(EMBEDDINGS, dX)
    if problem.positions is not None:
        sums.add(POSITIONS, dX)
