"""A stage: one row of data for each step that a computation can have.

A stage holds everything about its step: the steps that it reads, its axes and their lengths, its
type and role, its formula, and the function that computes it. Most of that depends on the problem
(keys may be normed, then rotated, or neither), so a row has functions of a problem; `Stage.of`
resolves them to a `StepSpec`. `maths.pipeline` has the table of all rows, and the stages of a
problem in order.

The scope is the unit for which a step is computed. It determines the first argument of `apply`,
which is followed by the values of the steps that the stage reads (`READABLE`: of which scopes):

    PROBLEM   once                                               apply(problem, ...)
    QUERIES   the query rows of one query head                   apply(side, ...)
    KEYS      the keys of one key head                           apply(side, ...)
    BLOCK     some queries of one head against a range of keys   apply(block, ...)
    ROWS      some queries of one head                           apply(rows, ...)
    JOINED    some queries, the heads side by side if the problem joins them
                                                                 apply(rows, ...)
    POOLED    one batch entry                                    apply(rows, ...)

QUERIES and KEYS get no values of PROBLEM steps: they take their rows from the problem. A BLOCK
stage gets the rows of its block; it can read a step of keys only if that has the keys of the past
too. A JOINED stage gets one argument per joined head for a step of BLOCK or ROWS.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from attn_cli.arrays import AnyArray, Integers
from attn_cli.dataclass import dataclass
from attn_cli.floats import FloatType
from attn_cli.formula import Equation, Formula, Symbol
from attn_cli.maths.precision import Precision

if TYPE_CHECKING:
    from attn_cli.maths.problem import Problem
    from attn_cli.maths.visible.base import Lead

PROBLEM, QUERIES, KEYS, BLOCK = "problem", "queries", "keys", "block"
ROWS, JOINED, POOLED = "rows", "joined", "pooled"
SCOPES = (PROBLEM, QUERIES, KEYS, BLOCK, ROWS, JOINED, POOLED)

# The scopes whose steps a stage of a scope can read. Of BLOCK, ROWS and JOINED can read the context
# alone; of JOINED, POOLED can read the last step of rows alone, as the mean of the pooled rows.
READABLE: Mapping[str, frozenset[str]] = {
    PROBLEM: frozenset({PROBLEM}),
    QUERIES: frozenset({PROBLEM, QUERIES}),
    KEYS: frozenset({PROBLEM, KEYS}),
    BLOCK: frozenset({QUERIES, KEYS, BLOCK}),
    ROWS: frozenset({PROBLEM, BLOCK, ROWS}),
    JOINED: frozenset({PROBLEM, BLOCK, ROWS, JOINED}),
    POOLED: frozenset({JOINED, POOLED}),
}

# The meaning of a step's numbers: features of a token; any real number per query and key; a share,
# mostly in [0, 1]; the number of a reason; a share of all words.
VECTOR, SCORE, WEIGHT, CODE, PROBABILITY = "vector", "score", "weight", "code", "probability"
ROLES = (VECTOR, SCORE, WEIGHT, CODE, PROBABILITY)

# The axes of steps, without those of batch entries and heads.
OF_TOKENS = ("token", "dimension")
OF_QUERIES = ("query", "dimension")
OF_KEYS = ("key", "dimension")
OF_PAIRS = ("query", "key")
PER_QUERY = ("query",)

Reads = tuple[str, ...]
# Replaces the values of a step: is called with the first argument of `Stage.apply` and the values.
Alter = Callable[[Any, AnyArray], AnyArray]


def of_dtype(precision: Precision) -> FloatType:
    """Return the type of most steps."""
    return precision.dtype


def of_scores(precision: Precision) -> FloatType:
    """Return the type of the steps from the products to the last of the scores."""
    return precision.scores


def define(name: str, formula: Formula) -> Formula:
    """Return the formula of a step by its name: name = formula."""
    return Equation(Symbol(name), formula)


def never(_: Problem) -> bool:
    """Return False: the step has the keys of the past too."""
    return False


@dataclass(frozen=True)
class Side:
    """The queries of one query head, or the keys of one key head, of one batch entry."""

    problem: Problem
    lead: Lead
    rows: Integers | slice  # the numbers of the rows; of keys all


@dataclass(frozen=True)
class Rows:
    """Some queries of one head, or of all heads that are joined; or those that are pooled."""

    problem: Problem
    batch: int
    head: int  # 0 for joined heads
    i: Integers  # the numbers of the query rows


class Stage(NamedTuple):
    """One row: the properties of a step in all problems, and functions for those of one problem."""

    name: str
    meaning: str  # in one line
    usual: Callable[[], Formula]  # its formula in most problems, for the catalogue
    scope: str
    axes: tuple[str, ...]  # without batch and head
    shape: tuple[str, ...]  # of these axes, as symbols
    role: str
    may_read: Reads  # the steps that it reads in one problem or another
    reads: Callable[[Problem], Reads | None]  # in this problem; None: the problem lacks the step
    formula: Callable[[Problem], Formula]  # as the problem resolves it
    depth: Callable[[Problem, Mapping[str, StepSpec]], int]  # the length of the last axis
    apply: Callable[..., AnyArray]
    type: Callable[[Precision], FloatType] = of_dtype  # of a CODE: 8-bit integers
    condition: str = ""  # the condition under which a problem has it; empty: always
    aliases: tuple[str, ...] = ()  # its other names in use, in lower case
    letter: str = ""  # of a VECTOR: the name of its features in tables, before their numbers
    aside: bool = False  # in tables only if it is named; in formats for programs always
    by_name: bool = False  # in any format only if it is named
    watched: bool = False  # whether it is checked for finite values even if it is not shown
    marked: bool = False  # whether tables mark its hidden keys; of blocks, from the scores on
    new_keys: Callable[[Problem], bool] = never  # whether it has the new keys alone, not the past
    # Its formula if some row is shifted by its largest score; None: no row ever is.
    shifted_formula: Callable[[Problem], Formula] | None = None

    def __reduce__(self) -> tuple[Callable[[str], Stage], tuple[str]]:
        """Pickle as the name: lambdas cannot be pickled."""
        return _named, (self.name,)

    def of(self, problem: Problem, before: Mapping[str, StepSpec], reads: Reads) -> StepSpec:
        """Return the step of a problem; `before` has the specifications of the steps it reads."""
        return StepSpec(
            stage=self,
            name=self.name,
            scope=self.scope,
            axes=self.axes,
            reads=reads,
            depth=self.depth(problem, before),
            type=None if self.role == CODE else self.type(problem.precision),
            new_keys=self.new_keys(problem),
            problem=problem,
            alter=problem.altered.get(self.name),
        )


def _named(name: str) -> Stage:
    from attn_cli.maths.pipeline import STAGES

    return next(stage for stage in STAGES if stage.name == name)


@dataclass(frozen=True)
class StepSpec:
    """A step of one problem before it is computed."""

    stage: Stage
    name: str
    scope: str  # one of SCOPES
    axes: tuple[str, ...]  # without batch and head
    reads: Reads
    depth: int
    type: FloatType | None
    new_keys: bool
    problem: Problem | None  # None after pickling, which stores the formula instead
    written: Formula | None = None
    alter: Alter | None = None  # what replaces its values; None in every problem as it was read

    @property
    def formula(self) -> Formula:
        """The formula for this problem, built on first use."""
        if self.written is not None:
            return self.written
        assert self.problem is not None  # it was not pickled
        return self.stage.formula(self.problem)

    @property
    def shifted_formula(self) -> Formula:
        """The formula if some rows are shifted."""
        assert self.problem is not None
        assert self.stage.shifted_formula is not None  # the stage has rows that may be shifted
        return self.stage.shifted_formula(self.problem)

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the formula instead of the problem, whose arrays may be large."""
        return {**vars(self), "problem": None, "written": self.formula}

    def apply(self, *arguments: Any) -> AnyArray:
        """Return the values, rounded to the step's type; see the module for the arguments."""
        return self.rounded(self.exact(*arguments))

    def exact(self, *arguments: Any) -> AnyArray:
        """Return the values before they are rounded to the step's type."""
        values = self.stage.apply(*arguments)
        return values if self.alter is None else self.alter(arguments[0], values)

    def rounded(self, values: AnyArray) -> AnyArray:
        """Return values in the step's type."""
        return values if self.type is None else self.type.round(values)


def closure(specs: Iterable[StepSpec], wanted: Collection[str]) -> frozenset[str]:
    """Return the names of the wanted steps and of all that they are computed from."""
    found = set(wanted)
    for spec in reversed(tuple(specs)):
        if spec.name in found:
            found.update(spec.reads)
    return frozenset(found)


# Specifications in the order computed, each with the steps that no later one reads.
Schedule = tuple[tuple[StepSpec, tuple[str, ...]], ...]


def schedule_of(specs: Sequence[StepSpec], wanted: Collection[str]) -> Schedule:
    """Return the steps to compute for the wanted ones, each with those not read after it."""
    return schedule_of_needed(specs, closure(specs, wanted))


def schedule_of_needed(specs: Sequence[StepSpec], needed: Collection[str]) -> Schedule:
    """Return the schedule of the needed steps; all that they read is needed too."""
    due = [spec for spec in specs if spec.name in needed]
    finished: dict[str, list[str]] = {spec.name: [] for spec in due}
    for name, reader in {name: s.name for s in due for name in (s.name, *s.reads)}.items():
        finished[reader].append(name)
    return tuple((spec, tuple(finished[spec.name])) for spec in due)


def downstream(specs: Iterable[StepSpec], name: str) -> frozenset[str]:
    """Return the name of a step and of all steps that are computed from it."""
    found = {name}
    for spec in specs:
        if not found.isdisjoint(spec.reads):
            found.add(spec.name)
    return frozenset(found)
