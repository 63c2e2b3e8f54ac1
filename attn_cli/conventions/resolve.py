"""Which conventions hold for one problem: those of its keys, else of its preset, else attn's."""

from __future__ import annotations

from attn_cli.conventions.knobs import KNOBS, Plain, text
from attn_cli.conventions.preset import Preset
from attn_cli.errors import Path


class Conventions:
    """The value of every knob. Readers of a problem ask it for what a key leaves open."""

    def __init__(self, chosen: Preset | None = None) -> None:
        self.preset = chosen
        self._written: dict[str, Plain] = {}

    @classmethod
    def of(cls, name: str | None, *, path: Path = ()) -> Conventions:
        """Return the conventions of a preset, attn's own for None; AttnError for an unknown one."""
        if name is None:
            return cls()
        from attn_cli.conventions.presets import preset

        return cls(preset(name, path=path))

    def get(self, knob: str) -> Plain | None:
        """Return what holds; None where nobody has decided and attn does not guess."""
        if knob in self._written:
            return self._written[knob]
        if self.preset is not None and knob in self.preset.settings:
            return self.preset.settings[knob]
        return KNOBS[knob].default

    def decides(self, knob: str) -> bool:
        """Return whether the preset has a say on it."""
        name = KNOBS[knob].name
        return self.preset is not None and name in self.preset.settings

    @property
    def adds_integers(self) -> str | None:
        """The name of the preset if that adds a mask of whole numbers to the scores."""
        adds = self.preset is not None and self.preset.adds_integers
        return self.preset.name if self.preset is not None and adds else None

    def override(self, knob: str, value: Plain) -> None:
        """Remember that a key of the problem sets the knob: it wins over the preset."""
        self._written[KNOBS[knob].name] = value

    def notes(self) -> tuple[str, ...]:
        """Return a sentence for each key that is written otherwise than the preset has it."""
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
