"""What the script of the page reads: the record as `attn/1`, and what the page adds to it."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import numpy as np

from attn_cli.dataclass import replace
from attn_cli.errors import printable
from attn_cli.lab.derivation.result import Template
from attn_cli.views.json import document_of, leaf

if TYPE_CHECKING:
    from attn_cli.lab.report.recipe import Part, Recipe
    from attn_cli.lab.report.result import Report
    from attn_cli.record import Step
    from attn_cli.views import Style

_TAG = re.compile(
    "<(?=/|!|script)", re.IGNORECASE
)  # what could end the script element, or begin a comment
FAR = 1e15  # from here on numbers have no digits behind their point
TEXTS = ("label", "symbols", "numbers", "term", "inner", "then", "note")


def document(report: Report, style: Style, titles: list[str]) -> str:
    """Return the document as text for a script element."""
    unmarked = {name: _unmarked(step) for name, step in report.record.steps.items()}
    record = replace(report.record, steps=unmarked)
    found = document_of(record, None, lambda step: _numbers(report, step))
    found["page"] = _page(report, style, titles)
    return closed(leaf(found, (",", ":")))


def closed(text: str) -> str:
    """Return JSON in which nothing can end the script element."""
    return _TAG.sub(r"\\u003c", text)


def _unmarked(step: Step) -> Step:
    """Return a step without the marks of hidden keys, which are a step of their own."""
    return step if step.hidden is None else replace(step, hidden=None, legend=())


def _numbers(report: Report, step: Step) -> dict[str, object]:
    """Return the members that hold the numbers of a step, if they are kept."""
    if step.name not in report.held:
        return {}
    if report.rung == 1:
        return {"values": short(step.values.tolist())}
    return {"float32": float32(step.values)}


def short(values: Any) -> Any:
    """Return numbers with whole ones without a point: 1, not 1.0."""
    if isinstance(values, list):
        return [short(each) for each in values]
    if isinstance(values, dict):
        return {name: short(each) for name, each in values.items()}
    if isinstance(values, float) and values.is_integer() and 0 < abs(values) < FAR:
        return int(values)
    return 0 if isinstance(values, float) and str(values) == "0.0" else values


def float32(values: Any) -> str:
    """Return numbers as float32, little-endian, in base64."""
    with np.errstate(over="ignore"):
        narrow = np.ascontiguousarray(values, "<f4")
    return b64encode(narrow.tobytes()).decode()


def _page(report: Report, style: Style, titles: list[str]) -> dict[str, object]:
    record = report.record
    sides = (record.query_tokens, record.key_tokens)
    words = [[printable(label) for label in labels] for labels in sides]
    plain = words == [list(labels) for labels in sides]
    page: dict[str, object] = {
        "rung": report.rung,
        "decimals": style.decimals,
        "near": report.near,
        "lead": list(report.lead_axes),
        "leads": [list(lead) for lead in report.leads],
        "titles": titles,
        "pairs": [name for name in report.pairs if name in report.maps],
        "main": report.main,
        "rows": record.settings.get("rows"),
        **({} if plain else {"words": words}),
        "scales": {
            name: [heat.scale, heat.low, heat.high, heat.diverging]
            for name, heat in report.maps.items()
        },
        "blocks": {
            name: [heat.queries.block, heat.keys.block]
            for name, heat in report.maps.items()
            if heat.pool is not None
        },
        "hidden": [list(map(list, runs)) for runs in report.hidden],
        "taking": [list(map(list, runs)) for runs in report.taking],
        "reasons": list(report.reasons) if report.hidden else [],
        "first": _first(report),
        "parts": {},
    }
    page = {name: each for name, each in page.items() if each not in ({}, [])}
    if report.working is not None:
        page["parts"] = {name: _part(part) for name, part in report.working.parts.items()}
        page["working"] = {
            "recipes": [_recipe(report, each) for each in report.working.recipes],
            "empty": report.working.empty,
            "zero": report.working.zero,
        }
    if report.kept is not None:
        kept = report.kept
        page["kept"] = {
            "count": kept.keys.shape[-1],
            "scores": kept.step,
            "keys": float32(kept.keys),
            "weights": float32(kept.weights),
            "numbers": float32(kept.scores),
        }
    return page


def _first(report: Report) -> dict[str, int]:
    """Return step -> the number of its first key, of steps that have only the new keys."""
    keys = len(report.record.key_tokens)
    return {
        name: keys - step.shape[step.axes.index("key")]
        for name, step in report.record.steps.items()
        if "key" in step.axes and step.shape[step.axes.index("key")] < keys
    }


def _part(part: Part) -> dict[str, object]:
    return {"axes": part.axes, "shape": part.values.shape, "values": part.values.tolist()}


def _recipe(report: Report, recipe: Recipe) -> dict[str, object]:
    step = report.record.steps.get(recipe.step)
    found: dict[str, object] = {
        "step": recipe.step,
        "axes": list(recipe.axes),
        "formula": recipe.formula if step is None else step.formula,
        "rows": [_template(each) for each in recipe.templates],
    }
    for name in ("depth", "facts", "slots", "needs", "same", "fill"):
        given = getattr(recipe, name)
        if given not in (None, {}, 0):
            found[name] = short(given)
    return found


def _template(template: Template) -> dict[str, object]:
    texts = {name: getattr(template, name) for name in TEXTS}
    found: dict[str, object] = {name: each for name, each in texts.items() if each}
    if template.when:
        found["when"] = list(template.when)
    if template.kind == "hidden":
        found["kind"] = template.kind
    return found
