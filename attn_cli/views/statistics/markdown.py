"""Statistics as a table in Markdown."""

from __future__ import annotations

from attn_cli.lab.statistics import Statistics
from attn_cli.views import Style
from attn_cli.views.markdown import escaped, row
from attn_cli.views.statistics.cells import notes, texts, title


def render(found: Statistics, style: Style) -> str:
    """Return the title, the table, and what is to be said of it."""
    columns = texts(found, style.decimals, align=False)
    lines = [f"**{escaped(title(found))}**", ""]
    lines.append(row([escaped(column.head) for column in columns]))
    lines.append(row(["---" if column.words else "---:" for column in columns]))
    cells = ([escaped(cell) for cell in column.cells] for column in columns)
    lines += [row(list(line)) for line in zip(*cells, strict=True)]
    for note in notes(found):
        lines += ["", escaped(note)]
    return "".join(f"{line}\n" for line in lines)
