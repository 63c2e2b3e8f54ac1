"""The stages of q, k and v up to where they meet: QK norm, the past, rope.

    q_normed, k_normed          QK norm, of the new keys alone
    present_key, present_value  the past, then the new
    q_rotated, k_rotated        rope, by the positions of queries and keys

If the keys of the past are rotated already, k_rotated are the new keys alone, and present_key comes
after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from attn_cli.arrays import Array, Integers
from attn_cli.formula import Call, Formula, Symbol, Words
from attn_cli.maths.inputs import d_k, d_q, d_v
from attn_cli.maths.stage import (
    KEYS,
    OF_KEYS,
    OF_QUERIES,
    QUERIES,
    VECTOR,
    Reads,
    Side,
    Stage,
    define,
)
from attn_cli.maths.token_positions import P_J

if TYPE_CHECKING:
    from attn_cli.maths.norm import HeadNorm
    from attn_cli.maths.problem import Problem
    from attn_cli.maths.rope import Rope


def normed_query(problem: Problem) -> str:
    """Return the step of the queries before rope."""
    return "q" if problem.qk_transform.query_norm is None else "q_normed"


def query_end(problem: Problem) -> str:
    """Return the step of the queries as they meet the keys."""
    return normed_query(problem) if problem.qk_transform.rope is None else "q_rotated"


def normed_key(problem: Problem) -> str:
    """Return the step of the new keys before rope and the past."""
    return "k" if problem.qk_transform.key_norm is None else "k_normed"


def key_end(problem: Problem) -> str:
    """Return the step of the keys as they meet the queries."""
    rotated = problem.qk_transform.rope is not None
    if problem.past is not None and (problem.past.rotated or not rotated):
        return "present_key"
    return "k_rotated" if rotated else normed_key(problem)


def value_end(problem: Problem) -> str:
    """Return the step of the values as they are weighed."""
    return "v" if problem.past is None else "present_value"


def _q_normed(problem: Problem) -> Reads | None:
    there = problem.qk_transform.query_norm is not None and problem.query is not None
    return ("q",) if there else None


def _k_normed(problem: Problem) -> Reads | None:
    there = problem.qk_transform.key_norm is not None and problem.key is not None
    return ("k",) if there else None


def _present_key(problem: Problem) -> Reads | None:
    if problem.past is None or problem.key is None:
        return None
    return ("k_rotated",) if _past_is_rotated(problem) else (normed_key(problem),)


def _past_is_rotated(problem: Problem) -> bool:
    return problem.past is not None and problem.past.rotated


def _k_rotated(problem: Problem) -> Reads | None:
    if problem.qk_transform.rope is None:
        return None
    behind_past = problem.past is not None and not problem.past.rotated
    return ("present_key",) if behind_past else (normed_key(problem),)


def _rope_of_keys(problem: Problem) -> Rope | None:
    return problem.qk_transform.key_rope or problem.qk_transform.rope


def _normed_formula(norm: HeadNorm | None, name: str) -> Formula:
    assert norm is not None  # this stage applies
    return define(f"{name}_normed", norm.formula(Symbol(name)))


def _usual_norm(name: str) -> Formula:
    x = Symbol(name)
    norm = x / Call("sqrt", Call("mean", x**2) + Symbol("eps")) * Symbol("gain")
    return define(f"{name}_normed", norm)


def _with_past(name: str, new: str) -> Formula:
    return define(name, Words("the past, then ", Symbol(new)))


def _present_key_formula(problem: Problem) -> Formula:
    (new,) = _present_key(problem) or ("k",)
    return _with_past("present_key", new)


def _q_rotated_formula(problem: Problem) -> Formula:
    rope = problem.qk_transform.rope
    assert rope is not None  # this stage applies
    p_i = problem.rotated_at.query_formula()
    return define("q_rotated", rope.formula(Symbol(normed_query(problem)), p_i))


def _k_rotated_formula(problem: Problem) -> Formula:
    rope, past, p_j = _rope_of_keys(problem), problem.past, problem.rotated_at.key_formula
    assert rope is not None  # this stage applies
    if past is not None and past.rotated and p_j != P_J:  # these are the new keys alone
        p_j = p_j + past.length
    (new,) = _k_rotated(problem) or ("k",)
    return define("k_rotated", rope.formula(Symbol(new), p_j))


def normed_queries(side: Side, q: Array) -> Array:
    """Return the norm of each row of q."""
    norm = side.problem.qk_transform.query_norm
    assert norm is not None  # this stage applies
    return norm(q, side.problem.precision.norm)


def normed_keys(side: Side, k: Array) -> Array:
    """Return the norm of each row of k."""
    norm = side.problem.qk_transform.key_norm
    assert norm is not None  # this stage applies
    return norm(k, side.problem.precision.norm)


def rotated_queries(side: Side, q: Array) -> Array:
    """Return q, rotated by the positions of the queries."""
    problem = side.problem
    rope = problem.qk_transform.rope
    assert rope is not None  # this stage applies
    assert isinstance(side.rows, np.ndarray)  # queries are named by their numbers
    p_i = problem.rotated_at.queries(problem.entry(side.lead)[0], side.rows)
    return rope(problem.precision.wide(q), p_i)


def rotated_keys(side: Side, k: Array) -> Array:
    """Return k, rotated by the positions of the keys."""
    problem = side.problem
    rope = _rope_of_keys(problem)
    assert rope is not None  # this stage applies
    p_j = problem.rotated_at.keys(problem.entry(side.lead)[0], _turned(side, len(k)))
    return rope(problem.precision.wide(k), p_j)


def _turned(side: Side, count: int) -> Integers:
    """Return the numbers of the keys that rope turns, as its positions count them.

    Given positions of a rotated past are of the new keys alone.
    """
    problem = side.problem
    first = (side.rows.start or 0) if isinstance(side.rows, slice) else 0
    if problem.qk_transform.positions is None and _past_is_rotated(problem):
        assert problem.past is not None
        first += problem.past.length
    return np.arange(first, first + count)


def present_key(side: Side, k: Array) -> Array:
    """Return the keys of the past, then the new."""
    past = side.problem.past
    assert past is not None  # this stage applies
    return _behind(side, past.key, k)


def present_value(side: Side, v: Array) -> Array:
    """Return the values of the past, then the new."""
    past = side.problem.past
    assert past is not None  # this stage applies
    return _behind(side, past.value, v)


def _behind(side: Side, past: Array, new: Array) -> Array:
    """Return the rows that a key head has in the cache, then the new ones."""
    batch = side.lead[0] if side.problem.batch else 0
    head = side.lead[-1] if side.problem.heads is not None else 0
    return np.concatenate([past[batch, head], new])


MEETING = (
    Stage(
        name="q_normed",
        meaning="queries after QK norm",
        usual=lambda: _usual_norm("q"),
        scope=QUERIES,
        axes=OF_QUERIES,
        shape=("n_q", "d_q"),
        role=VECTOR,
        letter="q",
        reads=_q_normed,
        formula=lambda problem: _normed_formula(problem.qk_transform.query_norm, "q"),
        may_read=("q",),
        depth=d_q,
        apply=normed_queries,
        condition="qk_norm is given",
    ),
    Stage(
        name="k_normed",
        meaning="new keys after QK norm",
        usual=lambda: _usual_norm("k"),
        scope=KEYS,
        axes=OF_KEYS,
        shape=("n_k", "d_k"),
        role=VECTOR,
        letter="k",
        reads=_k_normed,
        formula=lambda problem: _normed_formula(problem.qk_transform.key_norm, "k"),
        may_read=("k",),
        depth=d_k,
        apply=normed_keys,
        condition="qk_norm is given",
        new_keys=lambda _: True,
    ),
    Stage(
        name="present_key",
        meaning="the keys of the cache, then the new keys",
        usual=lambda: _with_past("present_key", "k"),
        scope=KEYS,
        axes=OF_KEYS,
        shape=("n_k", "d_k"),
        role=VECTOR,
        letter="k",
        reads=_present_key,
        formula=_present_key_formula,
        may_read=("k", "k_normed", "k_rotated"),
        depth=d_k,
        apply=present_key,
        condition="a past (a key-value cache) is given",
    ),
    Stage(
        name="present_value",
        meaning="the values of the cache, then the new values",
        usual=lambda: _with_past("present_value", "v"),
        scope=KEYS,
        axes=OF_KEYS,
        shape=("n_k", "d_v"),
        role=VECTOR,
        letter="v",
        reads=lambda problem: None if problem.past is None else ("v",),
        formula=lambda _: _with_past("present_value", "v"),
        may_read=("v",),
        depth=d_v,
        apply=present_value,
        condition="a past (a key-value cache) is given",
    ),
    Stage(
        name="q_rotated",
        meaning="queries turned by their positions (rotary embedding)",
        usual=lambda: define("q_rotated", Words(Symbol("q"), " turned by ", Symbol("p_i"))),
        scope=QUERIES,
        axes=OF_QUERIES,
        shape=("n_q", "d_q"),
        role=VECTOR,
        letter="q",
        reads=lambda problem: (
            None if problem.qk_transform.rope is None else (normed_query(problem),)
        ),
        formula=_q_rotated_formula,
        may_read=("q", "q_normed"),
        depth=d_q,
        apply=rotated_queries,
        condition="rope is given",
    ),
    Stage(
        name="k_rotated",
        meaning="keys turned by their positions (rotary embedding)",
        usual=lambda: define("k_rotated", Words(Symbol("k"), " turned by ", Symbol("p_j"))),
        scope=KEYS,
        axes=OF_KEYS,
        shape=("n_k", "d_k"),
        role=VECTOR,
        letter="k",
        reads=_k_rotated,
        formula=_k_rotated_formula,
        may_read=("k", "k_normed", "present_key"),
        depth=d_k,
        apply=rotated_keys,
        condition="rope is given",
        new_keys=_past_is_rotated,
    ),
)
