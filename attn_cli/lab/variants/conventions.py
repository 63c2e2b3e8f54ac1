"""The conventions of other systems as variants: each other answer to a knob that matters here.

A knob matters if the problem has the key that it belongs to. Knobs of rounding, of layouts and of
the fill of hidden scores are left out: they change no number that is written with few decimals.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from attn_cli.conventions.knobs import KNOBS, Knob, Plain, text
from attn_cli.conventions.presets import PRESETS
from attn_cli.lab.variants.variant import CONVENTION, Base, Variant
from attn_cli.maths.problem import Problem

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
                yield Variant(
                    f"{knob.name}: {text(answer.value)}",
                    _sentence(knob, answer.value, answer.meaning),
                    partial(_with, knob.key, answer.value),
                    kind=CONVENTION,
                )


def _matters(base: Base, knob: Knob) -> bool:
    assert base.document is not None
    first = knob.key[0]
    if first in _LEFT_OUT:
        return False
    if first == "empty_rows":
        return not base.visible.any(axis=-1).all()
    if first == "grouping":
        return base.problem.heads_differ
    return first in base.document.tree


def _sentence(knob: Knob, value: Plain, meaning: str) -> str:
    users = [name for name, p in PRESETS.items() if text(p.settings.get(knob.name)) == text(value)]
    shown = ", ".join(users[:_NAMED]) + (f" and {len(users) - _NAMED} more" * (len(users) > _NAMED))
    whose = f", as in {shown}" if users else ""
    said = f"{knob.name} is {text(value)} ({meaning}){whose}"
    return said.replace("{", "{{").replace("}", "}}")


def _with(key: tuple[str, ...], value: Plain, base: Base) -> Problem | None:
    return base.read_with(key, value)
