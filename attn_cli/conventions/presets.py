"""All presets by their names. Facts as of November 2026; a later version is a preset of its own."""

from __future__ import annotations

from attn_cli.conventions import frameworks, models, onnx
from attn_cli.conventions.knobs import KNOBS, Knob
from attn_cli.conventions.preset import Preset
from attn_cli.dataclass import dataclass
from attn_cli.errors import AttnError, Path, did_you_mean

_PRESETS = (
    frameworks.TORCH,
    frameworks.TORCH_MHA,
    frameworks.FLASH_ATTN,
    onnx.ONNX_1_21,
    onnx.ONNX_1_22,
    onnx.ONNX,
    models.HF_EAGER,
    frameworks.JAX_0_10_0,
    frameworks.JAX,
    frameworks.KERAS,
    frameworks.XFORMERS,
    frameworks.X_TRANSFORMERS,
    models.GPT_OSS,
    models.GEMMA_2,
    models.D2L,
    models.OPENNMT,
    models.TENSOR2TENSOR,
    models.ANNOTATED,
)

PRESETS: dict[str, Preset] = {each.name: each for each in _PRESETS}


def preset(name: str, *, path: Path = ()) -> Preset:
    """Return a preset; raise AttnError, naming the nearest, if there is none of that name."""
    if name not in PRESETS:
        raise AttnError(
            f"unknown preset '{name}'",
            path=path,
            help=did_you_mean(name, PRESETS, what="there are"),
        )
    return PRESETS[name]


@dataclass(frozen=True)
class Catalogue:
    """All presets and all knobs."""

    presets: tuple[Preset, ...]
    knobs: tuple[Knob, ...]


def catalogue() -> Catalogue:
    """Return all presets and all knobs that are registered."""
    return Catalogue(tuple(PRESETS.values()), tuple(KNOBS.values()))
