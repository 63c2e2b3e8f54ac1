"""The presets of the ONNX operator Attention, which has been corrected several times."""

from __future__ import annotations

from attn_cli.conventions.knobs import Plain
from attn_cli.conventions.preset import AXES_FROM_THE_LAST, CAP_FIRST, MINUS_INF, Preset

_ONNX_SETTINGS: dict[str, Plain] = {
    "mask.true_means": "attend",
    "mask.axes": AXES_FROM_THE_LAST,
    "causal": "cache",
    "window": "previous",
    "order": CAP_FIRST,
    "mask_fill": MINUS_INF,
    "empty_rows": "zero",
    "scale_placement": "split",
    "precision.scale": "dtype",
    "precision.scaled": "dtype",
    "precision.scores": "dtype",
    "precision.softmax": "dtype",
    "precision.weighted_sum": "dtype",
    "grouping": "interleave",
    "axes": "bhsd",
    "rope.interleaved": False,
    "past.rotated": True,
}
# Windows came with opset 25.
_NO_WINDOW = {name: value for name, value in _ONNX_SETTINGS.items() if name != "window"}
_ONNX_NOTES = (
    "truly raw q k^T is not an output: qk_matmul_output_mode 0 is scaled already",
    "the function body casts the root of the scale to the type of Q (ScaleFactorF); a reference "
    "evaluator older than 1.23 may leave it wider",
    "softmax_precision, if given, is precision: {softmax: ...}",
    "a cache holds keys as they come in, from RotaryEmbedding if the model has it",
    "a mask of three axes is (heads, queries, keys)",
    "a mask of whole numbers is added, also one of 0 and 1: attn asks for booleans or decimals",
)

ONNX_1_21 = Preset(
    name="onnx@1.21",
    title="operator Attention, opset 23 and 24 as first released",
    version="onnx 1.20 and 1.21",
    settings={
        **_NO_WINDOW,
        "causal": "top-left",
        "order": ["bias", "mask", "softcap"],
        "empty_rows": "nan",
    },
    sources=(
        "onnx/reference/ops/op_attention.py of 1.21",
        "onnx #7865, PR #7867 (order of the soft cap)",
        "onnx PRs #7274, #7297 (grouping, causal with a past; both in 1.20)",
    ),
    notes=(
        "1.18 and 1.19 had grouping: tile, and causal without regard to the past",
        "qk_matmul_output_mode 1 is after the mask and 2 after the cap: 1.22 changed them over",
        "causal is top-left also with nonpad_kv_seqlen; behind a past it begins at its length",
        *_ONNX_NOTES,
    ),
    adds_integers=True,
)

ONNX_1_22 = Preset(
    name="onnx@1.22",
    title="operator Attention, opset 23 and 24 with the soft cap before the mask",
    version="onnx 1.22",
    settings={**_NO_WINDOW, "causal": "top-left", "empty_rows": "nan"},
    sources=(
        "docs/Operators.md of onnx 1.22",
        "onnx PRs #7867, #7913 (soft cap, mode numbers)",
        "onnx PR #8068 (rows that see no key, alignment: not yet in 1.22)",
    ),
    notes=(
        "qk_matmul_output_mode 1 is after the cap, 2 after the mask",
        "causal is top-left also with nonpad_kv_seqlen; behind a past it begins at its length",
        *_ONNX_NOTES,
    ),
    adds_integers=True,
)

ONNX = Preset(
    name="onnx",
    title="operator Attention, opset 25, and 23 and 24 as corrected",
    version="onnx 1.23",
    settings=_ONNX_SETTINGS,
    sources=(
        "docs/Operators.md: Attention-25, RotaryEmbedding",
        "onnx/reference/ops/op_attention.py of 1.23",
        "onnx PR #8068 (rows that see no key, alignment), PR #8108 (windows)",
    ),
    notes=(
        "windows are of opset 25: left_window_size W means window: {left: W, right: 0}",
        "that a row sees no key is decided on mask and bias, not on the scores",
        "qk_matmul_output_mode 1 is after the cap, 2 after the mask",
        *_ONNX_NOTES,
    ),
    adds_integers=True,
)
