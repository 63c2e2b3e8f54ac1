"""What the views of a comparison have in common: rows of cells, and sentences."""

from __future__ import annotations

from collections.abc import Iterator
from math import isinf, isnan

from attn_cli.errors import printable
from attn_cli.lab.differing.result import Difference, StepDifference, Worst

HEAD = ("step", "type", "added", "inherited", "worst cell", "here", "there", "verdict")
FLOORS = "added and inherited are in floors: the rms of the noise of the stage in its type"
LETTERS = {"batch": "b", "head": "h", "key head": "h", "query": "q", "key": "k", "token": "t",
          "dimension": "d", "unit": "u"}  # fmt: skip


def rows(found: Difference) -> list[tuple[str, ...]]:
    """Return a row of texts per step."""
    return [_row(step, first=step is found.first) for step in found.steps]


def _row(step: StepDifference, *, first: bool) -> tuple[str, ...]:
    here = there = place = ""
    if step.worst is not None and step.verdict != "same":
        place = place_of(step.worst)
        here, there = number(step.worst.here), number(step.worst.there)
        if step.added is None:
            here, there = (("hidden", "seen")[int(x)] for x in (step.worst.here, step.worst.there))
    verdict = step.verdict.upper() if step.verdict == "bug" else step.verdict
    return (
        step.step,
        step.type or "-",
        _cells(step) if step.added is None else floors(step.added),
        "-" if step.inherited is None else floors(step.inherited),
        place,
        here,
        there,
        f"{verdict} first" if first and step.verdict == "bug" else verdict,
    )


def _cells(step: StepDifference) -> str:
    return "0" if not step.cells else f"{step.cells} cell{'s' if step.cells > 1 else ''}"


def place_of(worst: Worst) -> str:
    """Return `h 1, q 17, d 12`."""
    return ", ".join(f"{LETTERS.get(axis, axis)} {at}" for axis, at in worst.place)


def floors(value: float) -> str:
    """Return a number of floors with few digits."""
    if isinf(value) or isnan(value):
        return "inf" if isinf(value) else "nan"
    return f"{value:.1f}" if value < 1000 else f"{value:.1e}"


def number(value: float) -> str:
    """Return a value with four digits; 0.0000 is never written for a number that is not 0."""
    return f"{value:.4g}"


def line(found: Difference) -> str:
    """Return the verdict in one line, with the note that it can find no fault, if that is so."""
    verdict = found.verdict.upper() if found.verdict == "bug" else found.verdict
    sentence = found.sentence.removeprefix(f"{found.verdict} of ").removeprefix("cannot tell: ")
    blind = f"; {found.blind}" if found.blind and found.agrees else ""
    return f"{found.here}, {found.there}: {verdict} - {sentence}{blind}"


def sentences(found: Difference) -> Iterator[str]:
    """Yield what there is to say below the rows, one paragraph each."""
    yield found.sentence
    yield from found.identified
    if found.power:
        yield power(found)
    for step in found.steps:
        if step.note and step.step != "visible":
            yield f"{step.step} is read from {step.note}"
        if step is not found.first:
            yield from (f"{step.step}: {reason}" for reason in step.reasons)
    yield from found.notes
    if found.sampled:
        yield f"{found.sampled} (--exact compares all)"
    for side, names in ((found.here, found.unmatched_here), (found.there, found.unmatched_there)):
        if names:
            yield f"only in {side}: {', '.join(map(printable, names))}"
    if found.saved:
        yield found.saved


def power(found: Difference) -> str:
    """Return what else would have passed."""
    passing = [each.name for each in found.power if each.passes]
    failing = [each.name for each in found.power if not each.passes]
    limit = f"this tolerance ({found.tolerance:g})" if found.tolerance is not None else "this noise"
    parts = []
    if passing:
        parts.append(f"{limit} also accepts: {_joined(passing)}")
    if failing:
        parts.append(f"{_joined(failing)} {'fails' if _is_one(failing) else 'fail'}")
    return f"power, of {found.power_of}: {'; '.join(parts)}"


def _is_one(names: list[str]) -> bool:
    """Return whether these are one thing: `zeros` are several."""
    return len(names) == 1 and names[0].startswith("the ")


def _joined(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
