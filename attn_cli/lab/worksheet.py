"""A record as a worksheet: without the numbers of some steps, and of all that follow them."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from attn_cli.dataclass import dataclass, replace
from attn_cli.errors import AttnError, did_you_mean, printable
from attn_cli.record import Record, Step


@dataclass(frozen=True)
class Worksheet:
    """A record with blank steps, to be printed as a page of at most `limit` bytes."""

    record: Record
    limit: int = 0

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warnings of the computation, which are not on the page."""
        return self.record.warnings

    def without_warnings(self) -> Worksheet:
        """Return the worksheet, of which no warning is said."""
        return replace(self, record=replace(self.record, warnings=()))


def worksheet(record: Record, blank: Collection[str], shown: Collection[str] | None) -> Record:
    """Return the record in which these steps have no numbers, nor have the steps read from them.

    A step that a blank one is equal to by definition is blank too, unless it is an input. Steps
    among `shown`, which were named, keep their numbers unless they are in `blank`. Marks of the
    largest, reasons of hidden cells and answers go with the numbers. Raises AttnError for a step
    that the record does not have.
    """
    for name in blank:
        if name not in record.steps:
            raise AttnError(
                f"there is no step '{printable(name)}' to leave empty",
                help=did_you_mean(name, record.steps, what="there are", listed=True),
            )
    kept = set(shown or ()) - set(blank)
    begun = set(blank)
    for name in reversed(list(record.steps)):
        same = record.repeats.get(name)
        if name in begun and same is not None and record.steps[same].reads:
            begun.add(same)
    empty: set[str] = set()
    for name, step in record.steps.items():
        if name in begun or (name not in kept and not empty.isdisjoint(step.reads)):
            empty.add(name)
    steps = {n: _emptied(step) if n in empty else step for n, step in record.steps.items()}
    repeats = {n: of for n, of in record.repeats.items() if n not in empty and of not in empty}
    return replace(record, steps=steps, repeats=repeats, answer=None, text=None, choices=())


def _emptied(step: Step) -> Step:
    nothing = np.full(step.values.shape, np.nan)
    return replace(step, values=nothing, peaks=None, hidden=None, legend=(), blank=True)
