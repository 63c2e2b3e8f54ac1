"""Problem + place -> derivation: the steps of one row are computed, and a line is made of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from attn_cli.dataclass import replace
from attn_cli.engine.plan import make_plan
from attn_cli.engine.run import run
from attn_cli.errors import AttnError, printable
from attn_cli.floats import FloatType
from attn_cli.lab.derivation.arithmetic import evaluate, names_in, present
from attn_cli.lab.derivation.choice import Asked, Chosen, choose
from attn_cli.lab.derivation.place import Query
from attn_cli.lab.derivation.result import Derivation, Line, Number, Slots, Template
from attn_cli.lab.derivation.row import row_of
from attn_cli.lab.derivation.sources import Found, Where
from attn_cli.lab.derivation.sources_pairs import SOURCES
from attn_cli.lab.derivation.templates import template_of
from attn_cli.maths.pipeline import pipeline
from attn_cli.maths.problem import Problem, Request
from attn_cli.maths.rows import last_of_rows
from attn_cli.maths.stage import JOINED, KEYS, OF_PAIRS, POOLED, PROBLEM, StepSpec, closure

DIMENSIONS = 8  # the most that have a line each, and the most terms that are written out
TERMS = 4  # that are written out of more
KEYS_EACH, KEYS_OF_MORE = 6, 3  # keys of a row that have lines: all of so many, or the largest
WORDS = 3  # that have a line each, of more than DIMENSIONS

# Steps that are given, or are reasons: they have lines only if they are asked for.
SILENT = frozenset(("embeddings", "positions", "visible"))
# Steps that lines and tables read, beyond those that the step is computed from.
READ = ("visible", "exp_scores", "exp_sum", "lse", "row_sums")
# Narrow types round each step: arithmetic that is this near to a value is its arithmetic.
NEAR = {"float64": 1e-9, "float32": 1e-4, "float16": 0.05, "bfloat16": 0.2}


def derive(problem: Problem, asked: Asked, step: str = "weights") -> Derivation:
    """Return how a step of one query comes about, for one key or for all of its row.

    Raises AttnError for a step, batch entry or head that the problem does not have, for a key of a
    step without an axis of keys, for another query than the one that is pooled, and if the row
    needs more memory than it may take.
    """
    if step not in pipeline(problem):
        make_plan(problem, Request(steps=(step,)))  # says which steps there are
    _check_key(problem, asked, step)
    if problem.n_q == 0:
        raise AttnError("there is no query to explain", help="the problem has no query row")
    chosen = choose(problem, _of_pooled(problem, asked, step))
    problem = problem.named(chosen.batch if problem.batch else None)
    query = _computed(problem, asked, chosen, step)
    lines = tuple(_lines(query, step, asked.key))
    index = {axis: getattr(chosen, axis) for axis in problem.lead_axes}
    words = {"query": query.query_word(chosen.query)}
    if asked.key is not None:
        words["key"] = query.key_word(asked.key)
    return Derivation(
        command="explain",
        step=step,
        formula=query.record.steps[step].formula,
        index={**index, "query": chosen.query} | ({} if asked.key is None else {"key": asked.key}),
        lead=() if query.specs[step].scope == PROBLEM else _lead(query, step),
        words={axis: word for axis, word in words.items() if axis in query.specs[step].axes},
        result=_result(query, step, asked.key),
        lines=lines,
        type=problem.precision.dtype.name,
        chosen=_said(query, step, chosen),
        settings=query.record.settings,
        warnings=query.record.warnings,
    )


def _check_key(problem: Problem, asked: Asked, step: str) -> None:
    """Raise AttnError if a key is asked for and the step has no axis of keys."""
    specs = pipeline(problem)
    if asked.key is None or "key" in specs[step].axes:
        return
    there = ", ".join(name for name, spec in specs.items() if "key" in spec.axes)
    raise AttnError(
        f"the step {step} has no axis of keys, so no key of it can be explained",
        help=f"name no key, or one of the steps with keys: {there}",
    )


def _of_pooled(problem: Problem, asked: Asked, step: str) -> Asked:
    """Return the question, with the query whose row is pooled if the step has only that row."""
    head = problem.next_word
    if pipeline(problem)[step].scope != POOLED or head is None or head.row is None:
        return asked
    if asked.query not in {None, head.row}:
        word = printable(problem.query_tokens[head.row])
        raise AttnError(
            f"the step {step} is computed from query {head.row} ('{word}') alone",
            help="name no query; next_word.pool says which query it is",
        )
    return replace(asked, query=head.row)


def _joins(query: Query, step: str) -> bool:
    """Return whether a step has the numbers of all heads together."""
    return query.problem.joined and query.specs[step].scope in {JOINED, POOLED}


def _lead(query: Query, step: str) -> tuple[str, ...]:
    joined = _joins(query, step)
    return tuple(axis for axis in query.problem.lead_axes if axis == "batch" or not joined)


def _said(query: Query, step: str, chosen: Chosen) -> str:
    """Return what was chosen; of a step of all heads also which head the lines are of."""
    lines = f"the lines before concat are those of head {chosen.head}"
    of_head = [lines] if _joins(query, step) else []
    return "; ".join([chosen.said, *of_head] if chosen.said else of_head)


def _result(query: Query, step: str, key: int | None) -> Number:
    """Return the value of the step: a number, a short vector, or () for a row and longer ones."""
    spec = query.specs[step]
    if spec.scope == PROBLEM or ("key" in spec.axes and key is None):
        return ()
    if spec.scope == KEYS and key is not None and key < query.first(step):
        return ()
    value = query.at(step, key=key)
    if np.ndim(value) == 0:
        return float(value)
    return tuple(map(float, value)) if len(value) <= DIMENSIONS else ()


def _computed(problem: Problem, asked: Asked, chosen: Chosen, step: str) -> Query:
    """Return the query with a record of all steps that its lines read."""
    specs = pipeline(problem)
    wanted = closure(specs.values(), {step, "context", "weights"}) | {*READ} & specs.keys()
    request = Request(
        steps=tuple(wanted),
        rows=(chosen.query,),
        batch=chosen.batch if problem.batch else None,
        head=chosen.head if problem.heads is not None else None,
        memory=asked.memory,
    )
    record = run(problem, request, command="explain")
    query = Query(problem, specs, record, chosen.batch, chosen.head, chosen.query)
    if specs[step].scope != POOLED or problem.next_word is None:
        return query
    last, rows = last_of_rows(problem), problem.next_word.rows(problem.n_q)
    every = run(problem, replace(request, steps=(last,), rows=tuple(map(int, rows))))
    values = every.steps[last]
    pooled = values.values if values.axes[-2] == "query" else values.values.T
    return replace(query, pooled_rows=pooled.astype(np.float64))


def _lines(query: Query, step: str, key: int | None) -> Iterator[Line]:
    """Yield the lines of a step, in the order computed."""
    names = closure(query.specs.values(), {step})
    if step == "weights":  # what they are for
        names |= {"context"} | ({"dropped"} & query.specs.keys())
    keys = _keys(query, key)
    last_of_pairs = "dropped" if "dropped" in names else "weights"
    for name, spec in query.specs.items():
        if name not in names or (name in SILENT and name != step):
            continue
        for where in _places(query, spec, keys):
            yield _line(query, spec, where)
        if name == last_of_pairs and query.seen.any() and not query.empty:
            yield row_of(query, names, key)


def _keys(query: Query, key: int | None) -> list[int]:
    """Return the keys of a row that have lines: the one asked for, all of few, or the largest."""
    if key is not None:
        return [key]
    taking = np.flatnonzero(query.seen)
    if len(taking) > KEYS_EACH:
        weights = np.nan_to_num(query.at("weights")[taking], nan=-np.inf)
        taking = np.sort(taking[np.argsort(-weights, kind="stable")[:KEYS_OF_MORE]])
    if not len(taking) and query.problem.n_k:
        taking = np.array([0])  # the row is explained by one of its hidden keys
    return [int(each) for each in taking]


def _places(query: Query, spec: StepSpec, keys: list[int]) -> Iterator[Where]:
    """Yield the places of the lines of a step."""
    if spec.scope == PROBLEM:
        of_keys = [] if query.problem.cross or query.problem.past is not None else keys
        tokens = sorted({query.i, *of_keys})
        yield from (Where(token=t, n=n) for t in tokens for n in _dimensions(query, spec))
    elif spec.scope == KEYS:
        first = query.first(spec.name)
        new = [key for key in keys if key >= first]
        yield from (Where(key=key, n=n) for key in new for n in _dimensions(query, spec))
    elif spec.axes == OF_PAIRS:
        yield from (Where(key=key) for key in keys)
    elif len(spec.axes) == 1 and spec.scope != POOLED:
        yield Where()
    else:
        yield from (Where(n=n) for n in _dimensions(query, spec))


def _dimensions(query: Query, spec: StepSpec) -> list[int | None]:
    """Return the dimensions that have a line each; [None]: one line has them all."""
    if spec.axes[-1] == "word" and spec.depth > DIMENSIONS:
        likely = np.argsort(-query.at("logits"), kind="stable")[:WORDS]
        return [int(n) for n in np.sort(likely)]
    return list(range(spec.depth)) if spec.depth <= DIMENSIONS else [None]


def _line(query: Query, spec: StepSpec, where: Where) -> Line:
    """Return one line of a step."""
    result = query.at(spec.name, key=where.key, token=where.token)
    if where.n is not None:
        result = result[where.n]
    source = SOURCES.get(spec.name)
    found = Found() if source is None else source(query, where)
    words, index = _named(query, spec, where)
    template = template_of(spec.name, found.facts)
    if not _has_numbers(template, found.slots):  # a vector of many dimensions
        template = replace(template, kind="value", numbers="", note="")
    if words.get("reason") and spec.axes == OF_PAIRS and np.isneginf(result):
        template = replace(template, kind="hidden", numbers="", note="hidden by: <reason>")
    line = Line(
        template=template,
        step=spec.name,
        formula=query.record.steps[spec.name].formula,
        index=index,
        words=words,
        slots=_used(template, found.slots),
        result=float(result) if np.ndim(result) == 0 else tuple(map(float, result)),
        note=template.note,
    )
    return _checked(_shortened(line), query.problem)


def _named(query: Query, spec: StepSpec, where: Where) -> tuple[dict[str, str], dict[str, int]]:
    """Return the words that labels of a line use, and its place as numbers."""
    problem = query.problem
    words = {"query": query.query_word(query.i), "step": spec.name}
    index = {} if spec.scope == POOLED else {"query": query.i}
    if where.key is not None:
        words |= {"key": query.key_word(where.key), "reason": query.reason(where.key)}
        index["key"] = where.key
    if where.token is not None:
        words["token"], index = query.token_word(where.token), {"token": where.token}
    if spec.scope == KEYS:
        index.pop("query")
    if where.n is not None:
        axis = spec.axes[-1]
        index[axis] = where.n
        words["n"] = str(where.n)
        if axis == "word" and problem.next_word is not None:
            words["word"] = problem.next_word.vocabulary[where.n]
    return words, index


def _has_numbers(template: Template, slots: Slots) -> bool:
    """Return whether there is a number for each slot that is not optional."""
    patterns = (template.numbers, template.term, template.inner)
    needed = names_in(" ".join(present(pattern, slots) for pattern in patterns))
    return needed - {"terms", "inner"} <= slots.keys()


def _used(template: Template, slots: Slots) -> dict[str, Any]:
    """Return the slots that a template has a place for."""
    patterns = (template.numbers, template.term, template.inner, template.then, template.note)
    used = names_in(" ".join((*patterns, template.symbols)))
    return {
        name: slot if np.ndim(slot) else float(slot) for name, slot in slots.items() if name in used
    }


def _shortened(line: Line) -> Line:
    """Return a line with the terms that are written out: all of few, or the largest of many."""
    if line.tree is None or not line.template.term:
        return line
    arrays = {name: np.asarray(x) for name, x in line.slots.items() if np.ndim(x)}
    count = len(next(iter(arrays.values())))
    if count <= DIMENSIONS:
        return replace(line, count=count)
    terms = np.broadcast_to(evaluate(line.term, replace(line, count=count).slot), (count,))
    size = np.nan_to_num(np.abs(terms), nan=np.inf)
    kept = np.sort(np.argsort(-size, kind="stable")[:TERMS])
    left = np.ones(count, dtype=np.bool_)
    left[kept] = False
    slots = {**line.slots, **{name: x[kept] for name, x in arrays.items()}}
    rest = (count - TERMS, float(terms[left].sum()))
    return replace(line, slots=slots, count=TERMS, rest=rest)


def _checked(line: Line, problem: Problem) -> Line:
    """Return a line whose arithmetic gives its value; if it does not, the value alone.

    That happens if a value is infinite, or if a narrow type overflows on the way.
    """
    if line.tree is None:
        return line
    near = max(NEAR[type_.name] for type_ in types_of(problem))
    with np.errstate(all="ignore"):
        value = line.value()
        size = _size(line)
    result = float(np.asarray(line.result))
    # Rounding is relative to the largest number, but must not be all of the result.
    least = min(near * size, near * (1000 * abs(result) + 1))
    if np.array_equal(value, result, equal_nan=True) or abs(value - result) <= least:
        return line
    plain = replace(line.template, kind="value", numbers="", symbols=line.formula, note="")
    return replace(line, template=plain, slots={}, rest=None, note="")


def types_of(problem: Problem) -> tuple[FloatType, ...]:
    """Return the types that a line's numbers may be rounded to."""
    types = problem.precision
    return (types.dtype, types.scores, types.softmax, types.weighted_sum, types.accumulate)


def _size(line: Line) -> float:
    """Return the size of the largest numbers of a line, to which its rounding is relative."""
    numbers = [np.abs(np.asarray(x)).max(initial=0) for x in line.slots.values()]
    return float(max(numbers, default=0.0))
