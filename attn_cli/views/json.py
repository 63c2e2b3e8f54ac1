"""The JSON document `attn/1`: strict, with every resolved setting and every step.

Infinities and NaN are the strings "inf", "-inf" and "nan": JSON has no such numbers. Invisible
characters that act on a terminal are escapes; all others are written as they are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from math import isfinite
from typing import Any

from attn_cli.errors import AttnError
from attn_cli.record import Choice, Comparison, Labels, Record, Step
from attn_cli.views import Style
from attn_cli.views.invisible import made_visible

FORMAT = "attn/1"


def render(record: Record, style: Style) -> str:
    """Return the document: one line per row of a matrix; one line in all if there are several."""
    document = document_of(record, style.digits)
    if style.several:
        return leaf(document) + "\n"
    return written(document)


def document_of(
    record: Record, digits: int | None, numbers: Callable[[Step], object] | None = None
) -> dict[str, object]:
    """Return the document; `numbers` returns the members that hold the values of a step."""
    labels = labels_of(record)

    def values(step: Step) -> dict[str, object]:
        return {"values": rounded(step.values.tolist(), digits)}

    document: dict[str, object] = {
        "format": FORMAT,
        "command": record.command,
        **({"title": record.title} if record.title else {}),
        "tokens": {"query": list(record.query_tokens), "key": list(record.key_tokens)},
        "labels": labels,
        "settings": record.settings,
        "steps": {
            name: _step(step, labels, numbers or values) for name, step in record.steps.items()
        },
        "answer": rounded(record.answer, digits),
    }
    if record.text is not None:
        document["text"] = record.text
        document["choices"] = rounded([_choice(each) for each in record.choices], digits)
    document["warnings"] = list(record.warnings)
    if record.comparisons:
        document["checks"] = [_check(comparison) for comparison in record.comparisons]
    return document


def render_error(error: AttnError, command: str | None) -> str:
    """Return the document of a failure; `command` None: the arguments name none."""
    return written({"format": FORMAT, "command": command, "error": error.as_document()})


def written(document: dict[str, object]) -> str:
    """Return the text of a document: strict JSON, readable as it is."""
    return "".join(_lines(document, 0)) + "\n"


def labels_of(record: Record) -> dict[str, list[str]]:
    """Return axis -> its labels by position; if steps differ in their number, the longest list.

    The dimensions of q and of v have the same name, and their numbers can differ.
    """
    found: dict[str, Labels] = {}
    for step in record.steps.values():
        for axis, labels in zip(step.axes, step.labels, strict=True):
            if axis not in found or len(labels) > len(found[axis]):
                found[axis] = labels
    return {axis: list(labels) for axis, labels in found.items()}


def _own_labels(step: Step, shared: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return the labels of the axes of a step that differ from those of the record.

    With a past, for example, `k` has only the new keys, and `scores` all keys.
    """
    named = zip(step.axes, map(list, step.labels), strict=True)
    return {axis: labels for axis, labels in named if labels != shared[axis][: len(labels)]}


def _step(
    step: Step, shared: Mapping[str, list[str]], numbers: Callable[[Step], Any]
) -> dict[str, object]:
    own = _own_labels(step, shared)
    return {
        "formula": step.formula,
        "role": step.role,
        "reads": list(step.reads),
        "axes": list(step.axes),
        "shape": list(step.shape),
        **({"labels": own} if own else {}),
        **(
            {"legend": {str(code): why for code, why in enumerate(step.legend)}}
            if step.legend
            else {}
        ),
        **numbers(step),
    }


def _choice(choice: Choice) -> dict[str, object]:
    ranking = [list(pair) for pair in choice.ranking]
    return {**vars(choice), "ranking": ranking, "doubt": choice.doubt or None}


def _check(comparison: Comparison) -> dict[str, object]:
    apart = ("letters", "transposed")
    members = {name: value for name, value in vars(comparison).items() if name not in apart}
    return {**members, "place": list(comparison.place), "transposed": comparison.transposed}


def rounded(value: Any, digits: int | None) -> Any:
    """Return a value with its numbers rounded to that many decimals; None: unchanged."""
    if digits is None or isinstance(value, str | bool | int | None):
        return value
    if isinstance(value, float):
        return round(value, digits)
    if isinstance(value, Mapping):
        return {key: rounded(item, digits) for key, item in value.items()}
    return [rounded(item, digits) for item in value]


def _strict(value: Any) -> Any:
    """Return a value with strings for the numbers that JSON does not have."""
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    if isinstance(value, list):
        return [_strict(item) for item in value]
    if isinstance(value, dict):
        return {key: _strict(item) for key, item in value.items()}
    return value


def leaf(value: Any, separators: tuple[str, str] | None = None) -> str:
    """Return the text of a value on one line; `separators` are those of items and of members."""
    write = partial(json.dumps, ensure_ascii=False, allow_nan=False, separators=separators)
    try:
        text = write(value)
    except ValueError:  # a row with an infinity, which is rare
        text = write(_strict(value))
    return text if text.isprintable() else made_visible(text, kept="", escape=_escape)


def _escape(character: str) -> str:
    return json.dumps(character)[1:-1]


def _lines(value: Any, depth: int) -> Iterator[str]:
    """Yield the text of a value: one line per item of mappings and of lists of lists."""
    mapping = isinstance(value, dict)
    nested = isinstance(value, list) and bool(value) and isinstance(value[0], list | dict)
    if not value or not (mapping or nested):
        yield leaf(value)
        return
    opening, closing = "{}" if mapping else "[]"
    yield opening
    for at, item in enumerate(value):
        yield ("," if at else "") + "\n" + "  " * (depth + 1)
        if mapping:
            yield f"{leaf(item)}: "
        yield from _lines(value[item] if mapping else item, depth + 1)
    yield "\n" + "  " * depth + closing
