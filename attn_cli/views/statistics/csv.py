"""Statistics as comma-separated values: all columns, with a line of their names.

A value that there is not is empty. Numbers are exact, or rounded to so many decimals.
"""

from __future__ import annotations

from attn_cli.lab.statistics import Statistics
from attn_cli.views import Style
from attn_cli.views.csv import lines_of
from attn_cli.views.json import rounded


def render(found: Statistics, style: Style) -> str:
    """Return the table."""
    return separated(found, style, ",")


def separated(found: Statistics, style: Style, delimiter: str) -> str:
    """Return the table with a delimiter."""
    columns = [rounded(list(found.values[each.name]), style.digits) for each in found.columns]
    lines = zip(*columns, strict=True)
    rows = [["" if value is None else str(value) for value in line] for line in lines]
    return lines_of([[each.name for each in found.columns], *rows], delimiter).decode()
