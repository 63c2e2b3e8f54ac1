r"""A document around the LaTeX of records: `--standalone`, to be compiled as it is."""

from __future__ import annotations

from collections.abc import Sequence
from unicodedata import east_asian_width

from attn_cli.views.cells import Sheet, cell_width
from attn_cli.views.tex import beyond_pdflatex

_A4 = (210, 297)  # millimetres; a page is larger if a matrix is
_MARGIN = 20
_MOST = 5000  # millimetres: longer pages are more than TeX's arithmetic has room for
_CHARACTER, _BETWEEN, _LINE = 1.9, 3.6, 4.4  # of a digit, between columns, and of a row


def document(first: str, body: str, sheets: Sequence[Sheet], packages: Sequence[str]) -> str:
    """Return the document; its first line is that of the text inside it."""
    size = _page(sheets)
    lines = [
        first,
        r"\documentclass{article}",
        *(rf"\usepackage{{{name}}}" for name in ("amsmath", *packages)),
        rf"\usepackage[paperwidth={size[0]}mm,paperheight={size[1]}mm,margin={_MARGIN}mm]{{geometry}}",
        *_fonts(beyond_pdflatex(body)),
        r"\pagestyle{empty}",
        r"\begin{document}",
        body,
        "",
        r"\end{document}",
    ]
    return "\n".join(lines) + "\n"


def _page(sheets: Sequence[Sheet]) -> tuple[int, int]:
    """Return width and height of pages on which the largest matrix has room, in millimetres."""
    width, height = _A4
    for sheet in sheets:
        if sheet.repeats:
            continue
        labels = max(map(cell_width, sheet.rows))
        texts = (
            max(map(cell_width, column)) for column in zip(sheet.columns, *sheet.cells, strict=True)
        )
        across = labels * _CHARACTER + sum(n * _CHARACTER + _BETWEEN for n in texts)
        down = (len(sheet.rows) + 6) * _LINE
        width = max(width, min(_MOST, round(across) + 2 * _MARGIN))
        height = max(height, min(_MOST, round(down) + 2 * _MARGIN))
    return width, height


def _fonts(characters: Sequence[str]) -> list[str]:
    """Return the lines that choose a font which has the characters, if one of these is installed.

    What a font lacks is left blank by TeX; `tracinglostchars` makes it say so.
    """
    if not characters:
        return []
    wide = any(east_asian_width(each) in "WF" for each in characters)
    fonts = ("Noto Sans CJK SC", "DejaVu Sans") if wide else ("DejaVu Sans",)
    chosen = "".join(rf"\IfFontExistsTF{{{name}}}{{\setmainfont{{{name}}}}}{{" for name in fonts)
    return [r"\usepackage{fontspec}", chosen + "}" * len(fonts), r"\tracinglostchars=2"]
