"""The values of arguments and options that have a fixed list of them."""

from __future__ import annotations

from attn_cli import samples
from attn_cli.cli.heatmap import COLOURS, POOLS
from attn_cli.cli.output import COLORS
from attn_cli.cli.shells import SHELLS
from attn_cli.conventions.knobs import KNOBS
from attn_cli.conventions.presets import PRESETS
from attn_cli.floats import FLOAT_TYPES
from attn_cli.lab.verifying.libraries import TRIED
from attn_cli.language.methods import METHODS, UNKNOWN
from attn_cli.maths.norm import FUNCTIONS as NORMS
from attn_cli.maths.normalizers import NORMALIZERS
from attn_cli.maths.pipeline import names as step_names
from attn_cli.maths.scores import SCORES
from attn_cli.reading.positions_reader import NAMES as POSITIONS
from attn_cli.reading.schema import LAYOUTS

Values = tuple[str, ...]

# By the name of the parameter, in every command that has it.
_EVERYWHERE: dict[str, Values] = {
    "score": SCORES.names,
    "normalize": NORMALIZERS.names,
    "causal": ("true", "false", *KNOBS["causal"].words),
    "dtype": tuple(FLOAT_TYPES),
    "blank": step_names(),
    "show": step_names(),
    "only": step_names(),
    "method": tuple(METHODS),
    "unknown": UNKNOWN,
    "color": COLORS,
    "like": tuple(PRESETS),
    "arrays": tuple(TRIED),
}
LISTED = ("blank", "show")  # one or several of them, separated by commas
# By command and parameter.
_TRANSLATION = ("q", "k", "k_transposed", "v", "scores", "weights", "context", "target_scores")
_HERE: dict[tuple[str, str], Values] = {
    ("translate", "show"): _TRANSLATION,
    ("translate", "only"): _TRANSLATION,
    ("heatmap", "colours"): COLOURS,
    ("heatmap", "pool"): POOLS,
    ("scores", "name"): SCORES.names,
    ("normalizers", "name"): NORMALIZERS.names,
    ("conventions", "names"): tuple(PRESETS),
    ("steps", "name"): step_names(),
    ("samples", "name"): tuple(samples.names()),
    ("completion", "shell"): tuple(SHELLS),
}

_KEYS: dict[str, Values] = {
    "like": tuple(PRESETS),
    "positions": POSITIONS,
    "qk_norm": tuple(NORMS),
    "rope": ("true", "false"),
    "alibi": ("true", "false"),
    "residual": ("true", "false"),
    "layer_norm": ("true", "false"),
    "layout": LAYOUTS,
    "nonfinite": ("refuse", "allow"),
}


def of_parameter(command: str, parameter: str, help: str) -> Values:
    """Return the values of a parameter; those of --format are in its help, from the views."""
    if parameter == "format":
        return tuple(help.rstrip(".").rpartition(": ")[2].split(", "))
    if (command, parameter) == ("help", "command"):
        from attn_cli.cli.app import COMMANDS

        return tuple(COMMANDS)
    return _HERE.get((command, parameter), _EVERYWHERE.get(parameter, ()))


def of_key(key: str) -> Values:
    """Return the words that a key of the problem can be; mappings and lists are left out."""
    if key in _KEYS:
        return _KEYS[key]
    return KNOBS[key].words if key in KNOBS else ()
