"""What correct implementations of attention disagree about, and what each of them does: as data.

A knob is one such question with its possible answers, a preset the answers of one system, and
`Conventions` what holds for one problem: its own keys, else its preset, else what attn does.
Nothing here computes, and nothing here needs numpy.
"""

from __future__ import annotations

from attn_cli.conventions.knobs import KNOBS, Answer, Knob, Plain, text
from attn_cli.conventions.preset import Preset
from attn_cli.conventions.presets import PRESETS, preset
from attn_cli.conventions.resolve import Conventions

__all__ = [
    "KNOBS",
    "PRESETS",
    "Answer",
    "Conventions",
    "Knob",
    "Plain",
    "Preset",
    "preset",
    "text",
]
