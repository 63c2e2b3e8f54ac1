"""Where queries and keys are, from the settings of a record: for a problem and for what is stored.

Positions of keys are always known. Those of queries mean something only if queries are among the
keys: in self-attention, or if a setting puts them there (causal order, a window, a past, ...).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from attn_cli.arrays import Integers
from attn_cli.dataclass import dataclass

# Settings that depend on where queries are among the keys.
_PLACING = ("causal", "window", "documents", "past", "rope")


@dataclass(frozen=True)
class Positions:
    """The positions of the keys of each batch entry, and those of queries if they are known."""

    keys: tuple[Integers, ...]
    queries: tuple[Integers, ...] | None

    def of_keys(self, batch: int) -> Integers:
        """Return the positions of all keys of a batch entry."""
        return self.keys[batch if len(self.keys) > 1 else 0]

    def of_queries(self, batch: int, rows: Integers) -> Integers | None:
        """Return the positions of some queries of a batch entry; None if they are not known."""
        if self.queries is None:
            return None
        return self.queries[batch if len(self.queries) > 1 else 0][rows]


def positions_of(settings: Mapping[str, Any], n_q: int, n_k: int, *, cross: bool) -> Positions:
    """Return the positions that settings have; without any, token i is at i.

    The settings may be of more batch entries and queries than there are: those that were requested
    are taken. `cross`: whether keys are other tokens than queries, as far as words and numbers say.
    """
    if "key_positions" not in settings:
        return Positions((np.arange(n_k),), None if cross else (np.arange(n_q),))
    keys, queries = (_entries(settings.get(f"{side}_positions")) for side in ("key", "query"))
    rows = settings.get("rows")
    if isinstance(rows, list) and len(rows) == n_q and all(max(rows) < len(q) for q in queries):
        queries = tuple(positions[rows] for positions in queries)
    batch = settings.get("batch")
    if isinstance(batch, int):
        keys, queries = keys[batch : batch + 1], queries[batch : batch + 1]
    fits = all(len(k) == n_k for k in keys) and all(len(q) == n_q for q in queries)
    if not (keys and queries and fits):  # a file that others wrote
        return Positions((np.arange(n_k),), None)
    return Positions(keys, queries if not cross or _placed(settings) else None)


def warnings_of_statistics(warnings: Iterable[str]) -> tuple[str, ...]:
    """Return the warnings of a record, without the one that `offset` has no effect on steps.

    It has one on statistics: distances are measured from where it puts the queries.
    """
    return tuple(each for each in warnings if not each.startswith("offset has no effect"))


def _placed(settings: Mapping[str, Any]) -> bool:
    """Return whether a setting puts queries among the keys."""
    offset = settings.get("offset")
    shifted = any(offset) if isinstance(offset, list) else bool(offset)
    return shifted or any(settings.get(name) is not None for name in _PLACING)


def _entries(runs: Any) -> tuple[Integers, ...]:
    """Return the positions of each batch entry from their runs; none if they are not runs."""
    if not isinstance(runs, list) or not runs:
        return ()
    nested = isinstance(runs[0], list) and bool(runs[0]) and isinstance(runs[0][0], list)
    try:
        return tuple(
            np.concatenate([np.arange(first, last + 1) for first, last in entry])
            for entry in (runs if nested else [runs])
        )
    except (TypeError, ValueError):
        return ()
