"""Views of records: the results of `attn compute` and of the other commands that compute."""

from __future__ import annotations

from attn_cli.views.view import View

_TABLES = ("digits", "full", "verbose", "from")

COMPUTE = (
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
        name="html",
        accepts=("Report",),
        module="attn_cli.views.html.page",
        suffixes=(".html", ".htm"),
        options=("digits", "max_size"),
    ),
    View(
        name="html",
        accepts=("Worksheet",),
        module="attn_cli.views.html.worksheet",
        suffixes=(".html", ".htm"),
        options=("digits", "max_size"),
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
)
