"""A derivation as a JSON document `attn/1`: every line with its template and its slots."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from attn_cli.lab.derivation.arithmetic import names_in, present
from attn_cli.lab.derivation.result import Derivation, Line, Row
from attn_cli.views import Style
from attn_cli.views.derivation import written as w
from attn_cli.views.derivation.layout import clipped
from attn_cli.views.json import FORMAT, rounded, written


def render(derivation: Derivation, style: Style) -> str:
    """Return the document; numbers are exact, those in the texts are rounded."""
    lines = [_line(line, style) for line in derivation.lines]
    document: dict[str, object] = {
        "format": FORMAT,
        "command": derivation.command,
        "step": derivation.step,
        "formula": derivation.formula,
        "index": dict(derivation.index),
        "words": dict(derivation.words),
        "chosen": derivation.chosen or None,
        "type": derivation.type,
        "result": _plain(derivation.result),
        "lines": lines,
        "settings": derivation.settings,
        "warnings": list(derivation.warnings),
    }
    numbers = {name: rounded(document[name], style.digits) for name in ("result", "lines")}
    return written({**document, **numbers})


def _line(line: Line, style: Style) -> dict[str, object]:
    write = partial(w.shown, decimals=style.decimals)
    template = line.template
    found: dict[str, object] = {
        "step": line.step,
        "kind": template.kind,
        "index": dict(line.index),
        "label": w.filled(line, template.label, write, str),
        "symbols": w.filled(line, template.symbols, write, str) or None,
    }
    if isinstance(line, Row):
        return {**found, **_row(line), "note": _note(line, style)}
    patterns = {name: present(getattr(template, name), line.slots) for name in PATTERNS}
    return {
        **found,
        "template": {name: pattern for name, pattern in patterns.items() if pattern},
        "slots": {
            name: _plain(slot) for name, slot in line.slots.items() if _is_read(name, patterns)
        },
        "rest": None if line.rest is None else {"terms": line.rest[0], "sum": line.rest[1]},
        "numbers": w.numbers(line, write, w.TEXT) or None,
        "further": w.further(line, write, w.TEXT) or None,
        "result": _plain(line.result),
        "note": _note(line, style),
        "rounded": w.rounds(line, style.decimals),
    }


PATTERNS = ("numbers", "term", "inner", "then", "note")


def _is_read(name: str, patterns: dict[str, str]) -> bool:
    return any(name in names_in(pattern) for pattern in patterns.values())


def _note(line: Line, style: Style) -> str | None:
    if isinstance(line, Row):
        return w.filled(line, line.note, partial(w.shown, decimals=style.decimals), clipped) or None
    return w.note(line, style.decimals, clipped) or None


def _row(row: Row) -> dict[str, object]:
    columns = [{**vars(column), "values": list(column.values)} for column in row.columns]
    return {
        "labels": list(row.labels),
        "marked": list(row.marked),
        "columns": columns,
        "others": row.others,
        "hidden": dict(row.hidden),
    }


def _plain(value: Any) -> Any:
    """Return a number or an array as JSON has it."""
    if isinstance(value, tuple) and not value:
        return None
    return np.asarray(value, np.float64).tolist()
