"""One step as comma-separated numbers, each with the fewest digits that give it back exactly.

With labels the tokens are the first row and the first column, and the very first cell is empty, so
that the file can be read again.
"""

from __future__ import annotations

import csv
from io import StringIO

from attn_cli.errors import AttnError
from attn_cli.record import Record
from attn_cli.views import Style


def render(record: Record, style: Style) -> str:
    """Return the only step of the record."""
    return separated(record, style, ",")


def separated(record: Record, style: Style, delimiter: str) -> str:
    """Return the only step with a delimiter; raise AttnError where it has more than two axes."""
    (step,) = record.steps.values()
    if step.values.ndim > 2:
        raise AttnError(
            f"{step.name} has {step.values.ndim} axes ({', '.join(step.axes)}), a table has two",
            help="choose one entry with --batch and --head, or write it as npy",
        )
    out = StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    columns, rows = step.labels[-1], step.labels[-2]
    if style.labels:
        writer.writerow(["", *columns])
    for at, row in enumerate(step.values):
        # str of a NumPy number is the shortest text that reads back as the same number.
        numbers = [str(x) for x in (row.tolist() if row.dtype.itemsize == 8 else row)]
        writer.writerow([rows[at], *numbers] if style.labels else numbers)
    return out.getvalue()
