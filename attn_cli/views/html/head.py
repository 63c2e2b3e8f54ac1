"""The head of the page: title, answer, settings, warnings, and the steps as stations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from attn_cli.record import Numbered
from attn_cli.views.cells import short_word
from attn_cli.views.html.markup import element, text

if TYPE_CHECKING:
    from attn_cli.lab.report.result import Report
    from attn_cli.record import Labels, Record

TITLE = 80  # columns
TIMES = " \u00d7 "
NO_STATION = ("visible", "lse", "row_sums")


def title_of(record: Record) -> str:
    """Return the title: that of the record, else its sentence, else how many tokens there are."""
    if record.title:
        return short_word(record.title, TITLE)
    if record.cross and not isinstance(record.key_tokens, Numbered):
        both = f"{_sentence(record.query_tokens)} \u2192 {_sentence(record.key_tokens)}"
        return short_word(both, TITLE)
    return short_word(_sentence(record.query_tokens), TITLE)


def _sentence(tokens: Labels) -> str:
    if isinstance(tokens, Numbered):
        return f"{len(tokens)} tokens"
    return " ".join(tokens)


def head(report: Report) -> str:
    """Return the head."""
    record = report.record
    parts = [
        element("h1", f"<bdi>{text(title_of(record))}</bdi>"),
        element("button", "light / dark", id="theme"),
    ]
    if record.text:
        lines = "\n".join(text(line) for line in record.text.split("\n"))
        parts.append(element("p", lines, class_="answer", dir="auto"))
    listed = "".join(element("li", text(chip)) for chip in chips(record))
    parts.append(element("ul", listed, class_="chips"))
    if record.warnings:
        listed = "".join(element("li", text(each)) for each in record.warnings)
        parts.append(element("ul", listed, class_="warnings", aria_label="Warnings"))
    return element("header", *parts)


def chips(record: Record) -> Iterator[str]:
    """Yield the settings in short."""
    settings = record.settings
    score = settings.get("score")
    if isinstance(score, dict):
        yield f"score: {score.get('function')}"
    scale = settings.get("scale")
    if isinstance(scale, float):
        yield f"scale: {scale:.4g}"
    for name in ("normalize", "causal", "window", "temperature", "top_k", "heads", "batch", "head"):
        value = settings.get(name)
        if value is not None:
            yield f"{name}: {value}"
    yield f"type: {settings.get('dtype')}"
    conventions = settings.get("conventions")
    if isinstance(conventions, dict) and conventions.get("like"):
        yield f"like: {conventions['like']}"


def stations(report: Report) -> str:
    """Return the steps as links on a line."""
    items = "".join(
        element(
            "li",
            f"<a href=#step-{text(name)} data-step={text(name)}"
            f"{' aria-current=step' if name == report.main else ''}>{text(name)}"
            f"<small>{TIMES.join(map(str, step.shape))}</small></a>",
        )
        for name, step in report.record.steps.items()
        if name not in NO_STATION
    )
    return element("nav", element("ol", items), aria_label="Steps of the computation")
