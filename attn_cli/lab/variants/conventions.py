"""The conventions of other systems as variants: each other answer to a knob that matters here.

A knob matters if the problem has the key that it belongs to. Knobs of rounding, of layouts and of
the fill of hidden scores are left out: they change no number that is written with few decimals.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from attn_cli.conventions.knobs import KNOBS, Knob, Plain, text
from attn_cli.conventions.presets import PRESETS
from attn_cli.lab.variants.variant import CONVENTION, Base, Changes, Variant, of_keys

_LEFT_OUT = ("axes", "scale_placement", "precision", "mask_fill")
_NAMED = 3  # systems that a sentence names


def of_conventions(base: Base) -> Iterator[Variant]:
    """Yield the variants of a problem that was read from a document."""
    if base.document is None:
        return
    for knob in KNOBS.values():
        if not _matters(base, knob):
            continue
        here = text(base.problem.conventions[knob.name])
        for answer in knob.answers:
            if answer.in_problems and text(answer.value) != here:
                yield of_keys(
                    f"{knob.name}: {text(answer.value)}",
                    _sentence(knob, answer.value, answer.meaning),
                    partial(_same, {knob.name: answer.value}),
                    kind=CONVENTION,
                )


def of_presets(base: Base) -> Iterator[Variant]:
    """Yield one variant per preset that the problem does not name itself."""
    if base.document is None:
        return
    for name, preset in PRESETS.items():
        if base.document.tree.get("like") != name:
            yield of_keys(
                f"like: {name}",
                _plain(f"the conventions are those of {preset.title}"),
                partial(_same, {"like": name}),
                kind=CONVENTION,
                sources=preset.sources,
            )


def of_systems(base: Base) -> Iterator[Variant]:
    """Yield the presets that differ from a problem in several knobs that matter, together.

    Presets that differ in the same way are one variant. `of_conventions` has single knobs.
    """
    if base.document is None:
        return
    knobs = [knob for knob in KNOBS.values() if _matters(base, knob)]
    here = {knob.name: text(base.problem.conventions[knob.name]) for knob in knobs}
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, preset in PRESETS.items():
        given = {n: text(preset.settings[n]) for n in here if n in preset.settings}
        other = tuple(f"{n}: {value}" for n, value in given.items() if value != here[n])
        if len(other) > 1:
            groups.setdefault(other, []).append(name)
    for settings, names in groups.items():
        first = PRESETS[names[0]]
        knob_names = [each.partition(": ")[0] for each in settings]
        shown = ", ".join(names[:_NAMED]) + (
            f" and {len(names) - _NAMED} more" * (len(names) > _NAMED)
        )
        yield of_keys(
            f"like: {names[0]}",
            _plain(f"the conventions are those of {shown}: {', '.join(settings)}"),
            partial(_same, {name: first.settings[name] for name in knob_names}),
            kind=CONVENTION,
            sources=first.sources,
        )


def _matters(base: Base, knob: Knob) -> bool:
    assert base.document is not None
    first = knob.key[0]
    if first in _LEFT_OUT:
        return False
    if first == "empty_rows":
        return base.empty_rows
    if first == "grouping":
        return base.problem.heads_differ
    return first in base.document.tree


def _sentence(knob: Knob, value: Plain, meaning: str) -> str:
    users = [name for name, p in PRESETS.items() if text(p.settings.get(knob.name)) == text(value)]
    shown = ", ".join(users[:_NAMED]) + (f" and {len(users) - _NAMED} more" * (len(users) > _NAMED))
    whose = f", as in {shown}" if users else ""
    return _plain(f"{knob.name} is {text(value)} ({meaning}){whose}")


def _plain(sentence: str) -> str:
    """Return a sentence without slots."""
    return sentence.replace("{", "{{").replace("}", "}}")


def _same(changes: Changes, base: Base) -> Changes:  # noqa: ARG001
    return changes
