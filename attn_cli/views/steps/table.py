"""Steps for people: a table as wide as the terminal, or one step in detail."""

from __future__ import annotations

from collections.abc import Iterator

from attn_cli.lists import StepInfo, Steps
from attn_cli.views import BOX, Style
from attn_cli.views.columns import columns, paragraph


def render(shown: Steps, style: Style) -> str:
    """Return the text of all steps, or of one."""
    if shown.explained:
        (step,) = shown.entries
        lines = _explained(step, style.width)
    else:
        rows = [[step.name, _shape(step), step.formula, step.meaning] for step in shown.entries]
        lines = columns([["step", "shape", "formula, usually", "meaning"], *rows], style.width)
    result = "".join(f"{line}\n" for line in lines)
    return result.replace(BOX, "-") if style.ascii else result


def _shape(step: StepInfo) -> str:
    return " x ".join(step.shape)


def _explained(step: StepInfo, width: int | None) -> Iterator[str]:
    yield from paragraph(f"{step.name}: {step.meaning}", width)
    yield ""
    facts = {
        "formula, usually": step.formula,
        "in LaTeX": step.expression.latex(),
        "axes": " x ".join(step.axes),
        "shape": f"{_shape(step)}, for each batch entry and head if there are some",
        "role": step.role,
        "there if": step.condition or "always",
        "reads": ", ".join(step.reads) or "no other step",
        "read by": ", ".join(step.read_by) or "no other step",
        "shown": "if it is asked for by name" if step.aside else "in every table of all steps",
        "also called": ", ".join(step.aliases),
    }
    room = max(map(len, facts))
    for name, fact in facts.items():
        if fact:
            yield from paragraph(fact, width, f"  {name:{room}}   ")
    yield ""
    yield from paragraph(f"To see it: attn compute PROBLEM --only {step.name}", width)
