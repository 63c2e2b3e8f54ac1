"""The keys of one query side by side: products, scores, exponentials, weights, and their sums."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

import numpy as np

from attn_cli.arrays import Array, Integers
from attn_cli.lab.derivation.place import Query
from attn_cli.lab.derivation.result import Column, Row
from attn_cli.lab.derivation.sources_pairs import exponential, largest
from attn_cli.lab.derivation.templates import COLUMNS, ROW, TOTALS

KEYS = 14  # the most that all have a line in the table
LARGEST = 12  # that have one, of more keys


def row_of(query: Query, names: Collection[str], key: int | None) -> Row:
    """Return the table of a row, its columns those of the steps of these names."""
    weights = query.at("weights")
    shown, others = _shown(query, weights, key)
    columns = list(_columns(query, names, shown, others))
    heaviest = weights[query.seen].max(initial=-np.inf)
    marked = shown == key if key is not None else weights[shown] == heaviest
    codes = [query.reason(int(j)) for j in np.flatnonzero(~query.seen)] if len(weights) else []
    name = query.problem.rules.normalizer.name
    note = ROW.note if query.has("exp_scores") else ""
    return Row(
        template=ROW,
        step=ROW.step,
        formula=query.record.steps[ROW.step].formula,
        index={"query": query.i},
        words={
            "query": query.query_word(query.i),
            "normalize": {"none": "weights"}.get(name, name),
            "step": ROW.step,
        },
        slots={**exponential(query).slots, "largest": largest(query)} if note else {},
        result=(),
        note=note,
        heading="key",
        labels=tuple(query.key_word(int(j)) for j in shown),
        marked=tuple(np.flatnonzero(marked).tolist()),
        columns=tuple(columns),
        others=len(others),
        hidden=dict(Counter(reason for reason in codes if reason)),
    )


def _shown(query: Query, weights: Array, key: int | None) -> tuple[Integers, Integers]:
    """Return the keys that have a line, in order, and the others that take part."""
    taking = np.flatnonzero(query.seen)
    if len(taking) <= KEYS:
        return taking, taking[:0]
    order = np.argsort(-np.nan_to_num(weights[taking], nan=-np.inf), kind="stable")
    kept = set(taking[order[:LARGEST]].tolist())
    if key is not None and query.seen[key]:
        kept.add(key)
    shown = np.array(sorted(kept))
    return shown, np.setdiff1d(taking, shown)


def _columns(
    query: Query, names: Collection[str], shown: Integers, others: Integers
) -> list[Column]:
    """Return the columns; one that repeats the one before it is left out."""
    found: list[Column] = []
    for step, heading in COLUMNS.items():
        if not query.has(step) or step not in {*names, *TOTALS}:
            continue
        values = np.asarray(query.at(step))
        same = bool(found) and np.array_equal(values[shown], found[-1].values)
        if same and step not in TOTALS:
            continue
        total = TOTALS.get(step)
        found.append(
            Column(
                step=step,
                heading=_heading(query, heading),
                values=tuple(map(float, values[shown])),
                others=float(values[others].sum()) if total else None,
                beside=_beside(query, step),
                total=float(query.at(total)) if total else None,
            )
        )
    return found


def _heading(query: Query, heading: str) -> str:
    """Return the heading of a column; of exponentials with what they are of."""
    if not heading.startswith("exp"):
        return heading
    slots = exponential(query).slots
    divided = " / T" if "T" in slots else ""
    return f"exp(score{divided}{' - max' if 'm' in slots else ''})"


def _beside(query: Query, step: str) -> float | None:
    """Return the exponential of the sink."""
    if step != "exp_scores":
        return None
    slots = exponential(query).slots
    return float(np.exp(slots["sink"] - slots.get("m", 0.0))) if "sink" in slots else None
