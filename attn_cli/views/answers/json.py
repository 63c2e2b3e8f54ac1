"""Judged sheets as a JSON document `attn/1`; null for a number that was not given."""

from __future__ import annotations

from typing import Any

import numpy as np

from attn_cli.lab.answers.judgement import Explanation, Graded, Judged, Judgement
from attn_cli.views import Style
from attn_cli.views.answers.parts import verdict
from attn_cli.views.json import FORMAT, rounded, written


def render(judged: Judged | Graded, style: Style) -> str:
    """Return the document: of one sheet its steps, of several the sheets."""
    document: dict[str, object] = {"format": FORMAT, "command": judged.command}
    if isinstance(judged, Judged):
        document |= _sheet(judged, style)
    else:
        document["agrees"] = judged.agrees
        document["sheets"] = [_sheet(sheet, style) for sheet in judged.sheets]
    document["warnings"] = list(judged.warnings)
    return written(document)


def _sheet(judged: Judged, style: Style) -> dict[str, object]:
    return {
        "sheet": judged.sheet.name,
        "agrees": judged.agrees,
        "steps": [_step(each, style) for each in judged.judgements],
    }


def _step(judgement: Judgement, style: Style) -> dict[str, object]:
    answer = judgement.answer
    near = judgement.nearest
    return {
        "step": answer.step,
        "verdict": judgement.verdict,
        "text": verdict(judgement),
        "decimals": answer.decimals,
        "given_numbers": int(answer.given.sum()),
        "wrong_numbers": int(judgement.wrong.sum()),
        "transposed": answer.turned,
        "follows": list(judgement.follows),
        "explanations": [_explanation(each) for each in judgement.explanations],
        "nearest": None
        if near is None
        else {**_explanation(near), "unexplained": near.off, "far": near.far},
        "slip": None if judgement.slip is None else judgement.slip._asdict(),
        "axes": list(judgement.step.axes),
        "labels": {
            axis: list(labels)
            for axis, labels in zip(judgement.step.axes, judgement.step.labels, strict=True)
        },
        "given": _given(answer.values, answer.given),
        "expected": rounded(judgement.step.values.tolist(), style.digits),
        "wrong": judgement.wrong.tolist(),
        "solved_weights": None
        if judgement.solved is None
        else rounded(judgement.solved.tolist(), style.digits),
        "changed_weights": [list(pair) for pair in judgement.changed],
    }


def _explanation(explanation: Explanation) -> dict[str, object]:
    return {"name": explanation.name, "sentence": explanation.sentence}


def _given(values: Any, given: Any) -> Any:
    if values.ndim == 0:
        return float(values) if given else None
    return [_given(value, there) for value, there in zip(values, np.asarray(given), strict=True)]
