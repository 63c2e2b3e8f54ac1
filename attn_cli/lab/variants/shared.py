"""The steps of many variants of one problem; stages that a variant does not touch run once.

    sample = Sample(base, ("output", "lse"), rows=(0, 5, 9), heads=(0, 2))
    sample.of(variant.of(base))["output"]     # (batch, 2 heads, 3 rows, d_v)

A variant does not touch a stage if all that the stage reads of its problem is the same object as in
the base. Then the queries, keys and values of the base are taken, and their products. The numbers
are those of the whole computation, bit for bit: the same functions run on the same blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from attn_cli.arrays import AnyArray, Integers
from attn_cli.dataclass import replace
from attn_cli.engine.definition import DefinedBlocks
from attn_cli.engine.entry import EntryBuilder, Schedules, Sides, prepared
from attn_cli.engine.following import Following
from attn_cli.engine.plan import UNLIMITED, Plan, make_plan
from attn_cli.engine.watch import NO_KEYS, Watch
from attn_cli.engine.whole import WholeSteps
from attn_cli.floats import FLOAT_TYPES
from attn_cli.lab.altered import Steps
from attn_cli.lab.noise import NARROW
from attn_cli.lab.variants.variant import Base
from attn_cli.maths.block import Entry, StepValues
from attn_cli.maths.pipeline import pipeline
from attn_cli.maths.problem import Problem, Request
from attn_cli.maths.scores.base import Block as ScoreBlock
from attn_cli.maths.scores.base import Parts
from attn_cli.maths.stage import JOINED, KEYS, POOLED, PROBLEM, QUERIES, StepSpec, closure
from attn_cli.maths.visible.base import Lead

# Of a problem, what its queries, keys and values depend on.
_INPUTS = ("query", "key", "value", "past", "qk_transform", "embeddings", "positions")
_SIZES = ("n_q", "batch", "heads", "kv_heads", "key_heads", "joined")
_BEFORE_BLOCKS = (PROBLEM, QUERIES, KEYS)
_SIDES = frozenset(("q", "k", "v"))


class Sample:
    """Some steps, rows and heads of a base, computed for any of its variants.

    `rows` and `heads` are ascending; None: all. A step that is computed from all heads has them
    all.
    """

    def __init__(
        self,
        base: Base,
        steps: Sequence[str],
        *,
        rows: Sequence[int] | None = None,
        heads: Sequence[int] | None = None,
    ) -> None:
        """Raise AttnError for a step that the base does not have."""
        self.base, self.steps = base, tuple(steps)
        chosen = None if rows is None else tuple(rows)
        request = Request(steps=self.steps, rows=chosen, memory=UNLIMITED)
        self._plan = make_plan(base.problem, request)
        joins = base.problem.joined and bool(self._wanted((JOINED, POOLED)))
        self._heads = None if joins or base.problem.heads is None else heads
        self._sides: dict[Lead, _Shared] = {}
        self._held_by: dict[str, bool] = {}  # type -> whether it holds all of q, k and v
        self._before = _Collected(self._wanted(_BEFORE_BLOCKS))

    def of(self, problem: Problem) -> Steps | None:
        """Return the steps of a variant's problem, in the order in which they are computed.

        None if it lacks one of the steps, or if one of them has other axes or sizes.
        """
        plan = self._plan_of(problem)
        if plan is None:
            return None
        found = _Collected(self.steps)
        with np.errstate(all="ignore"):  # a variant may overflow where the base does not
            self._compute(problem, plan, found)
        return {name: found.array(name, self._held(plan, name)) for name in self.steps}

    @cached_property
    def own(self) -> Steps:
        """The steps of the base itself."""
        found = self.of(self.base.problem)
        assert found is not None  # the plan was made for them
        return found

    def _wanted(self, scopes: Sequence[str]) -> tuple[str, ...]:
        return tuple(n for n in self.steps if self._plan.pipeline[n].scope in scopes)

    def _plan_of(self, problem: Problem) -> Plan | None:
        """Return the plan of a variant; None if its steps cannot be held beside the base's."""
        base, plan = self.base.problem, self._plan
        if problem is base:
            return plan
        if any(
            getattr(problem, n) != getattr(base, n) for n in ("n_q", "batch", "heads", "joined")
        ):
            return None
        specs = self._specs(problem)
        for name in self.steps:
            if name not in specs or not _alike(specs[name], plan.pipeline[name]):
                return None
        if self._wanted((KEYS,)) and problem.kv_heads != base.kv_heads:
            return None
        plan = replace(plan, pipeline=specs, needed=closure(specs.values(), self.steps))
        return plan if problem.key_heads == base.key_heads else _with_unread(problem, plan)

    def _specs(self, problem: Problem) -> Mapping[str, StepSpec]:
        """Return the steps of a variant; if they read the same as in the base, the needed ones."""
        found: dict[str, StepSpec] = {}
        for name, spec in self._plan.pipeline.items():
            if name not in self._plan.needed:
                continue
            reads = spec.stage.reads(problem)
            if reads != spec.reads:
                return pipeline(problem)
            found[name] = spec.stage.of(problem, found, reads)
        return found

    def _compute(self, problem: Problem, plan: Plan, found: _Collected) -> None:
        """Compute the steps of a plan, as `engine.blocks` does."""
        rows = slice(0, len(plan.computed))
        watch = _Unwatched(found)
        whole = WholeSteps(problem, plan.pipeline)
        for name in self._wanted((PROBLEM,)):
            watch.note(name, (), whole[name])
        entry = self._entries(problem, plan, found)
        defined = DefinedBlocks(problem, plan, watch)
        following = Following(problem, plan, watch, whole)
        for group, leads in plan.groups.items():
            entries = [entry(lead) for lead in leads if self._samples(lead)]
            if not (plan.any_of_rows and entries):
                continue
            following.begin()
            contexts = [
                following.of_head(each, defined.in_blocks(each, rows), rows) for each in entries
            ]
            following.add(group, plan.computed, contexts)
            following.end(group)

    def _samples(self, lead: Lead) -> bool:
        return self._heads is None or lead[-1] in self._heads

    def _entries(self, problem: Problem, plan: Plan, found: _Collected) -> Callable[[Lead], Entry]:
        """Return what prepares an entry of a variant, if possible from that of the base."""
        schedules = Schedules.of(plan.pipeline, plan.needed)
        if not self._same_inputs(problem, plan):
            return self._built(problem, plan, schedules, found).entry

        def shared(lead: Lead) -> Entry:
            sides = self._shared(lead)
            found.take(self._before)
            score = sides.score if self._same_scores(problem) else None
            return prepared(problem, lead, sides.sides, in_blocks=schedules.in_blocks, score=score)

        return shared

    def _shared(self, lead: Lead) -> _Shared:
        """Return queries, keys and values of the base, with its score function."""
        if lead not in self._sides:
            entry = self._builder.entry(lead)
            sides = Sides(entry.i, entry.of_queries, entry.of_keys)
            self._sides[lead] = _Shared(sides, _once(entry.score))
        return self._sides[lead]

    @cached_property
    def _builder(self) -> EntryBuilder:
        plan = self._plan
        schedules = Schedules.of(plan.pipeline, plan.needed)
        return self._built(self.base.problem, plan, schedules, self._before)

    def _built(
        self, problem: Problem, plan: Plan, schedules: Schedules, found: _Collected
    ) -> EntryBuilder:
        """Return a builder of entries; key heads that no query reads are computed already."""
        builder = EntryBuilder(problem, schedules, plan.computed, found.note)
        for lead in plan.unread if self._heads is None else ():
            builder.unread(lead)
        return builder

    def _same_inputs(self, problem: Problem, plan: Plan) -> bool:
        """Return whether q, k and v are those of the base, up to where they meet.

        Then blocks read the same steps of them, too.
        """
        base = self.base.problem
        compared = (*_INPUTS, *_SIZES, *(("rotated_at",) if problem.qk_transform.rope else ()))
        if not all(_same(getattr(problem, name), getattr(base, name)) for name in compared):
            return False
        altered = {**problem.altered, **base.altered}
        if any(
            problem.altered.get(name) is not base.altered.get(name)
            for name in altered
            if name not in plan.pipeline or plan.pipeline[name].scope in _BEFORE_BLOCKS
        ):
            return False
        return self._same_types(problem, plan)

    def _same_types(self, problem: Problem, plan: Plan) -> bool:
        """Return whether q, k and v are the same numbers in the types of a variant.

        So they are in another type that holds them all, if they are rounded once each; in wider
        types the terms of sums are moved, too.
        """
        if _same(problem.precision, self.base.problem.precision):
            return True
        name = problem.precision.dtype.name
        if name not in NARROW or not _SIDES.issuperset(
            n for n in plan.needed if plan.pipeline[n].scope in _BEFORE_BLOCKS
        ):
            return False
        if name not in self._held_by:
            leads = [lead for leads in plan.groups.values() for lead in leads]
            sides = [self._shared(lead).sides for lead in leads if self._samples(lead)]
            steps = [each for side in sides for each in (side.of_queries, side.of_keys)]
            arrays = {id(x): x for each in steps for x in each.values()}  # key heads are shared
            self._held_by[name] = all(_holds(name, x) for x in arrays.values())
        return self._held_by[name]

    def _same_scores(self, problem: Problem) -> bool:
        """Return whether the score function is that of the base, of the same q and k."""
        base = self.base.problem
        unscaled = problem.placement == base.placement == "scores"
        return unscaled and all(
            _same(getattr(problem, name), getattr(base, name)) for name in ("score", "parameters")
        )

    def _held(self, plan: Plan, name: str) -> Integers | None:
        """Return which of the computed rows a step holds; None: all, or it has no rows."""
        if "query" not in plan.pipeline[name].axes or len(plan.rows) == len(plan.computed):
            return None
        return np.searchsorted(plan.computed, plan.rows)


class _Shared(NamedTuple):
    """The queries, keys and values of an entry of the base, and its score function."""

    sides: Sides
    score: ScoreBlock


def _same(one: Any, other: Any) -> bool:
    """Return whether two parts of problems are the same; arrays are if they are one object."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if hasattr(one, "_form"):  # a dataclass
        return all(_same(getattr(one, name), getattr(other, name)) for name in vars(one))
    return isinstance(one, str | int | float | np.dtype) and bool(one == other)


def _once(score: ScoreBlock) -> ScoreBlock:
    """Return a score function that computes each block once."""
    made: dict[tuple[int, int, int, int], Parts] = {}

    def block(rows: slice, keys: slice) -> Parts:
        at = rows.start, rows.stop, keys.start, keys.stop
        if at not in made:
            made[at] = score(rows, keys)
        return made[at]

    return block


def _with_unread(problem: Problem, plan: Plan) -> Plan:
    """Return the plan with the key heads that no query head reads any more."""
    heads = sorted(set(range(problem.kv_heads or 0)) - set(problem.key_heads))
    return replace(plan, unread=tuple(product(*map(range, problem.batch), heads)))


def _alike(one: StepSpec, other: StepSpec) -> bool:
    """Return whether two steps of a name have the same axes and sizes."""
    return (one.scope, one.axes, one.depth) == (other.scope, other.axes, other.depth)


def _holds(name: str, values: AnyArray) -> bool:
    return np.array_equal(FLOAT_TYPES[name].round(values), values)


class _Unwatched(Watch):
    """Passes steps on to a sink as they are: a hypothesis may give what is not finite."""

    def __init__(self, found: _Collected) -> None:
        self._found, self.words = found, {}

    def put(
        self, lead: Lead, made: StepValues, rows: Integers | None = None, _keys: slice = NO_KEYS
    ) -> None:
        """Pass values on if the sink takes them."""
        self._found.note(made.name, lead, made.values, rows)

    def note(self, name: str, lead: Lead, values: AnyArray, rows: Integers | None = None) -> None:
        """Pass values on if the sink takes them."""
        self._found.note(name, lead, values, rows)


class _Collected:
    """The values of some steps, part by part."""

    def __init__(self, steps: Sequence[str]) -> None:
        self._parts: dict[str, dict[Lead, list[AnyArray]]] = {name: {} for name in steps}

    def note(self, name: str, lead: Lead, values: AnyArray, _rows: Integers | None = None) -> None:
        """Hold the values of a step, if it is one of these."""
        if name in self._parts:
            self._parts[name].setdefault(lead, []).append(values)

    def take(self, other: _Collected) -> None:
        """Hold all that another one does."""
        for name, parts in other._parts.items():
            if parts:  # steps of the whole problem are not in an entry
                self._parts[name] = parts

    def array(self, name: str, rows: Integers | None) -> AnyArray:
        """Return the values of a step: its leads, then its own axes; `rows` of the queries."""
        of_leads = self._parts[name]
        leads = sorted(of_leads)
        values = [_whole(of_leads[lead]) for lead in leads]
        if rows is not None:
            values = [each[rows] for each in values]
        sizes = tuple(len(set(numbers)) for numbers in zip(*leads, strict=True))
        return np.stack(values).reshape(*sizes, *values[0].shape)


def _whole(parts: list[AnyArray]) -> AnyArray:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
