"""Judged sheets as comma-separated values: a line per sheet, with the verdict of each step."""

from __future__ import annotations

from attn_cli.lab.answers.judgement import Graded, Judged, Judgement
from attn_cli.views import Style
from attn_cli.views.csv import lines_of


def render(judged: Judged | Graded, style: Style) -> str:
    """Return a line of names, and a line per sheet; a step that was not answered is empty."""
    del style
    return separated(judged, ",")


def separated(judged: Judged | Graded, delimiter: str) -> str:
    """Return the lines with a delimiter."""
    sheets = judged.sheets if isinstance(judged, Graded) else (judged,)
    named = {each.answer.step for sheet in sheets for each in sheet.judgements}
    order = [name for name in sheets[0].order if name in named]
    rows = [["sheet", "agrees", *order, "first_wrong", "reasons"]]
    for sheet in sheets:
        found = {each.answer.step: each for each in sheet.judgements}
        first = sheet.first_wrong
        rows.append(
            [
                sheet.sheet.name,
                "yes" if sheet.agrees else "no",
                *(_verdict(found[name]) if name in found else "" for name in order),
                first.answer.step if first is not None else "",
                "; ".join(e.name for e in first.explanations) if first is not None else "",
            ]
        )
    return lines_of(rows, delimiter).decode()


def _verdict(judgement: Judgement) -> str:
    return "follows" if judgement.follows else judgement.verdict
