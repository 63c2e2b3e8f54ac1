"""The mistakes of an exercise as comma-separated values: a line per number that a mistake changes.

    name, kind, step, place, right, value      place: the position along each axis, with blanks

A mistake that the exercise cannot show has one line without a step.
"""

from __future__ import annotations

import numpy as np

from attn_cli.lab.answers.showing import Mistakes
from attn_cli.views import Style
from attn_cli.views.csv import lines_of
from attn_cli.views.json import rounded


def render(mistakes: Mistakes, style: Style) -> str:
    """Return a line of names, and the lines."""
    return separated(mistakes, style, ",")


def separated(mistakes: Mistakes, style: Style, delimiter: str) -> str:
    """Return the lines with a delimiter."""
    rows = [["name", "kind", "step", "place", "right", "value"]]
    for shown in mistakes.shown:
        for step, values in shown.steps.items():
            right = mistakes.right[step]
            for place in np.ndindex(values.shape):
                pair = (float(right[place]), float(values[place]))
                numbers = [str(rounded(number, style.digits)) for number in pair]
                rows.append([shown.name, shown.kind, step, " ".join(map(str, place)), *numbers])
    rows += [[hidden.name, hidden.kind, "", "", "", ""] for hidden in mistakes.hidden]
    return lines_of(rows, delimiter).decode()
