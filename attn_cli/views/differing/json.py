"""A comparison as a JSON document `attn/1`."""

from __future__ import annotations

from typing import Any

from attn_cli.lab.differing.result import Difference, StepDifference, Worst
from attn_cli.views import Style
from attn_cli.views.json import FORMAT, rounded, written


def render(found: Difference, style: Style) -> str:
    """Return the document: the verdict, the steps, and what was not matched."""
    return written(document_of(found, style))


def document_of(found: Difference, style: Style) -> dict[str, Any]:
    """Return the document as data."""
    first = found.first
    return {
        "format": FORMAT,
        "command": found.command,
        "here": found.here,
        "there": found.there,
        "verdict": found.verdict,
        "sentence": found.sentence,
        "first": None if first is None else first.step,
        "model": found.model,
        "type": found.type,
        "tolerance": found.tolerance,
        "steps": [_step(step, style) for step in found.steps],
        "unmatched": {"here": list(found.unmatched_here), "there": list(found.unmatched_there)},
        "identified": list(found.identified),
        "power": {
            "step": found.power_of or None,
            "accepts": [each.name for each in found.power if each.passes],
            "refuses": [each.name for each in found.power if not each.passes],
        },
        "sampled": found.sampled or None,
        "saved": found.saved or None,
        "notes": list(found.notes),
        "warnings": list(found.warnings),
    }


def _step(step: StepDifference, style: Style) -> dict[str, object]:
    return {
        "step": step.step,
        "type": step.type,
        "verdict": step.verdict,
        "cells": step.cells,
        "added": rounded(step.added, style.digits),
        "inherited": rounded(step.inherited, style.digits),
        "floor": rounded(step.floor, style.digits),
        "largest": rounded(step.largest, style.digits),
        "worst": None if step.worst is None else _worst(step.worst, style),
        "shares": [
            {
                "axis": share.axis,
                "from": share.first,
                "to": share.stop,
                "share": rounded(share.share, style.digits),
                "floors": rounded(share.floors, style.digits),
            }
            for share in step.shares
        ],
        "reasons": list(step.reasons),
        "read": step.note or None,
    }


def _worst(worst: Worst, style: Style) -> dict[str, Any]:
    return {
        "place": dict(worst.place),
        "here": rounded(worst.here, style.digits),
        "there": rounded(worst.there, style.digits),
        "expected": rounded(worst.expected, style.digits),
    }
