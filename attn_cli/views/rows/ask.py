"""Views of judged answers, of what an exercise can show, and of identified conventions."""

from __future__ import annotations

from attn_cli.views.view import View

_ANSWERS = ("Judged", "Graded")

ASK = (
    View(
        name="table",
        accepts=_ANSWERS,
        module="attn_cli.views.answers.table",
        suffixes=(".txt",),
        options=("digits", "color"),
        drawn=True,
    ),
    View(
        name="json",
        accepts=_ANSWERS,
        module="attn_cli.views.answers.json",
        suffixes=(".json",),
        options=("digits",),
    ),
    View(
        name="csv",
        accepts=_ANSWERS,
        module="attn_cli.views.answers.csv",
        suffixes=(".csv",),
    ),
    View(
        name="tsv",
        accepts=_ANSWERS,
        module="attn_cli.views.answers.tsv",
        suffixes=(".tsv",),
    ),
    View(
        name="markdown",
        accepts=_ANSWERS,
        module="attn_cli.views.answers.markdown",
        suffixes=(".md",),
        options=("digits",),
    ),
    View(
        name="table",
        accepts=("Mistakes",),
        module="attn_cli.views.mistakes.table",
        suffixes=(".txt",),
        options=("digits",),
        drawn=True,
    ),
    View(
        name="json",
        accepts=("Mistakes",),
        module="attn_cli.views.mistakes.json",
        suffixes=(".json",),
        options=("digits",),
    ),
    View(
        name="csv",
        accepts=("Mistakes",),
        module="attn_cli.views.mistakes.csv",
        suffixes=(".csv",),
        options=("digits",),
    ),
    View(
        name="tsv",
        accepts=("Mistakes",),
        module="attn_cli.views.mistakes.tsv",
        suffixes=(".tsv",),
        options=("digits",),
    ),
    View(
        name="markdown",
        accepts=("Mistakes",),
        module="attn_cli.views.mistakes.markdown",
        suffixes=(".md",),
        options=("digits",),
    ),
    View(
        name="table",
        accepts=("Identified",),
        module="attn_cli.views.identified.table",
        suffixes=(".txt",),
        drawn=True,
    ),
    View(
        name="json",
        accepts=("Identified",),
        module="attn_cli.views.identified.json",
        suffixes=(".json",),
        options=("digits",),
    ),
    View(
        name="markdown",
        accepts=("Identified",),
        module="attn_cli.views.identified.markdown",
        suffixes=(".md",),
    ),
)
