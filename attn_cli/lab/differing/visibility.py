"""Which keys each query sees there, compared with those it sees here.

It is read from the first of these that there is:

    visible   the codes of attn
    masked    hidden keys are at -inf, or at a number far below all scores (-1e4, -65504, -1e9)
    weights   exactly 0; not for a weight that its type cannot hold, nor of a normaliser whose
              weights can be 0 for a key that is seen
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from attn_cli.arrays import AnyArray, Bools, Integers
from attn_cli.floats import FLOAT_TYPES
from attn_cli.lab.altered import Steps
from attn_cli.maths.problem import Problem
from attn_cli.maths.visible.base import REASONS

FINITE_FILL = 5000.0  # below the smallest score: a hidden key, whose weight is 0 in any type
NO_SCHEME = tuple(REASONS.index(reason) for reason in ("sparse", "top_k"))  # they follow the scores


class Sight(NamedTuple):
    """Which keys are seen: (batch, heads, rows, n_k), and for which pairs that is certain."""

    seen: Bools
    known: Bools
    source: str  # the step that says so


class Contrast:
    """The cells that one side alone sees: how many, and the first with its reason."""

    def __init__(self) -> None:
        self.cells = self.compared = 0
        self.by_reason: Counter[tuple[str, bool]] = Counter()  # reason here, whether there sees
        self.first: dict[tuple[str, bool], tuple[int, ...]] = {}
        self.rows: set[tuple[int, ...]] = set()
        self.per_row: Counter[int] = Counter()  # cells that differ in a row -> rows
        self.source = ""

    def add(self, rows: Integers, codes: AnyArray, sight: Sight) -> None:
        """Take some rows: the codes here, and the keys seen there."""
        self.source = sight.source
        off = (sight.seen != (codes == 0)) & sight.known
        self.compared += int(np.count_nonzero(sight.known))
        count = int(np.count_nonzero(off))
        if not count:
            return
        self.cells += count
        in_row = off.sum(axis=-1)
        self.per_row.update(int(number) for number in in_row[in_row > 0].tolist())
        for code in np.unique(codes[off]):
            for seen in (False, True):
                where = off & (codes == code) & (sight.seen == seen)
                number = int(np.count_nonzero(where))
                if not number:
                    continue
                kind = (REASONS[int(code)], seen)
                self.by_reason[kind] += number
                if kind not in self.first:
                    batch, head, row, key = np.unravel_index(int(where.argmax()), where.shape)
                    self.first[kind] = (int(batch), int(head), int(rows[row]), int(key))

    @property
    def leading(self) -> tuple[str, bool]:
        """The kind with the most cells."""
        return self.by_reason.most_common(1)[0][0]


def codes_here(problem: Problem, here: Steps, rows: Integers) -> AnyArray:
    """Return the codes of hidden keys: (batch, heads, rows, n_k)."""
    shape = _shape(problem, len(rows))
    if "visible" not in here:
        return np.zeros(shape, np.uint8)
    return here["visible"].reshape(shape)


def sight_there(
    problem: Problem, there: Steps, expected: Steps, codes: AnyArray, types: Mapping[str, str]
) -> Sight | None:
    """Return which keys are seen there; None if no step there says so.

    `expected` has the exact steps here, for what a type cannot hold.
    """
    shape = codes.shape
    known = ~np.isin(codes, NO_SCHEME)
    if "visible" in there:
        seen = there["visible"].reshape(shape) == 0
        return Sight(seen, known, "visible")
    if "masked" in there:
        scores = there["masked"].reshape(shape)
        finite = scores[np.isfinite(scores) & (codes == 0)]
        least = float(finite.min()) if finite.size else 0.0
        floor = min(_least(expected, shape, codes), least if least > -FINITE_FILL else 0.0)
        return Sight(scores > floor - FINITE_FILL, known & ~np.isnan(scores), "masked")
    if "weights" not in there or problem.rules.normalizer.log_sum is None:
        return None
    weights, right = there["weights"].reshape(shape), expected["weights"].reshape(shape)
    type_ = FLOAT_TYPES[types.get("weights", "float32")]
    tiny = 4 * float(np.finfo(type_.carrier).smallest_normal) if type_.name != "float16" else 2e-7
    seen = weights != 0
    certain = seen | (right > tiny)
    of_rows = (codes == 0).any(axis=-1, keepdims=True) & ~np.isnan(weights).any(-1, keepdims=True)
    return Sight(seen, known & certain & of_rows, "weights")


def _least(expected: Steps, shape: tuple[int, ...], codes: AnyArray) -> float:
    """Return the smallest score of a key that is seen here."""
    if "masked" not in expected:
        return 0.0
    scores = expected["masked"].reshape(shape)
    finite = scores[np.isfinite(scores) & (codes == 0)]
    return float(finite.min()) if finite.size else 0.0


def completed(sight: Sight, codes: AnyArray) -> Bools:
    """Return which keys are seen there, as here for pairs that are not certain."""
    seen: Bools = np.where(sight.known, sight.seen, codes == 0)
    return seen


def _shape(problem: Problem, rows: int) -> tuple[int, ...]:
    return (problem.batch or (1,))[0], problem.heads or 1, rows, problem.n_k


def in_words(contrast: Contrast, problem: Problem, here: str, there: str) -> str:
    """Return `A hides (2, 5): window; B sees it`, with the number of rows."""
    reason, seen = contrast.leading
    place = contrast.first[reason, seen]
    shown = place_text(problem, place)
    if seen:
        first = f"{here} hides {shown}: {reason}; {there} sees it"
    else:
        first = f"{here} sees {shown}; {there} hides it"
    rows = sum(contrast.per_row.values())
    often, _ = contrast.per_row.most_common(1)[0]
    if len(contrast.per_row) == 1 and len(contrast.by_reason) == 1:
        many = f"{rows} row{'s see' if rows > 1 else ' sees'} {_keys(often)} {_more(seen)} there"
    else:
        many = f"{contrast.cells} cells differ, in {rows} row{'s' if rows > 1 else ''}"
    return f"{first} ({many})"


def _keys(count: int) -> str:
    return "one key" if count == 1 else f"{count} keys"


def _more(seen: bool) -> str:
    return "more" if seen else "fewer"


def place_text(problem: Problem, place: tuple[int, ...]) -> str:
    """Return (query, key), after batch entry and head if there are several."""
    batch, head, row, key = place
    lead = []
    if (problem.batch or (1,))[0] > 1:
        lead.append(f"batch {batch}")
    if (problem.heads or 1) > 1:
        lead.append(f"head {head}")
    return f"({row}, {key})" + (f" of {', '.join(lead)}" if lead else "")
