"""The presets of libraries that offer attention to their callers."""

from __future__ import annotations

from attn_cli.conventions.knobs import Plain
from attn_cli.conventions.preset import (
    AT_LEAST_FLOAT32,
    AXES_BY_BATCH,
    AXES_FROM_THE_LAST,
    AXES_OF_BOTH,
    AXES_OF_PADDING,
    AXES_OF_PADDING_AND_HEADS,
    CAP_FIRST,
    MINUS_INF,
    Preset,
)

TORCH = Preset(
    name="torch",
    title="torch.nn.functional.scaled_dot_product_attention",
    version="2.5 and later",
    settings={
        "mask.true_means": "attend",
        "mask.axes": AXES_FROM_THE_LAST,
        "causal": "top-left",
        "mask_fill": MINUS_INF,
        "empty_rows": "zero",
        "scale_placement": "scores",
        "precision.scale": "accumulate",
        "precision.scaled": AT_LEAST_FLOAT32,
        "precision.scores": AT_LEAST_FLOAT32,
        "precision.weighted_sum": AT_LEAST_FLOAT32,
        "grouping": "interleave",
        "axes": "bhsd",
    },
    sources=(
        "documentation of scaled_dot_product_attention",
        "pytorch PRs #131060, #133882 (_safe_softmax)",
        "aten/src/ATen/native/transformers/attention.cpp: _scaled_dot_product_attention_math",
        "pytorch #108108 (alignment of is_causal)",
    ),
    notes=(
        "rows that see no key were NaN up to 2.4",
        "torch.nn.attention.bias.causal_lower_right is causal: bottom-right",
        "scale_placement is that of the documentation; the math kernel scales q and k by its root",
        "q, k and v of 16 bits become float32 in the math kernel, and only its result is rounded; "
        "fused kernels round the weights once more",
        "torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(True) keeps 16 bits: precision: "
        "{scores: bfloat16, weighted_sum: bfloat16}",
        "it returns no weights, and has neither soft cap nor window: flex_attention can do both",
    ),
)

TORCH_MHA = Preset(
    name="torch-mha",
    title="torch.nn.MultiheadAttention with need_weights=True, its default",
    version="2.13",
    settings={
        "mask.true_means": "ignore",
        "mask.axes": AXES_OF_BOTH,
        "mask_fill": MINUS_INF,
        "empty_rows": "nan",
        "scale_placement": "query",
        "precision.scale": "accumulate",
        "precision.scaled": "dtype",
        "precision.scores": "dtype",
        "precision.weighted_sum": "dtype",
    },
    sources=(
        "documentation of MultiheadAttention",
        "torch/nn/functional.py: multi_head_attention_forward",
        "pytorch PR #190486 (rows that see no key)",
    ),
    notes=(
        "the weights that it returns are the mean over heads: average_attn_weights=False for each",
        "they are after dropout, so that a row may sum to more than 1",
        "need_weights=False is scaled_dot_product_attention: rows that see no key are 0",
        "is_causal is a hint next to attn_mask, which says itself where the queries are",
        "add_zero_attn is normalize: softmax1, off by one",
        "in 16 bits a mask of numbers is added before the scores are rounded, here after that",
    ),
)

FLASH_ATTN = Preset(
    name="flash-attn",
    title="flash_attn_func, and attention_ref of its tests",
    version="2.1 and later",
    settings={
        "mask.true_means": "attend",
        "mask.axes": AXES_OF_PADDING,
        "causal": "bottom-right",
        "window": "previous",
        "order": CAP_FIRST,
        "mask_fill": MINUS_INF,
        "empty_rows": "zero",
        "scale_placement": "query",
        "precision.scale": "accumulate",
        "precision.scaled": AT_LEAST_FLOAT32,
        "precision.scores": AT_LEAST_FLOAT32,
        "precision.weighted_sum": AT_LEAST_FLOAT32,
        "grouping": "interleave",
        "axes": "bshd",
        "rope.interleaved": False,
        "past.rotated": True,
        "alibi.slopes": "paper",
        "alibi.form": "distance",
    },
    sources=(
        "documentation of flash_attn_with_kvcache (rotary_cos: the cache gets rotated keys)",
        "README of flash-attention: 2.1, window_size, alibi_slopes",
        "tests/test_util.py: attention_ref",
        "flash_attn/modules/mha.py: get_alibi_slopes",
        "flash-attention #1778 (more queries than keys)",
    ),
    notes=(
        "causal was top-left before 2.1",
        "window_size is a pair: W means (W, 0); both bounds are inclusive",
        "sink_token_length is sink_tokens: those keys pass the left bound only",
        "only masks for padding are boolean: True is a token",
        "the LSE of a row that sees no key is +inf in version 2; here, and in 3 and 4, it is -inf",
        "with learnable_sink the LSE includes the sink",
        "attention_ref has upcast=True, its default: all is float32 but q, k, v and its results; "
        "the kernels round the weights before the product with V",
        "attention_ref with reorder_ops=True scales the keys instead of the queries",
    ),
)

_JAX_SETTINGS: dict[str, Plain] = {
    "mask.true_means": "attend",
    "mask.axes": AXES_FROM_THE_LAST,
    "causal": "top-left",
    "window": "both",
    "mask_fill": {"value": "0.7 lowest float32", "how": "select"},
    "scale_placement": "scores",
    "precision.scale": "accumulate",
    "precision.scores": AT_LEAST_FLOAT32,
    "precision.softmax": "float32",
    "precision.weighted_sum": "dtype",
    "grouping": "interleave",
    "axes": "bshd",
}
_JAX_SOURCES = (
    "documentation of jax.nn.dot_product_attention",
    "jax/_src/nn/functions.py: _dot_product_attention_core, _apply_masks, _get_large_negative",
    "jax PR #32357 (local_window_size without a mask)",
)
_JAX_NOTES = (
    "local_window_size W is (W, W), bounds inclusive; with is_causal it is W before and itself",
    "scores of 16-bit inputs are kept in float32, and weights are rounded before V",
)

JAX_0_10_0 = Preset(
    name="jax@0.10.0",
    title="jax.nn.dot_product_attention, implementation='xla', up to 0.10.0",
    version="0.8 to 0.10.0",
    settings={**_JAX_SETTINGS, "mask_fill": {"value": "0.7 lowest", "how": "select"}},
    sources=_JAX_SOURCES,
    notes=(
        "a row that sees no key is uniform: all its scores are the same number; in float64 they "
        "are -inf in the float32 of the softmax, and the row is NaN",
        *_JAX_NOTES,
    ),
)

JAX = Preset(
    name="jax",
    title="jax.nn.dot_product_attention, implementation='xla'",
    version="0.10.1 and later",
    settings=_JAX_SETTINGS,
    sources=_JAX_SOURCES,
    notes=(
        "a row that sees no key is uniform: all its scores are the same number, which float32 "
        "holds; up to 0.10.0 it was NaN in float64: jax@0.10.0",
        *_JAX_NOTES,
    ),
)

KERAS = Preset(
    name="keras",
    title="keras.layers.MultiHeadAttention and GroupQueryAttention, returning their scores",
    version="3, of 2026",
    settings={
        "mask.true_means": "attend",
        "mask.axes": AXES_BY_BATCH,
        "causal": "top-left",
        "window": "band",
        "mask_fill": {"value": -1e9, "how": "select"},
        "empty_rows": "zero",
        "scale_placement": "query",
        "precision.scale": "dtype",
        "precision.scaled": "dtype",
        "precision.scores": "dtype",
        "precision.weighted_sum": "dtype",
        "grouping": "interleave",
        "axes": "bshd",
    },
    sources=(
        "keras/src/layers/attention/multi_head_attention.py, grouped_query_attention.py",
        "keras/src/layers/activations/softmax.py",
        "keras PR #21149 (rows that see no key), PR #22814 (sliding_window)",
    ),
    notes=(
        "in float16 the fill is -3e4; the weights of hidden keys are set to 0 after the softmax, "
        "which shows where scores are below the fill",
        "the layers have no argument for the scale: it is 1/sqrt(key_dim), cast to the type of the "
        "query; a scale that is given here is rounded likewise",
        "keras.layers.Attention is another: it subtracts 1e9 (65504 in float16) where keys are "
        "hidden, and scales by a learnt number or not at all",
        "return_attention_scores=False may go to the backend's own fused attention",
    ),
)

XFORMERS = Preset(
    name="xformers",
    title="xformers.ops.memory_efficient_attention",
    version="0.0.2x and 0.0.3x",
    settings={
        "causal": "top-left",
        "window": "keys",
        "mask_fill": MINUS_INF,
        "scale_placement": "query",
        "precision.scale": "accumulate",
        "precision.scaled": AT_LEAST_FLOAT32,
        "precision.scores": AT_LEAST_FLOAT32,
        "precision.weighted_sum": AT_LEAST_FLOAT32,
        "grouping": "interleave",
        "axes": "bshd",
    },
    sources=(
        "documentation of memory_efficient_attention: its equivalent code, [B, M, G, H, K]",
        "tests/test_mem_eff_attention.py: ref_attention",
        "xformers/ops/fmha/attn_bias.py: LowerTriangularMask, ...LocalAttentionMask",
    ),
    notes=(
        "LowerTriangularMask is top-left, LowerTriangularFromBottomRightMask bottom-right",
        "...LocalAttentionMask(W) sees W keys, LocalAttentionFromBottomRightMask(W, 0) sees W + 1",
        "masks are numbers that are added: there are no boolean ones",
        "the result of a row that sees no key is not documented",
        "scores of 16-bit inputs stay in float32; the weights too in ref_attention, while some "
        "kernels round them before the product with V",
    ),
)

X_TRANSFORMERS = Preset(
    name="x-transformers",
    title="x-transformers: Attend without flash, AlibiPositionalBias, RotaryEmbedding",
    version="2",
    settings={
        "mask.true_means": "attend",
        "mask.axes": AXES_OF_PADDING_AND_HEADS,
        "causal": "end",
        "window": "previous",
        "order": ["bias", "softcap", "mask"],
        "mask_fill": {"value": "lowest", "how": "select"},
        "empty_rows": {"mask": "zero", "other": "uniform"},
        "scale_placement": "scores",
        "precision.scale": "accumulate",
        "precision.scores": "dtype",
        "precision.softmax": "float32",
        "precision.weighted_sum": "dtype",
        "grouping": "tile",
        "axes": "bhsd",
        "rope.interleaved": True,
        "past.rotated": False,
        "alibi.slopes": "paper",
        "alibi.form": "distance",
    },
    sources=(
        "x_transformers/attend.py",
        "x_transformers/x_transformers.py: max_attend_past, AlibiPositionalBias, cached_kv",
    ),
    notes=(
        "a row from which the mask hides every key has output 0, but the weights that it returns "
        "are uniform; rows emptied by causal order, alone or together with the mask, are uniform "
        "(there in float64 NaN: the fill is -inf in the float32 of the softmax)",
        "Attention joins max_attend_past to the mask: a row that both empty has output 0 there",
        "with qk_norm the softmax runs in the type of the scores",
        "its sparse_topk keeps ties with the k-th, as top_k does",
    ),
)
