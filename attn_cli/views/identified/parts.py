"""The sentences of an identification, which its views for people share."""

from __future__ import annotations

from collections.abc import Iterator

from attn_cli.errors import printable
from attn_cli.lab.identify.result import Explanation, Hypothesis, Identified, Read
from attn_cli.sources.matrices.shapes import shape_text
from attn_cli.views.json import leaf

_SHOWN = 6  # classes
_NAMED = 6  # hypotheses of a class, or of those that cannot be separated


def read_as(read: Read, scores: str) -> str:
    """Return what an observed array was taken for."""
    held = f"{read.dtype} {shape_text(read.shape)}" if not read.stated else shape_text(read.shape)
    stated = f", {read.stated} as the problem says" if read.stated else ""
    others = [name for name in read.layouts if name != read.layout]
    layout = f"{read.layout}, nearer than {', '.join(others)}" if others else read.layout
    kept = f", scores nearer to {scores}" if scores else ""
    floor = f"noise {read.floor:.2g} rms{kept}"
    source = printable(read.source) or "an array"
    return f"{read.step} is {source}: {held}{stated}, layout {layout}; {floor}"


def shown(found: Identified) -> tuple[Explanation, ...]:
    """Return the classes that are shown: the nearest, and the problem itself."""
    first = found.classes[:_SHOWN]
    return (*first, *(each for each in found.classes[_SHOWN:] if each.believed and not found.open))


def name_of(each: Explanation) -> str:
    """Return the name of a class: that of its first hypothesis."""
    return each.hypotheses[0].name or "the problem as it is"


def others_of(each: Explanation) -> str:
    """Return the other hypotheses of a class; empty for a single one."""
    others = each.hypotheses[1:]
    return f"the same numbers on this input: {names(others)}" if others else ""


def names(hypotheses: tuple[Hypothesis, ...]) -> str:
    """Return the names of hypotheses, the first of many."""
    every = [each.name for each in hypotheses]
    more = len(every) - _NAMED
    return ", ".join(every[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def measured(each: Explanation) -> str:
    """Return how well a class explains the observed numbers."""
    went = f", c = {each.c:.3f}" if each.c is not None and abs(each.c) < 100 else ""
    bar = f" (noise: {each.bar:.2g})" if went and each.bar is not None else ""
    verdict = "explains it" if each.explains else "does not explain it"
    return f"{verdict}: the rest is {each.rest:.3g} floors{went}{bar}"


def changes(each: Explanation) -> str:
    """Return the changes of keys of the first hypothesis that has some, as options; or nothing."""
    for hypothesis in () if each.believed else each.hypotheses:
        if hypothesis.changes:
            return " ".join(f"--set {k}={leaf(v)}" for k, v in hypothesis.changes.items())
    return ""


def verdict(found: Identified) -> str:
    """Return the answer in one sentence."""
    explaining = found.explaining
    if not explaining:
        return f"Nothing explains the observed numbers: {found.off} of {found.rows} rows are off."
    if len(explaining) > 1:
        return f"{len(explaining)} classes explain the observed numbers: they are too near here."
    (one,) = explaining
    if one.believed and not found.open:
        return "The problem explains the observed numbers: the rest is noise."
    only = "" if found.open else "The problem does not, but "
    return f"{only}{name_of(one)} explains the observed numbers: the rest is noise."


def notes(found: Identified) -> Iterator[str]:
    """Yield what else there is to say, a sentence each."""
    if found.separation is not None and found.explaining:
        yield f"The next class is {found.separation:.3g} floors away."
    if found.untold:
        yield f"Cannot tell on this input: {names(found.untold)}."
    for pattern in found.pattern:
        yield f"Off in {pattern.sentence}."
    for each in found.separate:
        yield f"To separate them: {each}."
    joined = ", alone and in pairs" if found.depth > 1 else ""
    sample = f", at {found.sample}" if found.sample else ""
    yield f"{found.tried} hypotheses were tried{joined}{sample}."
