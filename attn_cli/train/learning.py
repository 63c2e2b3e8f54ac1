"""Learning: the parameters with which the answers of the examples are right.

    loss = mean over the examples of the loss of each, as `objective` defines it

All examples count at every step (full batch), and Adam takes the step: Kingma and Ba 2015 (arXiv
1412.6980), algorithm 1, with the beta1, beta2 and epsilon of that paper:

    m = beta1 m + (1 - beta1) g,   v = beta2 v + (1 - beta2) g^2
    theta = theta - rate * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)

A parameter has the shape that the user wrote, an example has the arrays of a `Problem`; `Origin`
maps the numbers of one to those of the other (see `train.numbered`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from math import isfinite, prod
from typing import Any

import numpy as np

from attn_cli.arrays import Array, Integers
from attn_cli.dataclass import dataclass
from attn_cli.errors import AttnError
from attn_cli.formula import Prefix, Symbol
from attn_cli.maths.pipeline import pipeline
from attn_cli.maths.problem import Problem
from attn_cli.maths.stage import StepSpec
from attn_cli.memory import keep_freed_memory
from attn_cli.record import Labels, Numbered, Record, Step
from attn_cli.train.learnt import EMBEDDINGS, with_arrays
from attn_cli.train.loss import Stack, forward, loss_and_gradients
from attn_cli.train.objective import Objective, Targets

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class Origin:
    """The origin of an array of a problem: array = parameter.ravel()[places]."""

    parameter: str
    places: Integers


@dataclass(frozen=True)
class Examples:
    """Examples of equal length that differ in their words alone, and the arrays that are learnt.

    `problem` is that of the first. X has the vectors of all words (examples, n, d); the source of
    the array `embeddings` has their places likewise.
    """

    problem: Problem
    X: Array | None
    targets: Targets
    objective: Objective
    sources: Mapping[str, Origin]  # by the name of the array in the problem

    @property
    def count(self) -> int:
        """The number of sequences of words."""
        return len(self.targets)

    @property
    def answers(self) -> int:
        """The number of answers: one per example, and in a text one per word."""
        return self.targets.size if self.objective.every else self.count

    @cached_property
    def _specs(self) -> Mapping[str, StepSpec]:
        return pipeline(self.problem)

    def gather(self, values: Mapping[str, Array]) -> Stack:
        """Return the examples with these values of the parameters."""
        arrays = {n: values[s.parameter].ravel()[s.places] for n, s in self.sources.items()}
        X = arrays.pop(EMBEDDINGS, self.X)
        problem = with_arrays(self.problem, arrays)
        return Stack(problem, X, self.count, self.objective)

    def losses(self, values: Mapping[str, Array]) -> tuple[float, int]:
        """Return the sum of the losses, and how many answers are right."""
        passed = forward(self.gather(values), self._specs)
        losses = self.objective.losses(passed, self._targets)
        return float(losses.sum()), int(self.objective.right(passed, self._targets).sum())

    @property
    def _targets(self) -> Targets:
        return self.targets.ravel() if self.objective.every else self.targets

    def gradients(self, values: Mapping[str, Array]) -> tuple[float, int, dict[str, Array]]:
        """Return the sum of the losses, how many answers are right, and parameter -> gradient.

        A parameter that nothing depends on has no gradient, not one of zeros.
        """
        targets = self._targets
        passed, sums = loss_and_gradients(self.gather(values), targets, self._specs)
        found: dict[str, Array] = {}
        for name, source in self.sources.items():
            if name in sums:
                whole = _added_up(sums[name], source.places, values[source.parameter].shape)
                before = found.get(source.parameter)
                found[source.parameter] = whole if before is None else before + whole
        losses = self.objective.losses(passed, targets)
        return float(losses.sum()), int(self.objective.right(passed, targets).sum()), found


def _added_up(gradient: Array, places: Integers, shape: tuple[int, ...]) -> Array:
    """Return the gradient of a parameter of a shape from that of numbers at these places.

    A number that is used in several places (a repeated word) gets their sum.
    """
    sums: Any = np.bincount(places.ravel(), gradient.ravel(), minlength=prod(shape))
    whole: Array = sums.reshape(shape)
    return whole


@dataclass(frozen=True)
class Learnt:
    """A parameter that is learnt: its values at the start, in the shape that the user wrote."""

    start: Array
    labels: tuple[Labels, ...] | None = None  # of its axes, if they have words
    positive: bool = False  # it counts by its absolute value, and stays above 0


@dataclass(frozen=True, kw_only=True)
class Training:
    """Examples, in groups of equal length; parameters by name; and how to learn."""

    examples: tuple[Examples, ...]
    held_out: tuple[Examples, ...] = ()  # of which the loss is measured, and nothing is learnt
    parameters: Mapping[str, Learnt]
    steps: int
    learning_rate: float
    digits: int | None  # decimals that the learnt numbers are rounded to; None: all that they have

    @property
    def count(self) -> int:
        """The number of examples; of a text, of its words that are predicted."""
        return sum(group.answers for group in self.examples)

    @property
    def start(self) -> dict[str, Array]:
        """The values of the parameters before the first step."""
        return {name: parameter.start for name, parameter in self.parameters.items()}


@dataclass(frozen=True)
class State:
    """Loss, values and gradients after a step."""

    step: int
    loss: float
    right: int  # number of examples whose answer is right
    values: Mapping[str, Array]
    gradients: Mapping[str, Array]


def train(training: Training) -> Iterator[State]:
    """Yield the state before the first step, then after each; the last one is rounded.

    Raises AttnError if the loss is not finite.
    """
    keep_freed_memory()
    values, adam = training.start, Adam(training)
    for t in range(training.steps + 1):
        if t == training.steps and t and training.digits is not None:
            values = {name: rounded(value, training.digits) for name, value in values.items()}
        state = measured(training, values, t)
        yield state
        if t == training.steps:
            return
        values = adam.step(state)


class Adam:
    """The moments m and v of each parameter, and the step that they give."""

    def __init__(self, training: Training) -> None:
        self._training = training
        self._m = {name: np.zeros(value.size) for name, value in training.start.items()}
        self._v = {name: np.zeros(value.size) for name, value in training.start.items()}

    def step(self, state: State) -> dict[str, Array]:
        """Return the values after a step; the moments change in place."""
        t, values = state.step + 1, {}
        for name, gradient in state.gradients.items():
            g = gradient.reshape(-1)  # a single number is an array, too
            m, v = self._m[name], self._v[name]
            part = (1 - BETA1) * g
            m *= BETA1
            m += part
            np.multiply(g, g, out=part)
            part *= 1 - BETA2
            v *= BETA2
            v += part
            np.divide(v, 1 - BETA2**t, out=part)
            np.sqrt(part, out=part)
            part += EPSILON
            step = m / (1 - BETA1**t)
            step *= self._training.learning_rate
            step /= part
            value = np.subtract(state.values[name].reshape(-1), step, out=step)
            value = value.reshape(gradient.shape)
            values[name] = np.abs(value) if self._training.parameters[name].positive else value
        return values


def measured_alone(groups: Iterable[Examples], values: Mapping[str, Array]) -> tuple[float, int]:
    """Return the mean loss of examples, and how many answers are right."""
    losses, right, count = 0.0, 0, 0
    for group in groups:
        with np.errstate(all="ignore"):
            of_group, of_right = group.losses(values)
        losses, right, count = losses + of_group, right + of_right, count + group.answers
    return losses / count, right


def measured(training: Training, values: Mapping[str, Array], step: int) -> State:
    """Return loss and gradients, each the mean over all examples."""
    total, right, count = 0.0, 0, training.count
    sums: dict[str, Array] = {}
    with np.errstate(all="ignore"):  # an overflow shows in the loss
        for group in training.examples:
            losses, of_group, gradients = group.gradients(values)
            total += losses
            right += of_group
            for name, gradient in gradients.items():
                sums[name] = sums[name] + gradient if name in sums else gradient
    finite = isfinite(total) and all(np.isfinite(g).all() for g in sums.values())
    if not finite:
        when = f"after {step} {'step' if step == 1 else 'steps'}" if step else "before any step"
        raise AttnError(
            f"the loss is not finite {when}",
            path=("train", "learning_rate") if step else ("train",),
            help=f"lower the learning rate, which is {training.learning_rate:g}"
            if step
            else "look at the steps with attn compute: one of them overflows",
        )
    means = {
        name: sums[name] / count if name in sums else np.zeros_like(value)
        for name, value in values.items()
    }
    return State(step, total / count, right, values, means)


def rounded(value: Array, digits: int) -> Array:
    """Return a value with so many decimals, and no zero that has a sign."""
    result: Array = np.round(value, digits) + 0.0
    return result


def gradient_record(training: Training) -> Record:
    """Return the gradients before the first step as a record: a step for each parameter."""
    state = measured(training, training.start, 0)
    return Record(
        command="train",
        steps={name: _step(training, name, g) for name, g in state.gradients.items()},
        settings={
            "examples": training.count,
            "parameters": list(training.parameters),
            "loss": state.loss,
            "right": state.right,
        },
        query_tokens=(),
        key_tokens=(),
    )


AXES = {1: ("entry",), 2: ("row", "column"), 3: ("head", "row", "column")}


def _step(training: Training, name: str, gradient: Array) -> Step:
    labels = training.parameters[name].labels
    values = np.atleast_1d(gradient)
    return Step(
        name=name,
        expression=Prefix("d", Symbol("loss")) / Prefix("d", Symbol(name)),
        axes=AXES[values.ndim] if labels is None else ("word", "dimension"),
        labels=labels or tuple(Numbered(range(n)) for n in values.shape),
        values=values,
        shape=values.shape,
        kept=(None,) * values.ndim,
    )
