"""Views: a result -> text or bytes. One module per format, all with one signature.

    render(result, style) -> str | bytes | Iterable[str] | Iterable[bytes]
    encoding(whole, style) -> Encoding      if the values of a step are written while it is computed
    fit(outline, style) -> rows, columns    how many cells of a heat map it has room for; None: all
    check_size(**sizes) -> None             if it refuses what is too large for it
    check() -> None                         if it needs what may not be installed
    render_all(results, style)              if several results are one text

A view gets the result and nothing else: it opens nothing, prints nothing and computes nothing. A
new view is one module and one row in `rows/`: help, errors, suffixes and docs read the rows.
"""

from __future__ import annotations

from attn_cli.views.rows import ROWS
from attn_cli.views.view import BAR, BOX, DECIMALS, Encoding, Style, View, Views

__all__ = ["BAR", "BOX", "DECIMALS", "VIEWS", "Encoding", "Style", "View", "Views"]

VIEWS = Views(*ROWS)
