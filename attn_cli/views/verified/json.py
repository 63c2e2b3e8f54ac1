"""A verified function as a JSON document `attn/1`: every case with its verdict."""

from __future__ import annotations

from collections.abc import Sequence

from attn_cli.lab.verifying.verified import Asked, Judged, Named, Verified
from attn_cli.views import Style
from attn_cli.views.json import FORMAT, rounded, written


def render(verified: Verified, style: Style) -> str:
    """Return the document."""
    document: dict[str, object] = {
        "format": FORMAT,
        "command": verified.command,
        "function": verified.function,
        "like": verified.like,
        "arrays": verified.arrays,
        "dtypes": list(verified.dtypes),
        "agrees": verified.agrees,
        "conventions": [_convention(each, style) for each in verified.conventions],
        "variants": verified.variants,
        "unnoticed": _named(verified.unnoticed),
        "not_asked": [{"knob": knob, "why": why} for knob, why in verified.knobs],
        "notes": list(verified.notes),
        "warnings": list(verified.warnings),
    }
    return written(document)


def _convention(asked: Asked, style: Style) -> dict[str, object]:
    return {
        "convention": asked.name,
        "verdict": asked.verdict,
        "explained": _named(asked.explained) if asked.failed else [],
        "cases": [_case(each, style) for each in asked.cases],
    }


def _case(each: Judged, style: Style) -> dict[str, object]:
    worst = None
    if each.worst is not None:
        worst = {**each.worst._asdict(), "place": list(each.worst.place)}
    return {
        "case": each.case,
        "dtype": each.dtype,
        "verdict": each.verdict,
        "text": each.text,
        "traceback": each.traceback,
        "numbers": each.numbers,
        "off": each.off,
        "worst": rounded(worst, style.digits),
        "explained": _named(each.explained),
    }


def _named(variants: Sequence[Named]) -> list[dict[str, str]]:
    return [each._asdict() for each in variants]
