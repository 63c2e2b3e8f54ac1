"""An identification as a JSON document `attn/1`; null for keys that cannot say a hypothesis."""

from __future__ import annotations

from attn_cli.lab.identify.result import Explanation, Hypothesis, Identified
from attn_cli.views import Style
from attn_cli.views.json import FORMAT, rounded, written


def render(found: Identified, style: Style) -> str:
    """Return the document."""
    document: dict[str, object] = {
        "format": FORMAT,
        "command": found.command,
        "verdict": _verdict(found),
        "status": int(found.status),
        "observed": [{**vars(each), "floor": each.floor} for each in found.observed],
        "scores": found.scores or None,
        "classes": [_class(each, style) for each in found.classes],
        "separation": rounded(found.separation, style.digits),
        "untold": [_hypothesis(each) for each in found.untold],
        "tried": found.tried,
        "depth": found.depth,
        "rows": found.rows,
        "rows_off": found.off,
        "sample": found.sample or None,
        "pattern": [each.sentence for each in found.pattern],
        "separate": list(found.separate),
        "warnings": list(found.warnings),
    }
    return written(document)


def _verdict(found: Identified) -> str:
    """Return problem, other, several or none."""
    if len(found.explaining) != 1:
        return "several" if found.explaining else "none"
    return "problem" if found.explaining[0].believed else "other"


def _class(each: Explanation, style: Style) -> dict[str, object]:
    numbers = {"rest": each.rest, "c": each.c, "bar": each.bar, "apart": each.apart}
    return {
        "hypotheses": [_hypothesis(h) for h in each.hypotheses],
        "believed": each.believed,
        "explains": each.explains,
        **{name: rounded(value, style.digits) for name, value in numbers.items()},
    }


def _hypothesis(each: Hypothesis) -> dict[str, object]:
    changes = None if each.changes is None else dict(each.changes)
    return {
        "name": each.name,
        "sentence": each.sentence,
        "changes": changes,
        "sources": list(each.sources),
    }
