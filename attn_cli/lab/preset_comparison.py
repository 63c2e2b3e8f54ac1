"""Presets compared: knobs with different values, with examples, and knobs that only some set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations

from attn_cli.conventions.examples import EXAMPLES, Example
from attn_cli.conventions.knobs import KNOBS, Knob, Plain, text
from attn_cli.conventions.preset import Preset
from attn_cli.dataclass import dataclass
from attn_cli.errors import AttnError

# (problem, steps) -> the values of each step as nested lists
Compute = Callable[[Mapping[str, Plain], tuple[str, ...]], dict[str, Plain]]


@dataclass(frozen=True)
class Shown:
    """An example with its results under each preset: name -> step -> values."""

    example: Example
    results: dict[str, dict[str, Plain]]

    def written(self, name: str, step: str) -> str:
        """Return the values of a step in one line, with the digits of the example."""
        return text(self.results[name][step], self.example.digits)

    def tells_apart(self, one: str, other: str) -> bool:
        """Return whether two presets give different results, as they are written."""
        return any(
            self.written(one, step) != self.written(other, step) for step in self.results[one]
        )


@dataclass(frozen=True)
class Row:
    """A knob with its value in each preset that sets it, and examples if they differ."""

    knob: Knob
    values: dict[str, Plain]
    examples: tuple[Shown, ...] = ()


@dataclass(frozen=True)
class Differences:
    """Presets, the knobs in which they differ, and those that only some of them set."""

    presets: tuple[Preset, ...]
    differences: tuple[Row, ...]
    partial: tuple[Row, ...]


def compare(presets: Sequence[Preset], compute: Compute) -> Differences:
    """Return the comparison of two or more presets; `compute` runs the examples."""
    rows = [
        Row(knob, {p.name: p.settings[knob.name] for p in presets if knob.name in p.settings})
        for knob in KNOBS.values()
    ]
    return Differences(
        tuple(presets),
        tuple(
            Row(row.knob, row.values, tuple(_examples(row, compute)))
            for row in rows
            if len(set(map(text, row.values.values()))) > 1
        ),
        tuple(
            row
            for row in rows
            if len(row.values) < len(presets) and len(set(map(text, row.values.values()))) == 1
        ),
    )


def _examples(row: Row, compute: Compute) -> Iterator[Shown]:
    """Yield examples until each pair of presets with different values has different results."""
    together = [
        pair
        for pair in combinations(row.values, 2)
        if text(row.values[pair[0]]) != text(row.values[pair[1]])
    ]
    for example in EXAMPLES[row.knob.name]:
        shown = Shown(
            example,
            {name: _result(example, name, compute) for name in row.values},
        )
        separated = [pair for pair in together if shown.tells_apart(*pair)]
        if separated:
            yield shown
        together = [pair for pair in together if pair not in separated]
        if not together:
            return


def _result(example: Example, name: str, compute: Compute) -> dict[str, Plain]:
    """Return the result of an example under one preset; "refused" if it refuses the problem."""
    try:
        return compute({**example.problem, "like": name}, example.steps)
    except AttnError:
        return dict.fromkeys(example.steps, "refused")
