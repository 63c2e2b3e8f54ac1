"""The batch entry, head and query of a derivation: unless given, those of the largest weight."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from attn_cli.arrays import Integers
from attn_cli.dataclass import dataclass
from attn_cli.engine.plan import plan_unheld
from attn_cli.engine.run import put_into
from attn_cli.maths.problem import Problem, Request
from attn_cli.maths.visible.base import Lead

if TYPE_CHECKING:
    from attn_cli.maths.block import StepValues

SAMPLED = 1 << 26  # weights: of more, evenly spaced queries are looked at


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What somebody asked for; None: whichever has the largest weight."""

    batch: int | None = None
    head: int | None = None
    query: int | None = None
    key: int | None = None  # None: the whole row
    memory: int | None = None


class Chosen(NamedTuple):
    """The place of a derivation, and a sentence about what was chosen for it."""

    batch: int
    head: int
    query: int
    said: str


def choose(problem: Problem, asked: Asked) -> Chosen:
    """Return the place; raise AttnError for a batch entry or head that there is not.

    Of equal weights the first counts.
    """
    rows = _rows(problem, asked)
    request = Request(
        steps=("weights",), rows=rows, batch=asked.batch, head=asked.head, memory=asked.memory
    )
    plan = plan_unheld(problem, request)
    open_axes = [
        name
        for name, size in zip(problem.lead_axes, problem.lead, strict=True)
        if size > 1 and getattr(asked, name) is None
    ]
    open_axes += ["query"] if asked.query is None and problem.n_q > 1 else []
    sink = _Largest(asked.key)
    if open_axes:
        put_into(problem, request, plan, sink)
    given = (asked.batch or 0, asked.head or 0, asked.query or 0)
    if sink.best is None:
        return Chosen(*given, "")
    batch, head = problem.entry(sink.lead)
    return Chosen(batch, head, sink.query, _said(problem, asked, open_axes, rows))


def _rows(problem: Problem, asked: Asked) -> tuple[int, ...] | None:
    """Return the queries that are looked at; None: all of them."""
    if asked.query is not None:
        return (asked.query,)
    weights = problem.n_q * problem.n_k * prod(problem.lead)
    if weights <= SAMPLED:
        return None
    count = max(1, SAMPLED * problem.n_q // weights)
    return tuple(range(0, problem.n_q, -(-problem.n_q // count)))


def _said(problem: Problem, asked: Asked, axes: list[str], rows: tuple[int, ...] | None) -> str:
    *others, last = axes
    what = f"{', '.join(others)} and {last}" if others else last
    which = (
        "whose weight is largest" if asked.key is not None else "whose largest weight is largest"
    )
    if rows is None or asked.query is not None:
        return f"the {what} {which}"
    step = rows[1] if len(rows) > 1 else problem.n_q
    return f"the {what} {which}, of one in {step} queries"


class _Largest:
    """A sink that keeps the place of the largest weight, or of the largest of one key."""

    def __init__(self, key: int | None) -> None:
        self._key = key
        self.best: float | None = None
        self.lead: Lead = ()
        self.query = 0

    def wants(self, step: str) -> bool:
        return step == "weights"

    def put(self, lead: Lead, made: StepValues, rows: Integers | None = None) -> None:
        assert rows is not None  # weights have queries
        values = made.values if self._key is None else made.values[:, self._key : self._key + 1]
        known = np.where(np.isnan(values), -np.inf, values)
        if made.seen is not None:
            seen = made.seen if self._key is None else made.seen[:, self._key : self._key + 1]
            known = np.where(seen, known, -np.inf)
        largest = known.max(axis=1, initial=-np.inf)
        at = int(largest.argmax()) if len(largest) else 0
        place = (lead, int(rows[at]))
        better = self.best is None or largest[at] > self.best
        if better or (largest[at] == self.best and place < (self.lead, self.query)):
            self.best, (self.lead, self.query) = float(largest[at]), place
