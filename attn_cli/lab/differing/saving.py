"""The smallest problem that shows a difference: one query of one head, with all keys.

Q, K and V are those that meet, after norms and rotations, so that neither positions nor projections
are needed; what hides keys is one mask, and all biases are one. `attn compute` runs it, and the
same query there, in a file beside it, can be compared with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from attn_cli.arrays import AnyArray
from attn_cli.errors import AttnError
from attn_cli.lab.altered import Steps
from attn_cli.lab.differing.compare import Pair
from attn_cli.lab.differing.result import Difference
from attn_cli.lab.noise import exactly, values_of
from attn_cli.maths.adjustments import Softcap
from attn_cli.maths.heads import of_head
from attn_cli.maths.meeting import key_end, query_end, value_end
from attn_cli.maths.pairs import last_of_scores
from attn_cli.maths.pipeline import pipeline
from attn_cli.maths.problem import Problem
from attn_cli.maths.stage import BLOCK, downstream
from attn_cli.maths.visible.base import Lead

PRODUCTS = ("dot", "scaled")


class Saved(NamedTuple):
    """The arrays of the problem, and of the same query on the other side."""

    problem: Mapping[str, AnyArray]
    there: Mapping[str, AnyArray]
    where: str  # the query and the head, in words


def smallest(pair: Pair, found: Difference) -> Saved:
    """Return the query and head of the worst cell of the first step that differs.

    Raises AttnError if nothing differs, or before the queries meet the keys.
    """
    problem = exactly(pair.problem)
    first = found.first
    if first is None:
        raise AttnError("there is no bug")
    specs = pipeline(problem)
    meets = {n for n, s in specs.items() if s.scope == BLOCK} | downstream(
        specs.values(), "context"
    )
    if first.step not in meets | {"visible", "sinks"}:
        raise AttnError(
            f"the first difference is in {first.step}, before queries meet keys, and one query of "
            "one head would not show it"
        )
    place = {} if first.worst is None else dict(first.worst.place)
    lead = tuple(place.get(axis, 0) for axis in problem.lead_axes)
    row = place.get("query", problem.n_q - 1)
    steps = _steps(pair, problem, row)
    made = _problem(problem, steps, lead, pair.type)
    named = ", ".join(
        f"{axis} {at}"
        for axis, at, size in zip(problem.lead_axes, lead, problem.lead, strict=True)
        if size > 1
    )
    where = f"query {row}" + (f" of {named}" if named else "")
    return Saved(made, _there(pair, lead, row), where)


def _steps(pair: Pair, problem: Problem, row: int) -> Steps:
    """Return the steps of a row as the model has them."""
    del pair
    last = last_of_scores(problem)
    ends = tuple(
        filter(None, (problem.query and query_end(problem), problem.key and key_end(problem)))
    )
    wanted = (*ends, value_end(problem), "scores", last)
    specs = pipeline(problem)
    names = dict.fromkeys(n for n in (*wanted, "capped", "biased", "visible") if n in specs)
    return values_of(problem, tuple(names), (row,))


def _problem(problem: Problem, steps: Steps, lead: Lead, type_: str) -> dict[str, AnyArray]:
    """Return the keys of the problem of one query of one head."""
    key_lead, rules = problem.key_lead(lead), problem.rules
    made: dict[str, AnyArray] = {"value": steps[value_end(problem)][key_lead]}
    scores = steps["scores"][lead]
    if problem.score.name in PRODUCTS and not problem.score.selection:
        made["query"] = steps[query_end(problem)][lead]
        made["key"] = steps[key_end(problem)][key_lead]
        made["score"] = np.array("scaled")
        made["scale"] = np.array(float(of_head(problem.scale, lead[-1] if problem.heads else 0)))
    else:
        made["score.function"] = np.array("given")
        made["score.scores"] = np.where(np.isfinite(scores), scores, 0)
    cap = next((each.cap for each in rules.adjustments if isinstance(each, Softcap)), None)
    if cap is not None:
        made["softcap"] = np.array(float(cap))
    if "biased" in steps:
        made["score_bias"] = _added(steps, lead)
    if "visible" in steps:
        made["mask.values"] = steps["visible"][lead] == 0
        made["mask.true_means"] = np.array("attend")
    made |= _normaliser(problem, lead)
    if type_ != "float64":
        made["dtype"] = np.array(type_)
    return made


def _added(steps: Steps, lead: Lead) -> AnyArray:
    """Return the biases of a row: the scores with them less those without."""
    before = steps["capped"] if "capped" in steps else steps["scores"]
    with np.errstate(invalid="ignore"):
        added: AnyArray = (steps["biased"] - before)[lead]
    return np.where(np.isfinite(added), added, 0)


def _normaliser(problem: Problem, lead: Lead) -> dict[str, AnyArray]:
    """Return the keys of the normaliser, its temperature and what it keeps."""
    rules = problem.rules
    head = lead[-1] if problem.heads else 0
    made: dict[str, AnyArray] = {"normalize.function": np.array(rules.normalizer.name)}
    arrays = {p.name for p in rules.normalizer.parameters if p.kind == "array"}
    for name, value in rules.parameters.items():
        if name in arrays:
            made[f"normalize.{name}"] = np.atleast_1d(np.float64(value[head]))
        else:
            made[f"normalize.{name}"] = np.array(float(value))
    if rules.temperature is not None:
        made["temperature"] = np.array(float(of_head(rules.temperature, head)))
    if rules.top_k is not None:
        made["top_k"] = np.array(int(rules.top_k))
    return made


def _there(pair: Pair, lead: Lead, row: int) -> dict[str, AnyArray]:
    """Return the observed steps of the query, from the scores on."""
    found = {}
    specs = pipeline(pair.problem)
    after = downstream(specs.values(), "context")
    names = tuple(
        n
        for n in pair.names
        if (specs[n].scope == BLOCK and n != "products") or (n in after and n != "concat")
    )
    values = pair.observed.rows(names, np.array([row]))
    for name in names:
        axes = pair.chosen.shapes[name].axes
        own = tuple(at for axis, at in zip(problem_axes(pair), lead, strict=True) if axis in axes)
        if len(own) == len(lead):  # a step of joined heads is of all of them
            found[name] = values[name][own]
    return found


def problem_axes(pair: Pair) -> tuple[str, ...]:
    """Return the leading axes of the problem."""
    return pair.problem.lead_axes
