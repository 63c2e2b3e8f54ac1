"""The whole comparison: rows of steps, the first that is more than noise, and its explanation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from attn_cli.dataclass import replace
from attn_cli.lab.differing.compare import (
    Asked,
    Pair,
    Part,
    dumps,
    paired,
    plain,
    tallied,
)
from attn_cli.lab.differing.identified import NOTHING, about
from attn_cli.lab.differing.inputs import Chosen, Loaded
from attn_cli.lab.differing.judging import judged, judged_alone, judged_visible, notes_of
from attn_cli.lab.differing.names import SINKS, VISIBLE
from attn_cli.lab.differing.panels import panels
from attn_cli.lab.differing.power import power, power_alone
from attn_cli.lab.differing.result import (
    Alternative,
    Difference,
    Panels,
    StepDifference,
    Verdict,
)
from attn_cli.lab.differing.sides import OfDump, OfProblem
from attn_cli.lab.differing.tally import Tally, Values
from attn_cli.lab.differing.types import Kernel
from attn_cli.lab.differing.visibility import Contrast
from attn_cli.maths.pipeline import STAGES, pipeline
from attn_cli.maths.stage import VECTOR


def difference_of(here: Loaded, there: Loaded, asked: Asked) -> Difference:
    """Return the comparison of two problems or dumps.

    Raises AttnError if they have no step in common, or an array that is all NaN.
    """
    if here.problem is None and there.problem is None:
        return _noted(_of_dumps(here, there, asked))
    return difference_of_pair(paired(here, there, asked), (here.name, there.name))


def difference_of_pair(pair: Pair, names: tuple[str, str]) -> Difference:
    """Return the comparison of a model and what is observed; `names` are those of A and B."""
    best: dict[str, StepDifference] = {}
    said: list[str] = []
    contrast = Contrast()
    used: dict[str, Kernel] = {}
    parts: dict[str, Part] = {}  # the first rows of each step
    for kernel in pair.kernels:
        tallies, contrast, first = tallied(pair, kernel)
        rows = _rows(pair, tallies, contrast, kernel)
        for name, row in rows.items():
            if name not in best or (best[name].verdict == "bug" != row.verdict):
                best[name], used[name] = row, kernel
                if name in first:
                    parts[name] = first[name]
                if kernel.said and name in used and len(said) < len(pair.kernels):
                    said.append(kernel.said)
        if all(row.verdict != "bug" for row in best.values()):
            break
    ordered = _ordered(pair, best, contrast, names)
    kernel = next(iter(used.values()), pair.kernels[0])
    return _noted(_assembled(pair, ordered, used or {"": kernel}, parts, names))


def _rows(
    pair: Pair, tallies: Mapping[str, Tally], contrast: Contrast, kernel: Kernel
) -> dict[str, StepDifference]:
    """Return the row of each step, as one kernel's types make them."""
    bug = contrast.cells > 0
    found = {}
    for name in _order(pair, tallies):
        type_ = pair.type if pair.type == "float64" else kernel.stored[name].name
        # Steps before the mask do not inherit what only a later stage hides.
        row = judged(
            tallies[name],
            name,
            type_,
            notes_of(pair.observed.notes, name),
            bug_before=bug,
            turned=pair.turned,
        )
        bug = bug or row.verdict == "bug"
        found[name] = row
    return found


def _order(pair: Pair, tallies: Mapping[str, Tally]) -> list[str]:
    """Return the steps in the order computed; sinks come before the weights."""
    order = [*pipeline(pair.problem)]
    at = order.index("weights")
    order.insert(at, SINKS)
    return [name for name in order if name in tallies]


def _ordered(
    pair: Pair, best: Mapping[str, StepDifference], contrast: Contrast, names: tuple[str, str]
) -> tuple[StepDifference, ...]:
    """Return the rows, with that of visible keys before the first stage that depends on them."""
    rows = [*best.values()]
    if not contrast.source:
        return tuple(rows)
    visible = judged_visible(contrast, pair, names)
    specs = pipeline(pair.problem)
    after = {"masked", "exp_scores", "exp_sum", "weights", "lse", SINKS}
    after |= {n for n, s in specs.items() if s.scope in {"rows", "joined"}} | {"context", "dropped"}
    at = next((at for at, row in enumerate(rows) if row.step in after), len(rows))
    return (*rows[:at], visible, *rows[at:])


def _assembled(
    pair: Pair,
    rows: tuple[StepDifference, ...],
    used: Mapping[str, Kernel],
    parts: Mapping[str, Part],
    names: tuple[str, str],
) -> Difference:
    first = next((row for row in rows if row.verdict == "bug"), None)
    last = next((row.step for row in reversed(rows) if row.step in pair.names), "")
    answer = about(pair, first, last) if pair.asked.identify and _worth_asking(rows) else NOTHING
    if first is None and answer.other:  # within the noise, but as another convention has it
        rows = tuple(_as_other(row) if row.step == last else row for row in rows)
        first = next(row for row in rows if row.step == last)
    identified = answer.sentences if first is not None else ()
    rows = _after(rows, first)
    verdict = _verdict(rows)
    shown = _shown(pair, rows, first)
    held = shown if shown != VISIBLE else ""
    held = held if held in used else next(reversed([*used]), "")
    alternatives: tuple[Alternative, ...] = ()
    if held in parts:
        alternatives = power(pair, used[held], held, parts[held])
    if pair.turned:
        unmatched = pair.chosen.unmatched_there, pair.chosen.unmatched_here
    else:
        unmatched = pair.chosen.unmatched_here, pair.chosen.unmatched_there
    return Difference(
        command="diff",
        here=names[0],
        there=names[1],
        steps=rows,
        unmatched_here=unmatched[0],
        unmatched_there=unmatched[1],
        model=pair.model.name,
        type=pair.type,
        verdict=verdict,
        first=first,
        sentence=_sentence(verdict, rows, first, pair.type, pair.asked.tolerance),
        identified=identified,
        power=alternatives,
        power_of=held if alternatives else "",
        tolerance=pair.asked.tolerance,
        sampled=pair.sample.text,
        panels=_panels(pair, rows, shown) if first is not None else None,
        notes=_notes(pair, used),
        settings={"model": pair.model.name, "type": pair.type},
        warnings=pair.problem.warnings,
    )


def _worth_asking(rows: tuple[StepDifference, ...]) -> bool:
    """Return whether anything differs."""
    return any(row.verdict != "same" for row in rows)


def _as_other(row: StepDifference) -> StepDifference:
    """Return a row within the noise, whose numbers are those of another convention."""
    reason = "within the noise of each cell, but all cells together are as another convention"
    return replace(row, verdict="bug", reasons=(*row.reasons, f"{reason} has them"))


def _after(
    rows: tuple[StepDifference, ...], first: StepDifference | None
) -> tuple[StepDifference, ...]:
    """Return the rows; before the first bug nothing is inherited from one."""
    if first is None:
        return rows
    at = rows.index(first)
    return tuple(
        replace(row, verdict="noise") if row.verdict == "inherited" and n < at else row
        for n, row in enumerate(rows)
    )


def _shown(pair: Pair, rows: tuple[StepDifference, ...], first: StepDifference | None) -> str:
    """Return the step whose limits and panels are shown."""
    if first is None:
        vectors = [row.step for row in rows if row.step in pair.names]
        return vectors[-1] if vectors else ""
    if first.step != VISIBLE:
        return first.step
    return next((n for n in ("weights", "masked", "dropped") if n in pair.names), VISIBLE)


def _verdict(rows: tuple[StepDifference, ...]) -> Verdict:
    verdicts = [row.verdict for row in rows]
    if "bug" in verdicts:
        return "bug"
    if "cannot tell" in verdicts:
        return "cannot tell"
    return "same" if set(verdicts) <= {"same"} else "noise"


def _sentence(
    verdict: Verdict,
    rows: tuple[StepDifference, ...],
    first: StepDifference | None,
    type_: str | None,
    tolerance: float | None,
    *,
    computed: bool = True,
) -> str:
    if verdict == "same":
        return "every step that both have is the same, bit for bit"
    if verdict == "noise" and tolerance is not None:
        return f"within the tolerance of {tolerance:g}"
    if verdict == "noise" and not computed:
        return f"noise of {type_}: no step differs by more than a rounding"
    if verdict == "noise":
        return f"noise of {type_}: no stage adds more than its emulations do"
    if verdict == "cannot tell" or first is None:
        return "cannot tell: without a problem, noise of earlier steps and a fault look alike"
    said = [*first.reasons, *(share.text for share in first.shares)]
    later = [row.step for row in rows[rows.index(first) + 1 :] if row.verdict == "bug"]
    text = f"first: {first.step}" + (f" - {'; '.join(said)}" if said else "")
    return f"{text} (also {', '.join(later)})" if later else text


def _panels(pair: Pair, rows: tuple[StepDifference, ...], shown: str) -> Panels | None:
    row = next((row for row in rows if row.step == shown), None)
    if row is None or shown not in pair.names:
        return None
    shape = pair.chosen.shapes[shown]
    some = pair.rows
    if shape.of_queries and int(np.prod(shape.sizes)) > 1 << 22:
        some = some[:: max(len(some) // 256, 1)]
    model = OfProblem(pair.model.name, pair.problem, exact=True).rows((shown,), some)[shown]
    other = pair.observed.rows((shown,), some)[shown]
    role = pipeline(pair.problem)[shown].stage.role
    first, second = (other, model) if pair.turned else (model, other)
    return panels(row, shape, some, first, second, role)


def _noted(found: Difference) -> Difference:
    """Return the comparison with the note that it can find no fault, if that is so."""
    return replace(found, notes=(*found.notes, found.blind)) if found.blind else found


def _notes(pair: Pair, used: Mapping[str, Kernel]) -> tuple[str, ...]:
    """Return what the user should know of how it was compared."""
    said = dict.fromkeys(kernel.said for kernel in used.values() if kernel.said)
    return (f"emulated with {', '.join(said)}",) if said and pair.type != "float64" else ()


def _of_dumps(here: Loaded, there: Loaded, asked: Asked) -> Difference:
    """Return the comparison of two dumps, step by step, without any stage."""
    one, other, chosen = dumps(here, there, asked)
    tallies, samples = plain(one, other, chosen.shapes, asked)
    rows = tuple(
        judged_alone(
            tally,
            name,
            None if one.coded(name) and other.coded(name) else asked.dtype or one.types[name],
            notes_of(other.notes, name),
        )
        for name, tally in tallies.items()
    )
    first = next((row for row in rows if row.verdict in {"bug", "cannot tell"}), None)
    verdict = _verdict(rows)
    type_ = next((row.type for row in reversed(rows) if row.type), None)
    alternatives = _power_alone(one, chosen, tallies, rows, first, asked)
    return Difference(
        command="diff",
        here=here.name,
        there=there.name,
        steps=rows,
        unmatched_here=chosen.unmatched_here,
        unmatched_there=chosen.unmatched_there,
        model=None,
        type=type_,
        verdict=verdict,
        first=first,
        sentence=_sentence(verdict, rows, first, type_, asked.tolerance, computed=False),
        power=alternatives[1],
        power_of=alternatives[0],
        tolerance=asked.tolerance,
        sampled="; ".join(f"{name}: {each.text}" for name, each in samples.items() if each.text),
        panels=_panels_alone(one, other, chosen, first),
        notes=(
            "neither side is a problem: no stage was computed; floors are one rounding of the type",
        ),
        settings={"model": None, "type": type_},
    )


def _power_alone(
    one: OfDump,
    chosen: Chosen,
    tallies: Mapping[str, Tally],
    rows: tuple[StepDifference, ...],
    first: StepDifference | None,
    asked: Asked,
) -> tuple[str, tuple[Alternative, ...]]:
    """Return what else would pass a tolerance, of the first step that differs, or of the last."""
    if asked.tolerance is None:
        return "", ()
    step = rows[-1].step if first is None else first.step
    shape = chosen.shapes[step]
    count = shape.sizes[shape.axes.index("query")] if shape.of_queries else 1
    some = np.arange(min(count, 64))
    values = one.rows((step,), some)[step]
    errors = np.zeros((1, *values.shape))
    return step, power_alone(Values(values, values, values, errors, None), tallies[step])


def _panels_alone(
    one: OfDump, other: OfDump, chosen: Chosen, first: StepDifference | None
) -> Panels | None:
    if first is None:
        return None
    shape = chosen.shapes[first.step]
    count = shape.sizes[shape.axes.index("query")] if shape.of_queries else 1
    some = np.arange(count)
    if int(np.prod(shape.sizes)) > 1 << 22:
        some = some[:: max(count // 256, 1)]
    here, there = (side.rows((first.step,), some)[first.step] for side in (one, other))
    role = next((stage.role for stage in STAGES if stage.name == first.step), VECTOR)
    return panels(first, shape, some, here, there, role)
