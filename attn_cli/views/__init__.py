"""Views: a result -> text or bytes. One module per format, all with one signature.

    render(result, style) -> str | bytes | Iterable[str] | Iterable[bytes]
    encoding(whole, style) -> Encoding      if the values of a step are written while it is computed
    fit(outline, style) -> rows, columns    how many cells of a heat map it has room for; None: all
    check_size(**sizes) -> None             if it refuses what is too large for it
    check() -> None                         if it needs what may not be installed
    render_all(results, style)              if several results are one text

A view gets the result and nothing else: it opens nothing, prints nothing and computes nothing. A
new view is one module and one row of `VIEWS`: help, errors, suffixes and docs read the rows.
"""

from __future__ import annotations

from attn_cli.views.view import BAR, BOX, DECIMALS, Encoding, Style, View, Views

__all__ = ["BAR", "BOX", "DECIMALS", "VIEWS", "Encoding", "Style", "View", "Views"]

_TABLES = ("digits", "full", "verbose", "from")
_CONVENTIONS = ("Catalogue", "Preset", "Differences")

VIEWS = Views(
    View(
        name="table",
        accepts=("Record",),
        module="attn_cli.views.table",
        suffixes=(".txt",),
        options=(*_TABLES, "color", "light"),
        verdicts=True,
        drawn=True,
        several=True,
    ),
    View(
        name="json",
        accepts=("Record",),
        module="attn_cli.views.json",
        suffixes=(".json", ".jsonl"),
        options=("digits",),
        verdicts=True,
        several=True,
    ),
    View(
        name="csv",
        accepts=("Record",),
        module="attn_cli.views.csv",
        suffixes=(".csv",),
        options=("digits", "labels"),
        one_step=True,
        streams=True,
    ),
    View(
        name="tsv",
        accepts=("Record",),
        module="attn_cli.views.tsv",
        suffixes=(".tsv",),
        options=("digits", "labels"),
        one_step=True,
        streams=True,
    ),
    View(
        name="markdown",
        accepts=("Record",),
        module="attn_cli.views.markdown",
        suffixes=(".md",),
        options=(*_TABLES, "math"),
        verdicts=True,
        several=True,
    ),
    View(
        name="latex",
        accepts=("Record",),
        module="attn_cli.views.latex",
        suffixes=(".tex",),
        options=(*_TABLES, "labels", "booktabs", "standalone"),
        verdicts=True,
        several=True,
        together=True,
        bounded=True,
    ),
    View(
        name="npy",
        accepts=("Record",),
        module="attn_cli.views.npy",
        suffixes=(".npy",),
        one_step=True,
        binary=True,
        streams=True,
    ),
    View(
        name="npz",
        accepts=("Record",),
        module="attn_cli.views.npz",
        suffixes=(".npz",),
        binary=True,
    ),
    View(
        name="answer",
        accepts=("Record",),
        module="attn_cli.views.answer",
        several=True,
        needs_answer=True,
    ),
    View(
        name="text",
        accepts=("Graph",),
        module="attn_cli.views.graph.text",
        suffixes=(".txt",),
        options=("digits",),
        drawn=True,
        characters=BAR,
    ),
    View(
        name="dot",
        accepts=("Graph",),
        module="attn_cli.views.graph.dot",
        suffixes=(".dot", ".gv"),
        options=("digits",),
    ),
    View(
        name="mermaid",
        accepts=("Graph",),
        module="attn_cli.views.graph.mermaid",
        suffixes=(".mmd", ".mermaid"),
        options=("digits",),
    ),
    View(
        name="json",
        accepts=("Graph",),
        module="attn_cli.views.graph.json",
        suffixes=(".json",),
        options=("digits",),
    ),
    View(
        name="svg",
        accepts=("Graph",),
        module="attn_cli.views.graph.svg",
        suffixes=(".svg",),
        options=("digits",),
        bounded=True,
    ),
    View(
        name="png",
        accepts=("Graph",),
        module="attn_cli.views.graph.png",
        suffixes=(".png",),
        options=("digits",),
        binary=True,
        bounded=True,
        optional=True,
    ),
    View(
        name="text",
        accepts=("HeatMap",),
        module="attn_cli.views.heat_map.text",
        suffixes=(".txt",),
        options=("digits", "color", "light", "width", "numbers"),
        drawn=True,
        characters="▀▄·×…",
    ),
    View(
        name="json",
        accepts=("HeatMap",),
        module="attn_cli.views.heat_map.json",
        suffixes=(".json",),
        options=("digits", "width"),
    ),
    View(
        name="svg",
        accepts=("HeatMap",),
        module="attn_cli.views.heat_map.svg",
        suffixes=(".svg",),
        options=("digits", "numbers"),
    ),
    View(
        name="png",
        accepts=("HeatMap",),
        module="attn_cli.views.heat_map.png",
        suffixes=(".png",),
        options=("digits", "numbers"),
        binary=True,
        optional=True,
    ),
    View(
        name="table",
        accepts=("Statistics",),
        module="attn_cli.views.statistics.table",
        suffixes=(".txt",),
        options=("digits",),
        drawn=True,
    ),
    View(
        name="csv",
        accepts=("Statistics",),
        module="attn_cli.views.statistics.csv",
        suffixes=(".csv",),
        options=("digits",),
    ),
    View(
        name="tsv",
        accepts=("Statistics",),
        module="attn_cli.views.statistics.tsv",
        suffixes=(".tsv",),
        options=("digits",),
    ),
    View(
        name="markdown",
        accepts=("Statistics",),
        module="attn_cli.views.statistics.markdown",
        suffixes=(".md",),
        options=("digits",),
    ),
    View(
        name="json",
        accepts=("Statistics",),
        module="attn_cli.views.statistics.json",
        suffixes=(".json",),
        options=("digits",),
    ),
    View(
        name="text",
        accepts=("Derivation",),
        module="attn_cli.views.derivation.text",
        suffixes=(".txt",),
        options=("digits",),
        drawn=True,
    ),
    View(
        name="markdown",
        accepts=("Derivation",),
        module="attn_cli.views.derivation.markdown",
        suffixes=(".md",),
        options=("digits",),
    ),
    View(
        name="latex",
        accepts=("Derivation",),
        module="attn_cli.views.derivation.latex",
        suffixes=(".tex",),
        options=("digits",),
    ),
    View(
        name="json",
        accepts=("Derivation",),
        module="attn_cli.views.derivation.json",
        suffixes=(".json",),
        options=("digits",),
    ),
    View(
        name="table",
        accepts=_CONVENTIONS,
        module="attn_cli.views.conventions.table",
        suffixes=(".txt",),
        options=("digits",),
        drawn=True,
    ),
    View(
        name="json",
        accepts=_CONVENTIONS,
        module="attn_cli.views.conventions.json",
        suffixes=(".json",),
        options=("digits",),
    ),
    View(
        name="table",
        accepts=("Steps",),
        module="attn_cli.views.steps.table",
        suffixes=(".txt",),
        drawn=True,
    ),
    View(
        name="json",
        accepts=("Steps",),
        module="attn_cli.views.steps.json",
        suffixes=(".json",),
    ),
    View(
        name="table",
        accepts=("Functions",),
        module="attn_cli.views.functions.table",
        suffixes=(".txt",),
        drawn=True,
    ),
    View(
        name="json",
        accepts=("Functions",),
        module="attn_cli.views.functions.json",
        suffixes=(".json",),
    ),
    View(
        name="table",
        accepts=("Samples",),
        module="attn_cli.views.samples.table",
        suffixes=(".txt",),
        drawn=True,
    ),
    View(
        name="yaml",
        accepts=("Sample",),
        module="attn_cli.views.samples.yaml",
        suffixes=(".yaml", ".yml"),
    ),
    View(
        name="json",
        accepts=("Samples", "Sample"),
        module="attn_cli.views.samples.json",
        suffixes=(".json",),
    ),
)
