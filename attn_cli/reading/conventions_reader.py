"""The conventions of one problem: those of its keys, else of its preset, else attn's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attn_cli.conventions.knobs import KNOBS, Knob, Plain, text
from attn_cli.conventions.preset import Preset
from attn_cli.errors import Path
from attn_cli.sources.text.scalars import choice, flag, word

Reader = Callable[[Any, Path], Plain]  # reads the node at a key path; raises AttnError


class Conventions:
    """The value of every knob.

    `read` looks for the key of a knob in the problem: a value that is written there overrides the
    preset's, and is recorded for the settings of the result and for the notes.
    """

    def __init__(self, tree: Mapping[str, Any], chosen: Preset | None = None) -> None:
        self.preset = chosen
        self._tree = tree
        self._written: dict[str, Plain] = {}

    @classmethod
    def of(cls, tree: Mapping[str, Any]) -> Conventions:
        """Return the conventions of a problem; AttnError for an unknown preset in `like`."""
        if "like" not in tree:
            return cls(tree)
        from attn_cli.conventions.presets import preset

        path: Path = ("like",)
        return cls(tree, preset(word(tree["like"], path), path=path))

    def read(self, knob: str, reader: Reader | None = None) -> Plain:
        """Return the value of the problem's own key, else that of `get`.

        Without a `reader` the key must be one of the knob's answers; AttnError if it is not.
        """
        outer, _, name = knob.rpartition(".")
        node: Any = self._tree.get(outer) if outer else self._tree
        if node is not None and isinstance(node, Mapping) and name in node:
            path = KNOBS[knob].key
            written = (
                answer(KNOBS[knob], node[name], path)
                if reader is None
                else reader(node[name], path)
            )
            self.write(knob, written)
        return self.get(knob)

    def get(self, knob: str) -> Plain:
        """Return the value; None if nothing sets it and the knob has no default."""
        if knob in self._written:
            return self._written[knob]
        if self.preset is not None and knob in self.preset.settings:
            return self.preset.settings[knob]
        return KNOBS[knob].default

    def preset_sets(self, knob: str) -> bool:
        """Return whether the preset has a value for a knob."""
        name = KNOBS[knob].name
        return self.preset is not None and name in self.preset.settings

    @property
    def adds_integers(self) -> str | None:
        """The name of the preset if it adds masks of whole numbers to the scores."""
        adds = self.preset is not None and self.preset.adds_integers
        return self.preset.name if self.preset is not None and adds else None

    def write(self, knob: str, value: Plain) -> None:
        """Record the problem's value of a knob, for keys that have other values as well."""
        self._written[KNOBS[knob].name] = value

    def notes(self) -> tuple[str, ...]:
        """Return a sentence for each key whose value differs from the preset's."""
        if self.preset is None:
            return ()
        return tuple(
            f"{knob} is {text(self._written[knob])}, as written; "
            f"like {self.preset.name} has {text(theirs)}"
            for knob, theirs in self._in_order(self.preset).items()
            if knob in self._written and text(self._written[knob]) != text(theirs)
        )

    def resolved(self) -> dict[str, Plain]:
        """Return every knob with its value, in the order of the knobs."""
        return {knob: self.get(knob) for knob in KNOBS}

    @staticmethod
    def _in_order(preset: Preset) -> dict[str, Plain]:
        return {knob: preset.settings[knob] for knob in KNOBS if knob in preset.settings}


def answer(knob: Knob, node: Any, path: Path) -> Plain:
    """Return the answer of a knob that a node is; AttnError, naming the nearest, if it is none."""
    if isinstance(knob.answers[0].value, bool):
        return flag(node, path)
    return choice(node, path, knob.words)
