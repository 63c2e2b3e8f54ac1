"""Whether what a stage adds is noise, and the first stage whose difference is none."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from attn_cli.lab.differing.compare import Pair
from attn_cli.lab.differing.result import Share, StepDifference, Verdict, Worst
from attn_cli.lab.differing.tally import FAR, Cell, Group, Tally
from attn_cli.lab.differing.visibility import Contrast, in_words
from attn_cli.lab.drawing import LEADING

MOST_SHARED = 0.5  # of the difference, in one group of several, is said
CLEAR, WIDE = 1000.0, 0.25  # roundings; of the size of the step: without a problem, a difference
INHERITED = 2.0  # floors: a difference of earlier steps below that is noise


def is_noise(tally: Tally) -> bool:
    """Return whether what a stage adds is no more than its emulations show, in any group."""
    if tally.off:
        return False
    return tally.reach <= FAR and all(group.noisy for group in tally.groups())


def judged(
    tally: Tally, step: str, type_: str, note: str, *, bug_before: bool, turned: bool
) -> StepDifference:
    """Return the row of a step that a stage gives; `turned`: the model is the second argument."""
    added = _floors(tally, tally.added)
    inherited = _floors(tally, tally.inherited)
    within = tally.beyond == 0 and not tally.off if tally.tolerant else is_noise(tally)
    far = inherited > INHERITED and bug_before
    verdict: Verdict
    if not within:
        verdict = "bug"
    elif tally.added == 0 and tally.total == 0:
        verdict = "same"
    else:
        verdict = "inherited" if far else "noise"
    cell = tally.furthest if verdict == "inherited" else _worst(tally)
    return StepDifference(
        step=step,
        type=type_,
        note=note,
        cells=tally.cells,
        added=added,
        inherited=inherited,
        floor=tally.rms(tally.noise),
        largest=tally.largest,
        worst=None if cell is None else _worst_of(tally, cell, turned=turned),
        verdict=verdict,
        shares=_shares(tally) if verdict == "bug" else (),
        reasons=tuple(_reasons(tally, turned=turned)),
    )


def judged_alone(tally: Tally, step: str, type_: str | None, note: str) -> StepDifference:
    """Return the row of a step of two dumps: no stage can be computed."""
    size, apart = tally.rms(tally.size), tally.rms(tally.added)
    verdict: Verdict
    other_keys = tally.zero_alone if step == "weights" and not tally.tolerant else 0
    if tally.off or other_keys:
        verdict = "bug"
    elif tally.tolerant:
        verdict = "bug" if tally.beyond else "noise" if tally.added else "same"
    elif tally.added == 0:
        verdict = "same"
    elif tally.reach <= 2.0:
        verdict = "noise"
    else:
        clear = not tally.noise or apart > min(CLEAR * tally.eps, WIDE) * size
        verdict = "bug" if clear else "cannot tell"
    cell = _worst(tally)
    reasons = _reasons(tally, turned=False)
    if other_keys:
        reasons.append(f"other keys are seen: {_count(other_keys)} 0 on one side alone")
    return StepDifference(
        step=step,
        type=type_,
        note=note,
        cells=tally.cells,
        added=_floors(tally, tally.added),
        inherited=None,
        floor=tally.rms(tally.noise),
        largest=tally.largest,
        worst=None if cell is None else _worst_of(tally, cell, turned=False),
        verdict=verdict,
        shares=_shares(tally) if verdict == "bug" else (),
        reasons=tuple(reasons),
    )


def judged_visible(contrast: Contrast, pair: Pair, names: tuple[str, str]) -> StepDifference:
    """Return the row of which keys are seen; `names` are those of A and B."""
    model, other = reversed(names) if pair.turned else names
    reasons = (in_words(contrast, pair.problem, model, other),) if contrast.cells else ()
    worst = None
    if contrast.cells:
        reason, seen = contrast.leading
        del reason
        place = contrast.first[contrast.leading]
        here, there = (0.0, 1.0) if seen else (1.0, 0.0)
        if pair.turned:
            here, there = there, here
        worst = Worst(
            place=(
                *(
                    (a, at)
                    for a, at in zip(("batch", "head"), place, strict=False)
                    if _many(pair, a)
                ),
                ("query", place[2]),
                ("key", place[3]),
            ),
            here=here,
            there=there,
            expected=None,
        )
    return StepDifference(
        step="visible",
        type=None,
        note="" if contrast.source == "visible" else f"read from {contrast.source}",
        cells=contrast.cells,
        added=None,
        inherited=None,
        floor=None,
        largest=float(bool(contrast.cells)),
        worst=worst,
        verdict="bug" if contrast.cells else "same",
        reasons=reasons,
    )


def _many(pair: Pair, axis: str) -> bool:
    """Return whether there are several batch entries, or heads."""
    problem = pair.problem
    return ((problem.batch or (1,))[0] if axis == "batch" else problem.heads or 1) > 1


def _floors(tally: Tally, square: float) -> float:
    """Return a sum of squares as rms in floors; infinite if there is no noise at all."""
    if square == 0:
        return 0.0
    return (square / tally.noise) ** 0.5 if tally.noise else inf


def _worst(tally: Tally) -> Cell | None:
    if tally.strange is not None:
        return tally.strange
    alone = tally.reach > FAR and all(group.noisy for group in tally.groups())
    return tally.odd if alone else tally.worst


def _worst_of(tally: Tally, cell: Cell, *, turned: bool) -> Worst:
    here, there = (cell.there, cell.here) if turned else (cell.here, cell.there)
    place = zip(tally.axes, cell.place, tally.sizes, strict=True)
    return Worst(
        place=tuple((axis, at) for axis, at, size in place if size > 1 or axis not in LEADING),
        here=here,
        there=there,
        expected=cell.expected,
    )


def _shares(tally: Tally) -> tuple[Share, ...]:
    """Return the head, row block and key block that has the most, if that is more than its part."""
    found = []
    groups: dict[str, list[Group]] = {}
    for group in tally.groups():
        groups.setdefault(group.axis, []).append(group)
    for axis, members in groups.items():
        whole = sum(group.added for group in members)
        if len(members) < 2 or whole == 0:
            continue
        most = max(members, key=lambda group: group.added)
        share = most.added / whole
        if share > MOST_SHARED and share > 1.5 / len(members):
            found.append(
                Share(
                    axis=axis,
                    first=most.first,
                    stop=most.stop,
                    share=share,
                    floors=most.ratio,
                )
            )
    return tuple(found)


def _reasons(tally: Tally, *, turned: bool) -> list[str]:
    """Return what there is to say of NaN and infinities, and of single cells."""
    nan_here, nan_there = tally.nan_here, tally.nan_there
    if turned:
        nan_here, nan_there = nan_there, nan_here
    found = []
    if nan_there:
        found.append(f"{_count(nan_there)} NaN there and a number here")
    if nan_here:
        found.append(f"{_count(nan_here)} NaN here and a number there")
    if tally.infinite:
        found.append(f"{_count(tally.infinite)} infinite on one side alone")
    if tally.nan_both:
        found.append(f"{_count(tally.nan_both)} NaN on both sides")
    if not tally.off and tally.reach > FAR and all(g.noisy for g in tally.groups()):
        found.append("single cells are far off, the rest is noise")
    return found


def _count(number: int) -> str:
    return "1 value is" if number == 1 else f"{number} values are"


def notes_of(notes: Mapping[str, str], step: str) -> str:
    """Return how an array was read."""
    return notes.get(step, "")
