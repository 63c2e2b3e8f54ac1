"""What the script of the page of a comparison reads: the comparison as `attn/1`, and its steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attn_cli.errors import printable
from attn_cli.lab.differing.both import HIDDEN
from attn_cli.record import Numbered
from attn_cli.views.differing.json import document_of
from attn_cli.views.html.document import closed, float32, short
from attn_cli.views.json import leaf

if TYPE_CHECKING:
    from attn_cli.lab.differing.report import Compared, DifferenceReport
    from attn_cli.lab.heat_map import HeatMap
    from attn_cli.record import Labels
    from attn_cli.views import Style

NAMES = ("here", "there", "apart")


def titles_of(step: Compared) -> list[str]:
    """Return what each batch entry and head is called."""
    varying = [
        (at, axis)
        for at, axis in enumerate(step.lead_axes)
        if len({lead[at] for lead in step.leads}) > 1
    ]
    return [", ".join(f"{axis} {lead[at]}" for at, axis in varying) for lead in step.leads]


def document(report: DifferenceReport, style: Style) -> str:
    """Return the document as text for a script element."""
    words: list[list[str] | int] = []
    steps = {name: _step(step, words, report.rung) for name, step in report.steps.items()}
    found = document_of(report.found, style)
    found["page"] = {
        "decimals": style.decimals,
        "main": report.main,
        "words": words,
        "steps": steps,
    }
    return closed(leaf(found, (",", ":")))


def _step(step: Compared, words: list[list[str] | int], rung: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "axes": list(step.axes),
        "lead": list(step.lead_axes),
        "leads": [list(lead) for lead in step.leads],
        "titles": titles_of(step),
        "words": [_known(labels, words) for labels in step.labels],
        "block": _block(step.here),
        "floor": step.floor,
        **({} if step.positions is None else {"rows": list(step.positions)}),
    }
    if any(step.hidden):
        found["hidden"] = [[list(map(list, runs)) for runs in side] for side in step.hidden]
        found["reasons"] = [reason if reason != HIDDEN else "" for reason in step.here.legend]
    if step.numbers is not None and rung == 1:
        pairs = zip(NAMES[:2], step.numbers, strict=False)
        found["values"] = {name: short(values.ravel().tolist()) for name, values in pairs}
    elif step.numbers is not None:
        pairs = zip(NAMES, step.numbers, strict=True)
        found["float32"] = {name: float32(values) for name, values in pairs}
    if step.largest is not None:
        kept = step.largest
        found["kept"] = {
            "count": kept.columns.shape[-1],
            "columns": float32(kept.columns),
            **{name: float32(getattr(kept, name)) for name in NAMES},
        }
    return found


def _block(heat: HeatMap) -> list[int]:
    return [heat.queries.block, heat.keys.block]


def _known(labels: Labels, words: list[list[str] | int]) -> int:
    """Return the number of a list of words, which is kept once; of numbers from 0, their count."""
    shown: list[str] | int = [printable(label) for label in labels]
    if isinstance(labels, Numbered) and list(labels) == list(map(str, range(len(labels)))):
        shown = len(labels)
    if shown not in words:
        words.append(shown)
    return words.index(shown)
