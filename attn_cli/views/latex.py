r"""LaTeX of records: each step as its formula and its matrix, to be read with `\input`.

    \begin{array}{r|ccc}    with words above and on the left of the numbers, behind rules
    \begin{bmatrix}         if no axis has words
    \begin{tabular}{lrrr}   with --booktabs

The largest weight of each query is bold, a hidden key is a dot. The first line is a comment that
says which packages are needed, and which engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attn_cli.errors import AttnError, either, printable
from attn_cli.record import Choice, Record, Step, Whole
from attn_cli.views import Style
from attn_cli.views.cells import HIDDEN, Sheet, sheets, verdict
from attn_cli.views.choices import decided_by, margin
from attn_cli.views.latex_document import document
from attn_cli.views.latex_matrix import matrix, table
from attn_cli.views.tex import needs, words

MOST_COLUMNS = 16  # of a step; more are wider than a page


def render(record: Record, style: Style) -> str:
    """Return all steps of a record."""
    return render_all([record], style)


def render_all(records: Sequence[Record], style: Style) -> str:
    """Return all steps of several records, as one text or document."""
    for record in records:
        for step in record.steps.values():
            check_size(step=step, style=style)
    of_records = [list(sheets(record, style)) for record in records]
    body = "\n".join(
        line
        for record, own in zip(records, of_records, strict=True)
        for line in _lines(record, own, style)
    )
    every = [sheet for own in of_records for sheet in own]
    more = ("booktabs",) if style.booktabs and every else ()
    first = needs(body, *more)
    if style.standalone:
        return document(first, body, every, more)
    return f"{first}\n{body}\n"


def check_size(*, step: Step | Whole, style: Style) -> None:
    """Raise AttnError if a step is too wide for a page, unless it is to be shown in full."""
    columns = step.shape[-1]
    if style.full or columns <= MOST_COLUMNS:
        return
    name = step.name
    roomy = either(
        f"attn heatmap FILE --only {name} -o {name}.svg", f'save("{name}.svg", step="{name}")'
    )
    if {"query", "key"} - set(step.axes):
        roomy = either(f"--only {name} -f csv", f'save("{name}.csv", step="{name}")')
    raise AttnError(
        f"{step.name} has {columns} columns, and LaTeX shows {MOST_COLUMNS} at most",
        help=f"{either('--full', 'full=True')} writes all of them; there is room in a picture or a "
        f"file of numbers: {roomy}",
    )


def _lines(record: Record, of_record: list[Sheet], style: Style) -> Iterator[str]:
    if record.title:
        yield from ("", rf"\noindent\textbf{{\large {words(record.title)}}}\par\medskip")
    for sheet in of_record:
        yield ""
        if sheet.heading:
            yield rf"\noindent\textbf{{{words(sheet.heading)}}}\par"
        yield _about(sheet.step)
        formula = sheet.step.expression.latex()
        if sheet.repeats:
            yield from (r"\[", formula, r"\]")
        elif style.booktabs:
            yield from (r"\[", formula, r"\]", *table(sheet, style))
        else:
            yield from (r"\begin{gather*}", rf"{formula} \\", *matrix(sheet, style))
            yield r"\end{gather*}"
        yield from map(_note, sheet.notes)
    if record.choices:
        yield ""
        for choice in record.choices:
            yield from map(_paragraph, _chosen(choice, style))
        if record.text is not None and len(record.choices) > 1 and "\n" not in record.text:
            yield _paragraph(words(record.text))
    for comparison in record.comparisons:
        yield from ("", _paragraph(words(verdict(comparison, style.first))))
    if style.verbose:
        from attn_cli.views import settings

        yield ""
        for line in settings.lines(record):
            yield _paragraph(r"\quad ".join(map(words, line.split(None, 1))))


def _about(step: Step) -> str:
    """Return the name of a step with the names and the lengths of its axes, before a display."""
    axes = r" $\times$ ".join(map(words, step.axes[-2:]))
    sizes = r" \times ".join(map(str, step.shape[-2:]))
    return rf"\noindent {words(step.name)} ({axes}: ${sizes}$)"


def _note(note: str) -> str:
    """Return a line below a matrix; the mark of hidden keys is the dot that the matrix has."""
    mark, blank, rest = note.partition(" ")
    if mark == HIDDEN:
        return _paragraph(rf"$\cdot${blank}{words(rest)}")
    return _paragraph(words(note))


def _chosen(choice: Choice, style: Style) -> Iterator[str]:
    """Yield what was chosen and by how much, and what else was near."""
    decimals = style.decimals
    yield (
        rf"{words(choice.asked)} $\to$ {words(choice.answer)}"
        rf"\quad {words(margin(choice, decimals))}"
    )
    if choice.ranking:
        near = (f"{printable(word)} {value:.{decimals}f}" for word, value in choice.ranking)
        yield rf"\quad {words(', '.join(near))}"
    if choice.attention and choice.alone is None:
        yield rf"\quad {words(decided_by(choice, decimals))}"
    if choice.alone is not None:
        paid = (f"{printable(word)} {weight:.{decimals}f}" for word, weight in choice.attention)
        yield rf"\quad {words(f'alone: {choice.alone}; attention paid: ' + ', '.join(paid))}"


def _paragraph(text: str) -> str:
    return rf"\noindent {text}\par"
