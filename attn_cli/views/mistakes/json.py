"""The mistakes of an exercise as a JSON document `attn/1`: every step that each would change."""

from __future__ import annotations

from attn_cli.lab.answers.showing import Hidden, Mistakes, Shown
from attn_cli.views import Style
from attn_cli.views.json import FORMAT, rounded, written


def render(mistakes: Mistakes, style: Style) -> str:
    """Return the document."""
    document: dict[str, object] = {
        "format": FORMAT,
        "command": mistakes.command,
        "decimals": mistakes.decimals,
        "right": {n: rounded(x.tolist(), style.digits) for n, x in mistakes.right.items()},
        "shown": [_shown(each, style) for each in mistakes.shown],
        "hidden": [_hidden(each) for each in mistakes.hidden],
        "warnings": list(mistakes.warnings),
    }
    return written(document)


def _shown(shown: Shown, style: Style) -> dict[str, object]:
    return {
        "name": shown.name,
        "kind": shown.kind,
        "sentence": shown.sentence,
        "first": shown.first,
        "steps": {name: rounded(x.tolist(), style.digits) for name, x in shown.steps.items()},
    }


def _hidden(hidden: Hidden) -> dict[str, object]:
    return {
        "name": hidden.name,
        "kind": hidden.kind,
        "sentence": hidden.sentence,
        "parts": [each._asdict() for each in hidden.parts],
        "shape": hidden.shape or None,
        "searched": hidden.searched,
    }
