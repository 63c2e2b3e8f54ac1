"""Conventions for people: tables as wide as the terminal, plain text in a pipe."""

from __future__ import annotations

from collections.abc import Iterator

from attn_cli.conventions.knobs import KNOBS, Knob, text
from attn_cli.conventions.preset import Preset
from attn_cli.conventions.presets import Catalogue
from attn_cli.lab.preset_comparison import Differences, Row, Shown
from attn_cli.views import BOX, Style
from attn_cli.views.columns import columns, paragraph
from attn_cli.views.json import rounded

ABSENT = "-"  # of a knob that the preset does not set

BESIDE = 16  # columns; a meaning that has less room is put below its value


def render(shown: Catalogue | Preset | Differences, style: Style) -> str:
    """Return the text of all conventions, of one preset, or of several compared."""
    if isinstance(shown, Differences):
        lines = _comparison(shown, style)
    elif isinstance(shown, Preset):
        lines = _preset(shown, style.width)
    else:
        lines = _catalogue(shown, style.width)
    result = "".join(f"{line}\n" for line in lines)
    return result.replace(BOX, "-") if style.ascii else result


def _catalogue(catalogue: Catalogue, width: int | None) -> Iterator[str]:
    yield from _heads(catalogue.presets, width)
    for knob in catalogue.knobs:
        yield ""
        own = f"attn: {text(knob.default)}" if knob.default is not None else "attn asks"
        yield from paragraph(f"{knob.name}: {knob.question} ({own})", width)
        room = max(map(len, knob.values))
        for value, meaning in knob.values.items():
            if width is None or width - room - 5 >= BESIDE:
                yield from paragraph(meaning, width, f"  {value:{room}}   ")
            else:
                yield f"  {value}"
                yield from paragraph(meaning, width, "      ")


def _heads(presets: tuple[Preset, ...], width: int | None) -> Iterator[str]:
    rows = [[preset.name, preset.title, preset.version] for preset in presets]
    yield from columns([["preset", "describes", "version"], *rows], width)


def _preset(preset: Preset, width: int | None) -> Iterator[str]:
    yield from paragraph(f"{preset.name}: {preset.title}, {preset.version}", width)
    yield ""
    rows = [
        [knob.name, text(value), knob.meaning(value), _own(knob, value)]
        for knob, value in ((KNOBS[name], preset.settings[name]) for name in _order(preset))
    ]
    yield from columns([["knob", "value", "meaning", "attn's own"], *rows], width)
    absent = [name for name in KNOBS if name not in preset.settings]
    if absent:
        yield ""
        yield from paragraph(", ".join(absent), width, "not set: ")
    for title, points in (("Notes", preset.notes), ("Sources", preset.sources)):
        if points:
            yield from ("", title)
        for point in points:
            yield from paragraph(point, width, "- ")


def _order(preset: Preset) -> list[str]:
    return [name for name in KNOBS if name in preset.settings]


def _own(knob: Knob, value: object) -> str:
    """Return attn's own value if it differs."""
    if knob.default is None:
        return "asks"
    return "" if text(knob.default) == text(value) else text(knob.default)


def _comparison(comparison: Differences, style: Style) -> Iterator[str]:
    width = style.width
    yield from _heads(comparison.presets, width)
    names = [preset.name for preset in comparison.presets]
    yield ""
    if not comparison.differences:
        yield "They agree in every knob that at least two of them set."
    else:
        rows = [
            [row.knob.name, *(text(row.values[n]) if n in row.values else ABSENT for n in names)]
            for row in comparison.differences
        ]
        yield from columns([["knob", *names], *rows], width)
    for row in comparison.differences:
        yield from _difference(row, width, style.digits)
    if comparison.partial:
        yield ""
        rows = [
            [row.knob.name, text(next(iter(row.values.values()))), ", ".join(row.values)]
            for row in comparison.partial
        ]
        yield from columns([["only some have", "value", "which"], *rows], width)


def _difference(row: Row, width: int | None, digits: int | None) -> Iterator[str]:
    yield ""
    yield from paragraph(f"{row.knob.name}: {row.knob.question}", width)
    for shown in row.examples:
        yield ""
        problem = ", ".join(f"{key}: {text(item)}" for key, item in shown.example.problem.items())
        yield from paragraph(problem, width, "  ")
        yield ""
        inner = None if width is None else max(width - 2, 8)
        for line in columns(_results(row, shown, digits), inner):
            yield f"  {line}".rstrip()


def _results(row: Row, shown: Shown, digits: int | None) -> list[list[str]]:
    """Return one row per preset: its value of the knob, and the values of each step."""
    steps = shown.example.steps
    return [
        ["like", row.knob.name, *steps],
        *(
            [name, text(row.values[name]), *(_written(shown, name, step, digits) for step in steps)]
            for name in shown.results
        ),
    ]


def _written(shown: Shown, name: str, step: str, digits: int | None) -> str:
    """Return the values of a step in one line; `digits` None: with the digits of the example."""
    if digits is None:
        return shown.written(name, step)
    return text(rounded(shown.results[name][step], digits))
