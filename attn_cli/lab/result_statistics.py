"""Statistics of weights that were computed before: of attn's JSON or NPZ, or of an array alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from attn_cli.arrays import AnyArray
from attn_cli.floats import FLOAT_TYPES
from attn_cli.lab.drawing import Chosen, rows_of
from attn_cli.lab.placed import positions_of
from attn_cli.lab.result_drawing import Unchecked, in_order, refuse_beyond
from attn_cli.lab.sampling import sampled
from attn_cli.lab.statistics import Labelled, Statistics, Tally, finished, not_weights
from attn_cli.maths.stage import OF_PAIRS, WEIGHT
from attn_cli.maths.visible.base import CODES
from attn_cli.reading.results import Result

BLOCK = 8 << 20  # bytes of the rows that are read at a time
# Settings that hide keys; of a record without `visible`, one of these may have hidden some.
_HIDING = ("causal", "window", "key_lengths", "key_start", "documents", "mask", "top_k")


def of_result(
    result: Result, chosen: Chosen, *, per_query: bool = False, exact: bool = False
) -> Statistics:
    """Return the statistics of a step; some queries stand for all if it is very large.

    Raises AttnError for a step that is not one of weights, and for what it lacks of `chosen`.
    """
    if result.role != WEIGHT or set(result.axes[-2:]) != set(OF_PAIRS):
        raise not_weights(result.step, result.role)
    result = in_order(result)
    n_q, n_k = result.values.shape[-2:]
    leads = list(product(*_indices(result, chosen)))
    rows = rows_of(chosen.rows, "query", n_q)
    taken = range(len(rows)) if exact else sampled(len(rows), n_k, len(leads))
    rows = rows[taken.start : taken.stop : taken.step]
    numbers = _numbers(result.settings, n_q)
    cross = result.cross and (numbers == range(n_q) or not _among(result, numbers))
    tally = Tally(
        positions_of(result.settings, n_q, n_k, cross=cross),
        batched="batch" in result.axes,
        eps=_eps(result),
        known=result.visible is not None or _sees_all(result.settings),
    )
    warnings = _fill(tally, result, leads, rows)
    return finished(
        tally,
        Labelled(result.axes[:-2], result.labels[-2], result.labels[-1], numbers),
        per_query=per_query,
        step=result.step,
        formula=result.formula,
        shape=tuple(result.values.shape),
        stride=taken.step,
        settings=result.settings,
        warnings=(*result.warnings, *warnings),
    )


def _indices(result: Result, chosen: Chosen) -> list[Sequence[int]]:
    """Return the indices along each leading axis; AttnError for one that there is not."""
    sizes = result.values.shape
    wanted = {"batch": None if chosen.batch is None else (chosen.batch,), "head": chosen.heads}
    for axis, indices in wanted.items():
        for index in indices or ():
            refuse_beyond(axis, index, result.axes[:-2], sizes, result.step)
    pairs = zip(result.axes[:-2], sizes, strict=False)
    return [wanted.get(axis) or range(size) for axis, size in pairs]


def _numbers(settings: Mapping[str, Any], n_q: int) -> Sequence[int]:
    """Return the numbers of the queries among all of the problem, of which some were requested."""
    rows = settings.get("rows")
    return rows if isinstance(rows, list) and len(rows) == n_q else range(n_q)


def _among(result: Result, numbers: Sequence[int]) -> bool:
    """Return whether each query has the word of the key of its number."""
    queries, keys = result.labels[-2:]
    pairs = zip(numbers, queries, strict=True)
    return all(number < len(keys) and keys[number] == word for number, word in pairs)


def _eps(result: Result) -> float:
    """Return the rounding of the weights: of the type that settings name, else of the array."""
    named = FLOAT_TYPES.get(str(result.settings.get("dtype")))
    if named is not None:
        return named.eps
    dtype = result.values.dtype
    return float(np.finfo(dtype).eps) if dtype.kind == "f" else 0.0


def _sees_all(settings: Mapping[str, Any]) -> bool:
    """Return whether no key can be hidden, as far as settings say: there must be some."""
    if not settings or any(settings.get(name) is not None for name in _HIDING):
        return False
    score = settings.get("score")
    return isinstance(score, dict) and "sparse" not in str(score) and not settings.get("order")


def _fill(
    tally: Tally, result: Result, leads: Iterable[tuple[int, ...]], rows: range
) -> tuple[str, ...]:
    """Read the rows of a result into a tally; return the warnings."""
    watch, codes = Unchecked(result), _codes(result)
    height = max(BLOCK // (8 * result.values.shape[-1]), 1)
    for lead in leads:
        values = result.values[lead] if lead else result.values
        for first in range(0, len(rows), height):
            part = rows[first : first + height]
            at = np.array(part, dtype=np.intp)
            numbers = values[slice(part.start, part.stop) if rows.step == 1 else at]
            if numbers.dtype.kind != "f":
                numbers = numbers.astype(np.float64)
            hidden = None if codes is None else codes[lead][at]
            watch.look(lead, at, numbers, hidden)
            tally.add(lead, at, numbers, hidden)
    return watch.warnings()


def _codes(result: Result) -> AnyArray | None:
    """Return why keys are hidden, in the codes of this version."""
    if result.visible is None:
        return None
    other = CODES["mask"]
    known = [0, *(CODES.get(reason, other) for reason in result.legend[1:])]
    codes: AnyArray = np.array(known, dtype=np.uint8)[result.visible.astype(np.intp)]
    return codes
