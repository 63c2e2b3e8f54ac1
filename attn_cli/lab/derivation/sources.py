"""The numbers of the lines up to q, k and v as they meet, and after the context, by step.

A source returns the facts that choose a template, and the slots of its patterns. `sources_pairs`
has those between q, k and the context.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from attn_cli.arrays import Array, Integers
from attn_cli.lab.derivation.place import Query
from attn_cli.maths.after import LayerNorm
from attn_cli.maths.inputs import embedded
from attn_cli.maths.linear import Linear
from attn_cli.maths.norm import HeadNorm
from attn_cli.maths.problem import Projection
from attn_cli.maths.rope import Rope


class Where(NamedTuple):
    """The place of a line besides its query: a key or a token, and a dimension."""

    key: int | None = None
    token: int | None = None
    n: int | None = None


class Found(NamedTuple):
    """The facts that choose a template, and its slots."""

    facts: frozenset[str] = frozenset()
    slots: dict[str, Any] = {}  # noqa: RUF012 - nobody changes it


def found(*facts: str, **slots: Any) -> Found:
    """Return facts and slots, without the slots that are None."""
    return Found(frozenset(facts), {name: x for name, x in slots.items() if x is not None})


def linear(x: Array, through: Linear, n: int | None) -> Found:
    """Return the numbers of x W + b, one dimension of it; without one what it consists of."""
    weight, bias = through.weight, through.bias
    if n is None:
        return found(*(["weighed"] if weight is not None else ["shifted"] * (bias is not None)))
    b = None if bias is None else float(bias[n])
    if weight is not None:
        return found("weighed", x=x, W=np.asarray(weight[:, n], np.float64), b=b)
    return found() if b is None else found("shifted", x=float(x[n]), b=b)


def _of_source(source: Projection, lead: tuple[int, ...], row: int) -> tuple[Array, Linear]:
    own = source.inputs[lead if source.split else lead[: len(source.batch)]]
    x = np.asarray(own[slice(row, row + 1)], np.float64)[0]
    return x, source.linear.of_head(lead[-1] if lead else 0)


def _projected(source: Projection | None, lead: tuple[int, ...], row: int, n: int | None) -> Found:
    assert source is not None  # this stage applies
    x, through = _of_source(source, lead, row)
    if not source.letter and through.weight is None and through.bias is None:
        return found("given")
    return linear(x, through, n)


def q(query: Query, where: Where) -> Found:
    """Return the numbers of a query: given, or x W_q + b_q."""
    return _projected(query.problem.query, query.lead, query.i, where.n)


def k(query: Query, where: Where) -> Found:
    """Return the numbers of a key."""
    return _of_keys(query, query.problem.key, where, "k")


def v(query: Query, where: Where) -> Found:
    """Return the numbers of a value."""
    return _of_keys(query, query.problem.value, where, "v")


def _of_keys(query: Query, source: Projection | None, where: Where, step: str) -> Found:
    assert where.key is not None  # lines of keys have one
    row = where.key - query.first(step)
    return _projected(source, query.problem.key_lead(query.lead), row, where.n)


def positioned(query: Query, where: Where) -> Found:
    """Return the numbers of x + p."""
    X, P = (query.at(step, token=where.token) for step in ("embeddings", "positions"))
    return found() if where.n is None else found(x=X[where.n], p=P[where.n])


def _normed(query: Query, step: str, norm: HeadNorm | None, where: Where) -> Found:
    assert norm is not None  # this stage applies
    (before,) = query.specs[step].reads
    y = query.at(before, key=where.key)
    if where.n is None:
        return found()
    gain = None if norm.gain is None else float(norm.gain[where.n])
    return found(
        f"norm={norm.name}", x=y[where.n], y=y, d=float(len(y)), eps=float(norm.eps), gain=gain
    )


def q_normed(query: Query, where: Where) -> Found:
    """Return the numbers of the norm of a query."""
    return _normed(query, "q_normed", query.problem.qk_transform.query_norm, where)


def k_normed(query: Query, where: Where) -> Found:
    """Return the numbers of the norm of a key."""
    return _normed(query, "k_normed", query.problem.qk_transform.key_norm, where)


def q_rotated(query: Query, where: Where) -> Found:
    """Return the numbers of a turned query."""
    at = query.problem.rotated_at.queries(query.batch, np.array([query.i]))
    return _turned(query, "q_rotated", at, where)


def k_rotated(query: Query, where: Where) -> Found:
    """Return the numbers of a turned key."""
    problem = query.problem
    assert where.key is not None  # lines of keys have one
    first = query.first("k_rotated")
    number = where.key - (first if problem.qk_transform.positions is not None else 0)
    at = problem.rotated_at.keys(query.batch, np.array([number]))
    return _turned(query, "k_rotated", at, where)


def _turned(query: Query, step: str, positions: Integers, where: Where) -> Found:
    rope, n = query.problem.qk_transform.rope, where.n
    assert rope is not None  # this stage applies
    (before,) = query.specs[step].reads
    if n is None or n >= rope.dims:
        return found()
    x = query.at(before, key=where.key)
    pair, partner, first = _pair(rope, n)
    p = positions[..., 0] if rope.sections is None else positions[rope.rows()[pair], 0]
    angle = float(rope.types.angles.round(np.asarray(p * rope.frequencies()[pair])))
    factor = None if rope.factor == 1 else rope.factor
    return found("first" if first else "second", x=x[n], y=x[partner], angle=angle, factor=factor)


def _pair(rope: Rope, n: int) -> tuple[int, int, bool]:
    """Return the number of a feature's pair, its partner, and whether it is the first of it."""
    if rope.interleaved:
        return n // 2, n ^ 1, n % 2 == 0
    half = rope.dims // 2
    return n % half, (n + half) % rope.dims, n < half


def present(query: Query, where: Where) -> Found:
    """Return whether a key, or its value, is from the cache."""
    past = query.problem.past
    old = past is not None and where.key is not None and where.key < past.length
    return found("past") if old else found()


def gated(query: Query, where: Where) -> Found:
    """Return the numbers of the output gate."""
    gate, n = query.problem.gate, where.n
    assert gate is not None  # this stage applies
    if n is None:
        return found()
    context = float(query.at("context")[n])
    if gate.logits is not None:
        logits = gate.logits[query.batch, query.head, query.i]
        return found("logits", context=context, logit=float(logits[n if len(logits) > 1 else 0]))
    x = query.at(embedded(query.problem), token=query.i)
    weight = gate.linear.weight
    assert weight is not None  # a gate has weights, or its logits are given
    width = weight.shape[-1] // gate.heads
    at = query.head * width + (n if width > 1 else 0)
    of_x = linear(x, gate.linear, at)
    return Found(of_x.facts, {**of_x.slots, "context": context})


def output(query: Query, where: Where) -> Found:
    """Return the numbers of the output projection."""
    return _through(query, "output", query.problem.after.output, where)


def _through(query: Query, step: str, through: Linear, where: Where) -> Found:
    (before,) = query.specs[step].reads
    return linear(query.at(before), through, where.n)


def residual(query: Query, where: Where) -> Found:
    """Return the numbers of X + output."""
    if where.n is None:
        return found()
    x = query.at(embedded(query.problem), token=query.i)
    return found(x=x[where.n], y=query.at("output")[where.n])


def residual_2(query: Query, where: Where) -> Found:
    """Return the numbers of x + feed_forward."""
    before, network = query.specs["residual_2"].reads
    if where.n is None:
        return found()
    return found(x=query.at(before)[where.n], y=query.at(network)[where.n])


def layer_norm(query: Query, where: Where) -> Found:
    """Return the numbers of the layer norm."""
    return _layer_norm(query, "layer_norm", query.problem.after.layer_norm, where)


def layer_norm_2(query: Query, where: Where) -> Found:
    """Return the numbers of the layer norm after the network."""
    network = query.problem.after.feed_forward
    assert network is not None  # this stage applies
    return _layer_norm(query, "layer_norm_2", network.layer_norm, where)


def _layer_norm(query: Query, step: str, norm: LayerNorm | None, where: Where) -> Found:
    assert norm is not None  # this stage applies
    (before,) = query.specs[step].reads
    if where.n is None:
        return found()
    x = query.at(before)
    gamma = None if norm.gamma is None else float(norm.gamma[where.n])
    beta = None if norm.beta is None else float(norm.beta[where.n])
    return found(
        x=x[where.n], mean=x.mean(), var=x.var(), eps=float(norm.eps), gamma=gamma, beta=beta
    )


def hidden(query: Query, where: Where) -> Found:
    """Return the numbers of the hidden layer."""
    network = query.problem.after.feed_forward
    assert network is not None  # this stage applies
    of_x = _through(query, "hidden", network.first, where)
    if not of_x.slots:
        return of_x
    return Found(of_x.facts | {f"activation={network.activation.name}"}, of_x.slots)


def feed_forward(query: Query, where: Where) -> Found:
    """Return the numbers of the second layer."""
    network = query.problem.after.feed_forward
    assert network is not None  # this stage applies
    return _through(query, "feed_forward", network.second, where)


def pooled(query: Query, where: Where) -> Found:
    """Return the numbers of the mean of the rows."""
    head, rows = query.problem.next_word, query.pooled_rows
    assert head is not None  # this stage applies
    if where.n is None or head.row is not None or rows is None:
        return found()
    return found("mean", x=rows[:, where.n], count=float(len(rows)))


def logits(query: Query, where: Where) -> Found:
    """Return the numbers of the logit of a word."""
    head = query.problem.next_word
    assert head is not None  # this stage applies
    return found() if where.n is None else linear(query.at("pooled"), head.linear, where.n)


def probabilities(query: Query, where: Where) -> Found:
    """Return the numbers of the probability of a word."""
    if where.n is None:
        return found()
    z = query.at("logits")
    if len(z) <= MOST_TERMS:
        return found(s=z[where.n], z=z)
    largest = z.max()
    lse = largest + np.log(np.exp(z - largest).sum())
    return found("long", s=z[where.n], lse=lse, words=float(len(z)))


MOST_TERMS = 6  # in the denominator of a softmax
