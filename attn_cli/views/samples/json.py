"""Sample problems as a JSON document `attn/1`."""

from __future__ import annotations

from attn_cli.lists import Sample, Samples
from attn_cli.views import Style
from attn_cli.views.json import FORMAT, written


def render(shown: Samples | Sample, _: Style) -> str:
    """Return the document: one object per sample, by its name; of one sample with its text."""
    if isinstance(shown, Sample):
        samples = {shown.name: {"summary": shown.summary, "text": shown.text}}
    else:
        samples = {sample.name: {"summary": sample.summary} for sample in shown.entries}
    return written({"format": FORMAT, "command": "samples", "samples": samples})
