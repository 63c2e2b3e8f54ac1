"""The stages up to q, k and v: embeddings, their positions, and projections of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attn_cli.arrays import Array
from attn_cli.formula import Formula, Remark, Symbol
from attn_cli.maths.stage import (
    KEYS,
    OF_KEYS,
    OF_QUERIES,
    OF_TOKENS,
    PROBLEM,
    QUERIES,
    VECTOR,
    Reads,
    Side,
    Stage,
    define,
)

if TYPE_CHECKING:
    from attn_cli.maths.problem import Problem, Projection


def of_inputs(problem: Problem, source: Projection | None) -> Reads | None:
    """Return the step that a side is projected from; none if it is given, or made from a memory."""
    if source is None:
        return None
    if source.letter in {"", "M"} or problem.embeddings is None:
        return ()
    return (embedded(problem),)


def embedded(problem: Problem) -> str:
    """Return the step of the embeddings with their positions, if they have some."""
    return "embeddings" if problem.positions is None else "positioned"


def _positions(problem: Problem) -> Reads | None:
    return None if problem.positions is None or problem.embeddings is None else ()


def _projected(problem: Problem, source: Projection | None, name: str) -> Formula:
    """Return the projection of Q, K or V, with its inputs."""
    assert source is not None  # this stage applies
    if not source.letter:
        return Remark(Symbol(name.upper()), "as given")
    inputs, weight, bias = Symbol(source.letter), f"W_{name}", f"b_{name}"
    return define(name.upper(), source.linear.formula(inputs, weight, bias, problem.layout))


def _table_formula(problem: Problem) -> Formula:
    assert problem.positions is not None  # this stage applies
    return problem.positions.formula


def query(side: Side, *_: Array) -> Array:
    """Return rows of Q, given or projected: X W_q + b_q."""
    source = side.problem.query
    assert source is not None  # this stage applies
    return source.rows(side.lead, side.rows, side.problem.precision.wide)


def key(side: Side, *_: Array) -> Array:
    """Return K, given or projected: X W_k + b_k."""
    source = side.problem.key
    assert source is not None  # this stage applies
    return source.rows(side.lead, side.rows, side.problem.precision.wide)


def value(side: Side, *_: Array) -> Array:
    """Return V, given or projected: X W_v + b_v."""
    return side.problem.value.rows(side.lead, side.rows, side.problem.precision.wide)


def _d_model(problem: Problem, _: object) -> int:
    return 0 if problem.embeddings is None else int(problem.embeddings.shape[1])


def d_q(problem: Problem, _: object) -> int:
    """Return the length of the rows of queries."""
    return 0 if problem.query is None else problem.query.depth


def d_k(problem: Problem, _: object) -> int:
    """Return the length of the rows of keys."""
    return 0 if problem.key is None else problem.key.depth


def d_v(problem: Problem, _: object) -> int:
    """Return the length of the rows of values."""
    return problem.value.depth


def _embeddings(problem: Problem) -> Array:
    assert problem.embeddings is not None  # this stage applies
    return problem.embeddings


def _table(problem: Problem) -> Array:
    assert problem.positions is not None  # this stage applies
    return problem.positions.values


INPUTS = (
    Stage(
        name="embeddings",
        meaning="one vector per token, as given or looked up in a table",
        usual=lambda: Symbol("X"),
        scope=PROBLEM,
        axes=OF_TOKENS,
        shape=("n", "d_model"),
        role=VECTOR,
        letter="x",
        reads=lambda problem: None if problem.embeddings is None else (),
        formula=lambda _: Remark(Symbol("X"), "one vector per token"),
        may_read=(),
        depth=_d_model,
        apply=_embeddings,
        condition="embeddings are given",
        aliases=("x", "tokens"),
    ),
    Stage(
        name="positions",
        meaning="one vector per position, learned or of sines and cosines",
        usual=lambda: Symbol("P"),
        scope=PROBLEM,
        axes=OF_TOKENS,
        shape=("n", "d_model"),
        role=VECTOR,
        letter="p",
        reads=_positions,
        formula=_table_formula,
        may_read=(),
        depth=_d_model,
        apply=_table,
        condition="positions are added to the embeddings",
    ),
    Stage(
        name="positioned",
        meaning="the embeddings with their positions added",
        usual=lambda: define("X'", Symbol("X") + Symbol("P")),
        scope=PROBLEM,
        axes=OF_TOKENS,
        shape=("n", "d_model"),
        role=VECTOR,
        letter="x",
        reads=lambda problem: None if _positions(problem) is None else ("embeddings", "positions"),
        formula=lambda _: define("X'", Symbol("X") + Symbol("P")),
        may_read=("embeddings", "positions"),
        depth=_d_model,
        apply=lambda problem, *_: problem.positioned(slice(None)),
        condition="positions are added to the embeddings",
    ),
    Stage(
        name="q",
        meaning="queries: given, or projected from the embeddings",
        usual=lambda: define("Q", Symbol("X") @ Symbol("W_q") + Symbol("b_q")),
        scope=QUERIES,
        axes=OF_QUERIES,
        shape=("n_q", "d_q"),
        role=VECTOR,
        letter="q",
        reads=lambda problem: of_inputs(problem, problem.query),
        formula=lambda problem: _projected(problem, problem.query, "q"),
        may_read=("embeddings", "positioned"),
        depth=d_q,
        apply=query,
        condition="the score function reads Q",
        aliases=("query", "queries"),
    ),
    Stage(
        name="k",
        meaning="keys: given, or projected from the embeddings or the memory",
        usual=lambda: define("K", Symbol("X") @ Symbol("W_k") + Symbol("b_k")),
        scope=KEYS,
        axes=OF_KEYS,
        shape=("n_k", "d_k"),
        role=VECTOR,
        letter="k",
        reads=lambda problem: of_inputs(problem, problem.key),
        formula=lambda problem: _projected(problem, problem.key, "k"),
        may_read=("embeddings", "positioned"),
        depth=d_k,
        apply=key,
        condition="the score function reads K",
        aliases=("key", "keys"),
        new_keys=lambda _: True,
    ),
    Stage(
        name="v",
        meaning="values: given, or projected from the embeddings or the memory",
        usual=lambda: define("V", Symbol("X") @ Symbol("W_v") + Symbol("b_v")),
        scope=KEYS,
        axes=OF_KEYS,
        shape=("n_k", "d_v"),
        role=VECTOR,
        letter="v",
        reads=lambda problem: of_inputs(problem, problem.value),
        formula=lambda problem: _projected(problem, problem.value, "v"),
        may_read=("embeddings", "positioned"),
        depth=d_v,
        apply=value,
        aliases=("value", "values"),
        new_keys=lambda _: True,
    ),
)
