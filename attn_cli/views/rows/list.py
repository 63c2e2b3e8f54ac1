"""Views of lists: score functions, normalisers, conventions, steps, samples."""

from __future__ import annotations

from attn_cli.views.view import View

_CONVENTIONS = ("Catalogue", "Preset", "Differences")

LIST = (
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
