"""The loss of examples of equal length, and its gradients, by hand: forward, then back.

The functions are those of `maths`. Rows of all examples are one matrix wherever a stage computes
row by row; scores, weights and contexts have a leading axis of examples. The backward pass begins
with the gradient of the loss, with respect to the logits or the weights (`objective`). Each part
has its gradient in its own module (`backward`); here they are applied in reverse, through heads and
projections to the embeddings. Gradients have the names of `train.learnt`, and the shapes of the
problem's arrays; that of the embeddings is (examples, n, d).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from attn_cli.arrays import AnyArray, Array, Bools
from attn_cli.dataclass import dataclass, replace
from attn_cli.errors import AttnError
from attn_cli.maths.block import weigh
from attn_cli.maths.heads import of_head
from attn_cli.maths.inputs import embedded
from attn_cli.maths.linear import Linear
from attn_cli.maths.normalizers.softmax import normalize
from attn_cli.maths.pipeline import pipeline
from attn_cli.maths.place import Place
from attn_cli.maths.problem import Problem, Projection
from attn_cli.maths.rows import last_of_rows
from attn_cli.maths.scores.base import Parts
from attn_cli.maths.select import Selection
from attn_cli.maths.stage import JOINED, Rows, StepSpec
from attn_cli.maths.visible.base import all_of
from attn_cli.train.learnt import EMBEDDINGS, MEMORY, NAMES, POSITIONS, Gradients
from attn_cli.train.objective import Objective, OfAttended, Targets
from attn_cli.train.passed import Forward, Head


@dataclass(frozen=True)
class Stack:
    """Examples of equal length: a problem that holds for all of them, and their embeddings.

    X is (examples, n, d), None if the problem has no embeddings; the problem's own are not read.
    """

    problem: Problem
    X: Array | None
    count: int
    objective: Objective

    @property
    def positioned(self) -> Array | None:
        """X plus the position vectors, if there are some."""
        X, table = self.X, self.problem.positions
        return X if X is None or table is None else X + table.values[: X.shape[1]]

    def inputs(self, source: Projection, head: int) -> Array:
        """Return the rows that a side of a head is made of: (examples, n, d), or (n, d) for all."""
        X = self.positioned
        if source.letter in {"", "M"} or X is None:
            return np.asarray(source.inputs[head]) if source.split else source.embedded
        if not source.split:
            return X
        part = source.inputs.shape[-1]
        return X[..., head * part : (head + 1) * part]


def forward(stack: Stack, specs: Mapping[str, StepSpec]) -> Forward:
    """Run the stages of a problem without batches, given by `specs`, for all examples."""
    problem = stack.problem
    heads = tuple(_head(stack, number) for number in range(problem.heads or 1))
    values: dict[str, Array] = {}
    if not stack.objective.reads_words:
        return Forward(heads, values)
    X = stack.positioned
    if problem.after.residual and X is not None:
        values[embedded(problem)] = _flat(X)
    for spec in specs.values():
        if spec.scope == JOINED:
            read: list[Array] = []
            for name in spec.reads:
                of_heads = [_flat(head.steps[name]) for head in heads if name in head.steps]
                read += [values[name]] if name in values else of_heads
            values[spec.name] = spec.apply(Rows(problem, 0, 0, np.arange(problem.n_q)), *read)
    next_word = problem.next_word
    assert next_word is not None  # checked by `read_training`
    values["pooled"] = values[last_of_rows(problem)]
    if not stack.objective.every:
        rows = values["pooled"].reshape(stack.count, problem.n_q, -1)
        values["pooled"] = rows[:, next_word.rows(problem.n_q)].mean(axis=1)
    logits = values["logits"] = next_word.linear(values["pooled"])
    values["probabilities"] = normalize(logits, np.ones_like(logits, dtype=np.bool_))
    return Forward(heads, values)


def _flat(rows: AnyArray) -> AnyArray:
    """Return the rows of all examples as one matrix."""
    return rows.reshape(-1, rows.shape[-1])


def _head(stack: Stack, number: int) -> Head:
    problem = stack.problem
    sides: list[Array] = []
    for source, n in ((problem.query, problem.n_q), (problem.key, problem.n_k), (problem.value, 0)):
        if source is None:
            sides.append(np.zeros((n, 0)))
        else:
            own = number if source is problem.query else _key_head(problem, number)
            sides.append(source.linear.of_head(own)(stack.inputs(source, own)))
    Q, K, V = sides
    parts = problem.score.prepare(Q, K, problem.parameters)(
        slice(0, problem.n_q), slice(0, problem.n_k)
    )
    scores = _of_all(stack, _score(parts) * of_head(problem.scale, number))
    scores, seen = _adjusted(problem, number, scores, _selected(problem, number, scores, Q, K))
    rules = problem.rules
    weights = rules.normalizer.normalize(scores, seen, rules.of_head(number))
    steps = {"weights": weights, "context": _weighed(weights, V, seen)}
    for name, values in (("products", parts.products), ("gate", parts.gate)):
        if values is not None:
            steps[name] = values
    return Head(number, Q, K, V, seen, steps)


def _key_head(problem: Problem, number: int) -> int:
    return problem.key_heads[number] if problem.heads is not None else 0


def _score(parts: Parts) -> Array:
    score = parts.score if parts.products is None else parts.products
    assert score is not None  # a score function gives one of the two
    return score if parts.gate is None else parts.gate * score


def _of_all(stack: Stack, values: Array) -> Array:
    return np.broadcast_to(values, (stack.count, *values.shape[-2:]))


def _selected(problem: Problem, number: int, scores: Array, Q: Array, K: Array) -> Bools | None:
    """Return which pairs are selected, (examples, n_q, n_k); None if the score selects none."""
    at = _place(problem, number)
    function, _ = problem.score.innermost(problem.parameters)
    undefined = function.undefined or _nowhere
    if undefined(Q).any():
        raise AttnError(
            f"a query of the examples is zero, and {function.name} has no score for it",
            path=("train",),
            help="start from other numbers: another train.seed",
        )
    hidden = np.broadcast_to(undefined(K), (len(scores), problem.n_k))
    select = problem.score.selection(problem.parameters) if problem.score.selection else None
    if select is None and not hidden.any():
        return None
    selections = [replace(select or Selection(), defined=~each) for each in hidden]
    visible = all_of(problem.rules.schemes, at)
    pairs = zip(selections, scores, strict=True)
    return np.stack([selection(at.i, at.j, each, visible) for selection, each in pairs])


def _nowhere(rows: Array) -> Bools:
    return np.zeros(rows.shape[:-1], dtype=np.bool_)


def _place(problem: Problem, number: int) -> Place:
    """Return the place of all queries and keys of a head."""
    i, j = np.arange(problem.n_q), np.arange(problem.n_k)
    return Place(0, number, i, j, problem.token_positions)


def _adjusted(
    problem: Problem, number: int, scores: Array, selected: Bools | None
) -> tuple[Array, Bools]:
    """Return the scores after selection, biases and masks, and which keys take part."""
    at = _place(problem, number)
    visible = all_of(problem.rules.schemes, at)
    seen = np.ones_like(visible)
    if selected is not None:
        scores, seen = np.where(selected, scores, -np.inf), selected
    for adjustment in problem.rules.adjustments:
        scores, seen = adjustment(scores, seen, visible, at)
        if selected is not None:  # a mask does not select a pair
            scores, seen = np.where(selected, scores, -np.inf), seen & selected
    return scores, seen


def _weighed(weights: Array, V: Array, seen: Bools) -> Array:
    """Return weights V; NaN and infinity in a value count only if its key is seen."""
    if np.isfinite(V).all():
        return weights @ V
    every = np.broadcast_to(seen, weights.shape)
    values = np.broadcast_to(V, (len(weights), *V.shape[-2:]))
    return np.stack([weigh(*each) for each in zip(weights, values, every, strict=True)])


def loss_and_gradients(
    stack: Stack, targets: Targets, specs: Mapping[str, StepSpec] | None = None
) -> tuple[Forward, Gradients]:
    """Return the forward pass and, by name, the gradients of the sum of the examples' losses.

    `specs` are those of the problem, or of one that differs in the numbers of its arrays.
    """
    problem = stack.problem
    passed = forward(stack, pipeline(problem) if specs is None else specs)
    sums, objective = Gradients(), stack.objective
    if isinstance(objective, OfAttended):
        d_weights = objective.d_weights(passed, targets)
        for head in passed.heads:
            _of_weights(stack, head, d_weights, sums)
        return passed, sums
    assert problem.next_word is not None  # its logits are learnt
    d_logits = objective.d_logits(passed, targets)
    n_q = None if objective.every else problem.n_q
    d_rows, of_linear = problem.next_word.backward(passed.steps["pooled"], n_q, d_logits)
    sums.add_all(of_linear, NAMES["next_word"]["linear"])
    context = np.concatenate([_flat(head.steps["context"]) for head in passed.heads], axis=1)
    d_context, dX, after = problem.after.backward(context, passed.steps, _flat(d_rows))
    sums.add_all(after, NAMES["after"])
    if dX is not None:
        _of_embeddings(stack, dX.reshape(stack.count, problem.n_q, -1), sums)
    for head, dC in zip(passed.heads, np.split(d_context, len(passed.heads), axis=1), strict=True):
        _of_head(stack, head, dC.reshape(stack.count, problem.n_q, -1), sums)
    return passed, sums


def _of_head(stack: Stack, head: Head, dC: Array, sums: Gradients) -> None:
    """Add those of one head: context = weights V, weights = normalize(scale * score + mask)."""
    dV = head.steps["weights"].mT @ dC
    _of_projection(stack, stack.problem.value, "value", head.number, dV, sums)
    _of_weights(stack, head, dC @ head.V.mT, sums)


def _of_weights(stack: Stack, head: Head, dW: Array, sums: Gradients) -> None:
    """Add those of weights = normalize(scale * score + mask), from the gradient of the weights."""
    problem = stack.problem
    normalizer, score = problem.rules.normalizer, problem.score
    assert normalizer.backward is not None  # checked by `refuse_functions_without_gradient`
    assert score.backward is not None
    scale = of_head(problem.scale, head.number)
    dS = scale * normalizer.backward(head.steps["weights"], head.visible, dW)
    dQ, dK, of_parameters = score.backward(head.Q, head.K, problem.parameters, head.steps, dS)
    for name, d in of_parameters.items():
        sums.add(f"score.{name}", d)
    if dQ is not None and problem.query is not None:
        _of_projection(stack, problem.query, "query", head.number, dQ, sums)
    if dK is not None and problem.key is not None:
        _of_projection(stack, problem.key, "key", head.number, dK, sums)


def _of_projection(
    stack: Stack, source: Projection, side: str, number: int, d: Array, sums: Gradients
) -> None:
    """Add the gradients of the weight and bias of a head, and of their input."""
    if not source.letter:
        return  # given as it is
    own = number if side == "query" else _key_head(stack.problem, number)
    inputs = stack.inputs(source, own)
    if inputs.ndim < d.ndim:  # the same rows for all examples
        d = d.sum(axis=0)
    dx, of_linear = source.linear.of_head(own).backward(_flat(inputs), _flat(d))
    sums.add_all(_of_all_heads(of_linear, source.linear, own), NAMES[side]["linear"])
    dx = dx.reshape(inputs.shape)
    if source.split:  # a head's columns of the embeddings
        dx = _in_columns(dx, own, source.inputs.shape[0])
    if source.letter == "M":
        sums.add(MEMORY, dx)
    else:
        _of_embeddings(stack, dx, sums)


def _in_columns(part: Array, head: int, heads: int) -> Array:
    """Return the columns of one head as columns of all heads."""
    d = int(part.shape[-1])
    whole: Array = np.zeros((*part.shape[:-1], d * heads))
    whole[..., head * d : (head + 1) * d] = part
    return whole


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


def _of_embeddings(stack: Stack, dX: Array, sums: Gradients) -> None:
    """Add those of X' = X + P: the same for both, of P summed over the examples."""
    sums.add(EMBEDDINGS, dX)
    if stack.problem.positions is not None:
        sums.add(POSITIONS, dX.sum(axis=0))
