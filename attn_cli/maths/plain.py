"""Attention from top to bottom, the page to read first: all queries of a head against all keys.

    scores  = scale * score(q, k)              q, k, v projected; q, k normed and rotated
    masked  = scores, capped, biased, masked   in the problem's order
    weights = normalize(masked)                0 for a key that takes no part
    context = weights v

`engine.entry` and `maths.block` compute the same in blocks of rows, with every step named, and only
the steps that a request needs; they are tested equal to this, and `engine.tiles` to them.
"""

from __future__ import annotations

import numpy as np

from attn_cli.arrays import Array
from attn_cli.maths.block import weigh
from attn_cli.maths.place import Place
from attn_cli.maths.problem import Problem
from attn_cli.maths.select import k_largest
from attn_cli.maths.visible.base import Lead, all_of


def attention(problem: Problem, lead: Lead = ()) -> tuple[Array, Array]:
    """Return the weights (n_q, n_k) and the context (n_q, d_v) of one batch entry and query head.

    `lead` has their indices, one for each leading axis that the problem has.
    """
    rules, types, (batch, head) = problem.rules, problem.precision, problem.entry(lead)
    at = Place(batch, head, np.arange(problem.n_q), np.arange(problem.n_k), problem.token_positions)
    q, k, v = meeting(problem, lead, at)

    parts = problem.score.prepare(q, k, problem.parameters)(slice(0, len(q)), slice(0, len(k)))
    score = parts.score if parts.products is None else parts.products
    assert score is not None  # a score function gives one of the two
    if parts.products is not None:
        score = types.wide(types.scores.round(score))
    if parts.gate is not None:
        score = types.wide(types.scores.round(parts.gate)) * score
    placed = problem.placement != "scores"  # then q and k have the scale
    scores = types.scores.round((1.0 if placed else problem.factor(head)) * score)

    visible = all_of(rules.schemes, at)
    seen = selected = np.ones_like(visible)
    function, _ = problem.score.innermost(problem.parameters)
    if function.undefined is not None:
        seen = selected = selected & ~function.undefined(k)
    if problem.score.selection is not None:
        chosen = problem.score.selection(problem.parameters)
        seen = selected = selected & chosen(at.i, at.j, scores, visible & selected)
    scores = np.where(selected, scores, -np.inf)
    for adjustment in rules.adjustments:
        scores, seen = adjustment(types.wide(scores), seen, visible, at)
        scores, seen = types.scores.round(np.where(selected, scores, -np.inf)), seen & selected
    if rules.top_k is not None:
        seen = k_largest(scores, seen, rules.top_k)

    kinds = rules.kinds(np.logical_not((visible & selected & seen).any(axis=1)), at)
    temperature = rules.temperature_of(head)
    weights = rules.weights(scores, seen, kinds, rules.of_head(head), temperature)
    kept = types.weighted_sum.round(weights)
    if rules.dropout is not None:
        kept = types.weighted_sum.round(rules.dropout(types.wide(kept), at))
    takes_part = np.where((kinds > 0)[:, None], weights != 0, seen)
    context = weigh(types.wide(kept), v, takes_part)
    return types.dtype.round(weights), types.dtype.round(context)


def meeting(problem: Problem, lead: Lead, at: Place) -> tuple[Array, Array, Array]:
    """Return q (n_q, d_k), k (n_k, d_k) and v (n_k, d_v) as they meet, in the type of sums."""
    qk_transform, past, types = problem.qk_transform, problem.past, problem.precision
    rounded, wide, every = types.dtype.round, types.wide, slice(None)
    of_keys = lead if problem.heads is None else (*lead[:-1], problem.key_heads[at.head])
    group = of_keys[-1] if problem.heads is not None else 0
    v = rounded(problem.value.rows(of_keys, every, wide))
    if past is not None:
        v = np.concatenate([past.value[at.batch, group], v])
    if problem.query is None or problem.key is None:  # the scores are given
        return np.zeros((len(at.i), 0)), np.zeros((len(at.j), 0)), wide(v)

    q = rounded(problem.query.rows(lead, every, wide))
    k = rounded(problem.key.rows(of_keys, every, wide))
    if qk_transform.query_norm is not None and qk_transform.key_norm is not None:
        q = rounded(qk_transform.query_norm(q, types.norm))
        k = rounded(qk_transform.key_norm(k, types.norm))
    if past is not None and not past.rotated:
        k = np.concatenate([past.key[at.batch, group], k])
    if qk_transform.rope is not None:
        rotated_at = problem.rotated_at
        new = at.j[len(at.j) - len(k) :] if qk_transform.positions is None else np.arange(len(k))
        q = rounded(qk_transform.rope(wide(q), rotated_at.queries(at.batch, at.i)))
        k = rounded(qk_transform.rope(wide(k), rotated_at.keys(at.batch, new)))
    if past is not None and past.rotated:
        k = np.concatenate([past.key[at.batch, group], k])

    factor = problem.factor(at.head)
    if problem.placement == "query":
        q = types.scaled.round(wide(q) * factor)
    elif problem.placement == "split":
        q, k = (types.scaled.round(wide(x) * factor) for x in (q, k))
    return wide(q), wide(k), wide(v)
