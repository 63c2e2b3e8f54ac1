"""The interfaces of an engine, and of the sinks for the steps that it computes.

    problem, plan -> engine -> Watch -> sink

An engine computes the steps of a plan and puts each into a sink, part by part. A `Watch` between
the two checks every value on its way to any sink. Imported for type annotations only.
"""

from __future__ import annotations

from typing import Protocol

from attn_cli.arrays import AnyArray, Integers
from attn_cli.engine.estimate import Estimate
from attn_cli.engine.plan import Plan
from attn_cli.engine.threads import Workers
from attn_cli.engine.watch import Watch
from attn_cli.maths.block import StepValues
from attn_cli.maths.problem import Problem
from attn_cli.maths.visible.base import Lead


class Sink(Protocol):
    """Takes the values of steps: `Store` holds a record in memory, `Stream` writes one step.

    Both methods are called from one thread.
    """

    def wants(self, step: str) -> bool:
        """Return whether the sink takes values of a step."""

    def put(self, lead: Lead, made: StepValues, rows: Integers | None = None) -> None:
        """Take values of a step of a batch entry and head; of a batch entry if heads are joined.

        `rows` are the positions of the queries that the values are of, ascending; None for a step
        without an axis of queries. Values of pairs have every key. No value is put twice.
        """


class Target(Protocol):
    """Where `Stream` writes the values of a step: a file, or an ordered stream of bytes."""

    @property
    def anywhere(self) -> bool:
        """Whether values may be written in any order; otherwise in row-major order only."""

    def write(self, start: int, values: AnyArray) -> None:
        """Write values that are consecutive in row-major order; `start` is the index of the first.

        They are contiguous in memory; the target neither keeps nor changes them.
        """


class Engine(Protocol):
    """Computes the steps of any plan that it does not refuse.

    It is registered in `engines.ENGINES`, and `tests/conformance` runs it over every case.
    """

    @property
    def name(self) -> str:
        """The name of the engine, in the registry and in the settings of a record."""

    @property
    def tolerance(self) -> float:
        """The largest difference from the definition in float64, for numbers of about 1."""

    def refuses(self, problem: Problem, plan: Plan) -> str | None:
        """Return why it cannot compute a plan, as a sentence; None if it can."""

    def run(self, problem: Problem, plan: Plan, out: Watch, workers: Workers) -> None:
        """Compute the steps of a plan that it does not refuse, and put them into `out`."""

    def estimate(self, problem: Problem, plan: Plan) -> Estimate:
        """Return time and memory of a plan, without the memory that the sink holds."""
