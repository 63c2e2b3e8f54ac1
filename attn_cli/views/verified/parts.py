"""What the views of a verified function have in common, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from attn_cli.errors import printable
from attn_cli.lab.verifying.verified import RIGHT, WRONG, Asked, Judged, Named, Verified
from attn_cli.views.cells import cells

MOST = 3  # cases and variants of one convention that are written out
HEAD = ("convention", "right", "verdict", "why")
_ARRAYS = {"numpy": "NumPy arrays", "torch": "PyTorch tensors", "jax": "JAX arrays"}


def title(verified: Verified) -> str:
    """Return what was verified, and how."""
    arrays = _ARRAYS.get(verified.arrays, "NPY files")
    like = f"{verified.like} ({verified.version})"
    return f"{printable(verified.function)} like {like}, {arrays}, {', '.join(verified.dtypes)}"


def rows(verified: Verified) -> list[tuple[str, str, str, str]]:
    """Return a row per convention."""
    return [(each.name, each.count, each.verdict, _why(each)) for each in verified.conventions]


def _why(asked: Asked) -> str:
    if asked.verdict == WRONG:
        left = len(asked.unexplained)
        but = f" (not in {left} of {len(asked.failed)} cases)" if left else ""
        return f"{_named(asked.explained)}{but}" if asked.explained else _kinds(asked)
    return printable(asked.why)


def _kinds(asked: Asked) -> str:
    """Return what went wrong if no variant explains all of it."""
    kinds = dict.fromkeys(each.verdict for each in asked.failed)
    if list(kinds) == [WRONG]:
        return "no one variant gives these numbers"
    return ", ".join(kinds)


def _named(explained: Sequence[Named]) -> str:
    """Return the sentences of a class of variants; they give the same numbers here."""
    said = "; or ".join(printable(each.sentence) for each in explained[:MOST])
    more = len(explained) - MOST
    return f"{said}; or {more} more, the same here" if more > 0 else said


def failures(asked: Asked, digits: int) -> Iterator[str]:
    """Yield a sentence for each case that is wrong, up to a number of them."""
    failed = asked.failed
    for each in failed[:MOST]:
        yield f"{each.case}, {each.dtype}: {_failure(each, digits)}"
        if each.explained and not asked.explained:
            yield f"{each.case}: {_named(each.explained)}"
    if len(failed) > MOST:
        yield f"and {len(failed) - MOST} more cases, which --format json has"


def _failure(each: Judged, digits: int) -> str:
    if each.worst is None:
        return f"{each.verdict}: {printable(each.text)}" if each.text else each.verdict
    there, here = (_number(x, digits) for x in (each.worst.there, each.worst.here))
    place = ", ".join(map(str, each.worst.place))
    return (
        f"{each.off} of {each.numbers} numbers are off by more than {each.worst.tolerance:.2g}; "
        f"most at {each.worst.result}[{place}]: {there}, expected {here}"
    )


def _number(value: float, digits: int) -> str:
    return cells(np.array([[value]]), digits)[0][0]


def summary(verified: Verified) -> str:
    """Return the verdict in a line."""
    wrong, right = len(verified.of(WRONG)), len(verified.of(RIGHT))
    if verified.agrees is None:
        return "no verdict: none of the conventions is supported"
    if wrong:
        return f"wrong in {wrong} of {wrong + right} conventions that it supports"
    whole = "1 convention" if right == 1 else f"all {right} conventions"
    return f"right in {whole} that it supports"


def coverage(verified: Verified) -> Iterator[str]:
    """Yield what was covered, and what the inputs could not notice, in sentences."""
    judged = [
        e for each in verified.conventions for e in each.cases if e.verdict == RIGHT or e.wrong
    ]
    cases = len({each.case for each in judged})
    noticed = verified.variants - len(verified.unnoticed)
    yield (
        f"covered: {cases} cases, {len(judged)} calls; of {verified.variants} variants that these "
        f"cases can have, they notice {noticed}"
    )
    if verified.unnoticed:
        named = "; ".join(printable(each.sentence) for each in verified.unnoticed)
        yield f"not noticed by them: {named}"
    silent = [each.name for each in verified.conventions if each.verdict not in (RIGHT, WRONG)]
    if silent:
        yield f"nothing is known about: {'; '.join(silent)}"
    reasons: dict[str, list[str]] = {}
    for knob, why in verified.knobs:
        reasons.setdefault(why, []).append(knob)
    asked = "; ".join(f"{', '.join(knobs)} ({why})" for why, knobs in reasons.items())
    yield f"not asked: {asked}"
    yield from verified.notes
