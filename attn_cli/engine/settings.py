"""Every resolved setting of a computation, as plain values for a reader or a JSON document."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np

from attn_cli.arrays import Integers, consecutive
from attn_cli.formula import Symbol
from attn_cli.maths.heads import PerHead
from attn_cli.maths.parameter import Parameters
from attn_cli.maths.precision import ONE_TYPE, Precision
from attn_cli.maths.problem import Problem, Request
from attn_cli.maths.rules import Rules
from attn_cli.maths.scores.base import ScoreFunction
from attn_cli.maths.token_positions import TokenPositions


def settings(problem: Problem, request: Request) -> dict[str, object]:
    """Return setting -> value; arrays are described by their shape."""
    return {
        **_inputs(problem),
        "score": score_settings(problem.score, problem.parameters),
        "scale": _per_head(problem.scale),
        "scale_placement": problem.placement,
        **_rules(problem),
        "conventions": {knob: _plain(value) for knob, value in problem.conventions.items()},
        "layout": problem.layout,
        "dtype": problem.precision.dtype.name,
        "precision": _precision(problem.precision),
        "nonfinite": problem.nonfinite,
        "rows": None if request.rows is None else list(request.rows),
        "batch": request.batch,
        "head": request.head,
        **({} if problem.answer is None else {"answer": dict(problem.answer.settings)}),
    }


def _precision(precision: Precision) -> dict[str, object]:
    """Return part -> type; the parts of rope and of norms by name if their types differ."""
    found: dict[str, object] = {name: getattr(precision, name).name for name in ONE_TYPE}
    for name, parts in (("rope", ("angles", "table", "rotation")), ("norm", ("row", "gain"))):
        types = {part: getattr(getattr(precision, name), part).name for part in parts}
        found[name] = types if len(set(types.values())) > 1 else types[parts[0]]
    return found


def _inputs(problem: Problem) -> dict[str, object]:
    """Return the settings of Q, K and V."""
    qk_transform = problem.qk_transform
    return {
        "heads": problem.heads,
        "kv_heads": problem.kv_heads,
        "key_heads": list(problem.key_heads) if problem.heads is not None else None,
        "axes": "bshd" if problem.heads_last else "bhsd",
        "positions": problem.positions and str(problem.positions.formula),
        "past": problem.past and problem.past.length,
        "past_rotated": None if problem.past is None else problem.past.rotated,
        "offset": _offset(problem),
        **_positions(problem),
        "qk_norm": qk_transform.query_norm and str(qk_transform.query_norm.formula(Symbol("q"))),
        "rope": qk_transform.rope and str(qk_transform.rope.formula(Symbol("q"), Symbol("p"))),
    }


def _offset(problem: Problem) -> object:
    """Return the offset, one per batch entry if there is a batch axis; None with documents."""
    token_positions = problem.token_positions
    if token_positions.query is not None:
        return None
    return list(token_positions.offsets) if problem.batch else token_positions.offsets[0]


def _positions(problem: Problem) -> dict[str, object]:
    """Return the positions of queries and keys, and those of rope if they differ."""
    found: dict[str, object] = dict(
        zip(
            ("query_positions", "key_positions"),
            _sides(problem, problem.token_positions),
            strict=True,
        )
    )
    given, rope = problem.qk_transform.positions, None
    if given is not None:
        rope = dict(zip(("query", "key"), _sides(problem, given), strict=True))
    return found | {"rope_positions": rope}


def _sides(problem: Problem, token_positions: TokenPositions) -> tuple[object, object]:
    """Return the positions of queries and of keys as runs, per batch entry if there is one."""
    entries = range(problem.batch[0] if problem.batch else 1)
    count = problem.n_k if token_positions.key is None else token_positions.key.shape[-1]
    i, j = np.arange(problem.n_q), np.arange(count)
    queries = [_runs(token_positions.queries(entry, i)) for entry in entries]
    keys = [_runs(token_positions.keys(entry, j)) for entry in entries]
    return (queries, keys) if problem.batch else (queries[0], keys[0])


def _runs(positions: Integers) -> list[object]:
    """Return [first, last] of each run of consecutive positions; of three rows, one list each.

    >>> _runs(np.array([0, 1, 2, 0, 1]))
    [[0, 2], [0, 1]]
    """
    if positions.ndim > 1:
        return [_runs(row) for row in positions]
    return [[start, stop - 1] for start, stop in consecutive(positions)]


def _rules(problem: Problem) -> dict[str, object]:
    """Return the settings between scores and weights."""
    rules = problem.rules
    by_reason = {scheme.reason: str(scheme.formula) for scheme in rules.schemes}
    normalize: object = rules.normalizer.name
    if rules.parameters:
        described = {name: _described(value) for name, value in rules.parameters.items()}
        normalize = {"function": rules.normalizer.name, **described}
    return {
        "causal": by_reason.get("causal"),
        "window": _window(rules),
        "key_lengths": by_reason.get("key_lengths"),
        "key_start": by_reason.get("key_start"),
        "documents": by_reason.get("documents"),
        "mask": by_reason.get("mask"),
        "order": [each.step for each in rules.adjustments],
        "stages": {each.step: str(each.formula(Symbol("s"))) for each in rules.adjustments},
        "top_k": rules.top_k,
        "temperature": _per_head(rules.temperature),
        "normalize": normalize,
        "empty_rows": _empty_rows(rules),
        "dropout": rules.dropout and rules.dropout.p,
        "output_gate": problem.gate is not None,
    }


def _window(rules: Rules) -> object:
    """Return the formula of the window, or the list of those of heads."""
    window = next((scheme for scheme in rules.schemes if scheme.reason == "window"), None)
    if window is None:
        return None
    from attn_cli.maths.visible.window import Windows

    each = window.of_heads if isinstance(window, Windows) else ()
    return [str(one.formula) for one in each] or str(window.formula)


def _empty_rows(rules: Rules) -> object:
    """Return the choice for rows without a visible key: one word, or one for each cause."""
    given = rules.empty_rows
    if given is None or given.mask == given.other:
        return given and given.mask
    return {"mask": given.mask, "other": given.other}


def score_settings(function: ScoreFunction, parameters: Parameters) -> dict[str, object]:
    """Return the score function's name and parameters."""
    described: dict[str, object] = {"function": function.name}
    for name, value in parameters.items():
        if value is not None:
            described[name] = _described(value)
    return described


def _plain(value: Any) -> object:
    """Return a knob's value without infinities, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return f"{value:g}" if isinstance(value, float) and not isfinite(value) else value


def _per_head(number: PerHead | None) -> object:
    """Return a number, or the list of those that query heads have."""
    return list(number) if isinstance(number, tuple) else number


def _described(value: Any) -> object:
    if isinstance(value, tuple):
        return score_settings(*value)
    if isinstance(value, np.ndarray):
        return {"shape": list(value.shape)}
    return value
